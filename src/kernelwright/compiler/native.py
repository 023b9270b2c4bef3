"""LLVM IR text to machine code in memory, with object code kept on disk."""

import ctypes
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from kernelwright.compiler.features import HostFeatures, host_features
from kernelwright.compiler.kept import entry_path, read_entry, write_entry
from kernelwright.core.errors import HarnessError

_SUFFIX = ".o"
_SHORT_LIST = (
    "add_sroa_pass", "add_instruction_combine_pass", "add_simplify_cfg_pass", "add_new_gvn_pass",
    "add_loop_simplify_pass", "add_aggressive_dce_pass",
)  # fmt: skip
_library_numbers = count()


@dataclass(frozen=True)
class PassOptions:
    """How LLVM optimises: level 0 is a short list of passes, 1 to 3 are LLVM's own lists.

    `selection` is how hard instruction selection tries, 0 to 3. Generated code is vector code with
    invariant work outside of loops already, so the short list loses no speed and takes a fifth of
    the time of level 2; LLVM's vectorisers are off.
    """

    level: int = 0
    selection: int = 3
    loop_vectoriser: bool = False
    slp_vectoriser: bool = False
    loop_unroller: bool = False


@dataclass(frozen=True)
class ObjectCode:
    """A relocatable object file, the SHA-256 of its bytes, and the key by which `assembled` finds it again."""

    data: bytes
    sha256: str
    key: str


@dataclass(frozen=True)
class LinkedFunction:
    """A function in memory: valid at `address` for as long as this record lives."""

    address: int
    tracker: Any


def assemble(llvm_ir: str, features: HostFeatures, options: PassOptions | None = None) -> ObjectCode:
    """Return the object code of a module, from the cache directory when it is there.

    A damaged entry is made anew, one that cannot be written is left out. Raises HarnessError when LLVM refuses the
    module: generated code is our fault.
    """
    options = options or PassOptions()
    key = hashlib.sha256(f"{llvmlite.__version__}\n{features}\n{options}\n{llvm_ir}".encode()).hexdigest()
    kept = assembled(key)
    if kept is not None:
        return kept
    data = _compile(llvm_ir, features, options)
    write_entry(entry_path(key, _SUFFIX), data)
    return ObjectCode(data, hashlib.sha256(data).hexdigest(), key)


def assembled(key: str) -> ObjectCode | None:
    """Return the object code that `assemble` kept under a key, None when it is not there or damaged."""
    data = read_entry(entry_path(key, _SUFFIX))
    return None if data is None else ObjectCode(data, hashlib.sha256(data).hexdigest(), key)


def assembly_text(llvm_ir: str, features: HostFeatures, options: PassOptions | None = None) -> str:
    """Return the machine code of a module as assembly, for people who look at it."""
    machine = _target_machine(features)
    return str(machine.emit_assembly(_optimised(llvm_ir, machine, options or PassOptions())))


def link(code: ObjectCode, symbol: str) -> LinkedFunction:
    """Return function `symbol` of the object code, loaded into memory; the process's own symbols are visible to it.

    Raises HarnessError when a symbol is missing.
    """
    builder = llvm.JITLibraryBuilder().add_object_img(code.data).add_current_process().export_symbol(symbol)
    try:
        tracker = builder.link(_linker(), f"kernelwright-{next(_library_numbers)}")
    except RuntimeError as error:
        raise HarnessError(f"object code must define {symbol} and what it calls: {_one_line(error)}") from None
    return LinkedFunction(tracker[symbol], tracker)


def _compile(llvm_ir: str, features: HostFeatures, options: PassOptions) -> bytes:
    machine = _target_machine(features, options.selection)
    return bytes(machine.emit_object(_optimised(llvm_ir, machine, options)))


def _optimised(llvm_ir: str, machine: Any, options: PassOptions) -> Any:
    try:
        module = llvm.parse_assembly(llvm_ir)
        module.verify()
    except RuntimeError as error:
        raise HarnessError(f"generated code must be valid LLVM IR: {_one_line(error)}") from None
    tuning = llvm.create_pipeline_tuning_options(speed_level=options.level)
    builder = llvm.create_pass_builder(machine, tuning)
    if options.level == 0:
        manager = llvm.create_new_module_pass_manager()
        for add in _SHORT_LIST:
            getattr(manager, add)()
        manager.run(module, builder)
        return module
    tuning.loop_vectorization = options.loop_vectoriser
    tuning.slp_vectorization = options.slp_vectoriser
    tuning.loop_unrolling = options.loop_unroller
    tuning.loop_interleaving = options.loop_vectoriser
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


@lru_cache(maxsize=8)
def _target_machine(features: HostFeatures, selection: int = 3) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    # Small and position-independent: the linker places code and constants side by side.
    return target.create_target_machine(
        cpu=features.cpu, features=features.features, opt=selection, reloc="pic", codemodel="default"
    )


@lru_cache(maxsize=1)
def _linker() -> Any:

    linker = llvm.create_lljit_compiler(_target_machine(host_features()), use_jit_link=True, suppress_errors=True)
    keep_loaded(linker)
    return linker


def keep_loaded(owner: object) -> None:
    """Never free `owner`: pool threads may still be in code of ours while the interpreter ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
