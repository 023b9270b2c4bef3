"""Triton's language as documents: of the version that is installed, each name once, as kernels write it."""

import subprocess
import sys

import triton
import triton.language as tl

from kernelwright.compiler.language_documents import language_documents

BY_NAME = {document.name: document for document in language_documents()}


def test_names_are_unique_and_lead_to_something_that_is_there() -> None:
    assert len(BY_NAME) == len(language_documents()) > 200
    for name in BY_NAME:
        if name.startswith("tl."):
            found: object = tl
            for part in name.split(".")[1:]:
                found = getattr(found, part)
        elif name.startswith("triton."):
            assert hasattr(triton, name.split(".")[1])


def test_what_kernels_use_is_there_with_signature_and_text() -> None:
    needed = "tl.load tl.store tl.dot tl.arange tl.where tl.sum tl.max tl.exp2 tl.atomic_add tl.program_id tl.range"
    needed += " tl.associative_scan tl.cdiv tl.multiple_of tl.tensor.to triton.jit triton.autotune triton.Config"
    for name in needed.split():
        assert BY_NAME[name].signature.startswith("(") and BY_NAME[name].text, name
        assert BY_NAME[name].page == name
    assert BY_NAME["libdevice.tanh"].signature == "(arg0)"
    assert "tl.bfloat16" in BY_NAME["tl.dtype"].text


def test_signatures_are_what_a_kernel_can_pass() -> None:
    assert BY_NAME["tl.load"].signature.startswith("(pointer, mask=None, other=None, *, ")
    assert BY_NAME["tl.load"].signature.endswith("volatile=False)")
    for document in language_documents():
        assert "_semantic" not in document.signature and "<" not in document.signature, document.name


def test_texts_are_words_and_no_markup_of_roles() -> None:
    assert not [document.name for document in language_documents() if ":code:" in document.text]


def test_nothing_is_imported_until_documents_are_asked_for() -> None:
    code = (
        "import sys, kernelwright.compiler.language_documents as d; before = {'triton', 'torch'} & set(sys.modules);"
        "d.language_documents(); sys.exit(bool(before) or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
