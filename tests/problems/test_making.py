"""Making a problem's folder: what is written, what is asked for, and that nothing stays behind."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kernelwright.core.errors import RequestError
from kernelwright.problems.destination import with_destinations
from kernelwright.problems.draft import parse_tensor, parse_workload
from kernelwright.problems.general import GeneralProblem
from kernelwright.problems.making import make_folder
from kernelwright.problems.wishes import Wish, draft_of
from tests.problems.kernel_files import PICK, PICK_ORACLE, PRODUCT, PRODUCT_ORACLE

PRODUCT_WISH = Wish(
    "product", PRODUCT, PRODUCT_ORACLE, title="A product of matrices",
    tensors=("a: bf16[M, K]", "b: bf16[K, N]"), outputs=("c: bf16[M, N]",),
    sizes=("M=40 K=48 N=33", "large: M=256 K=128 N=33"),
)  # fmt: skip
PICK_WISH = Wish(
    "pick", PICK, PICK_ORACLE, tensors=("table: f32[S, width]", "rows: i64[T] < S"),
    outputs=("out: f32[T, width]",), updated=("seen: f32[T]",), sizes=("S=9 T=5 width=24",),
)  # fmt: skip


def made(wish: Wish, folder: Path) -> GeneralProblem:
    return make_folder(folder / wish.name, [draft_of(wish)], lambda line: None)


def written(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.mark.parametrize("wish", [PRODUCT_WISH, PICK_WISH], ids=lambda wish: wish.name)
def test_the_files_are_the_golden_ones(wish: Wish, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    made(wish, tmp_path)
    text = "".join(f"=== {name}\n{content}" for name, content in written(tmp_path / wish.name).items())
    golden(f"init_{wish.name}.txt", text)


def test_a_made_problem_has_inputs_answers_and_hidden_workloads_of_other_sizes(tmp_path: Path) -> None:
    problem = made(PRODUCT_WISH, tmp_path)
    assert (problem.suites, problem.entry) == (("smoke", "cpu"), "product")
    first, second, hidden = problem.suite("cpu", 7).workloads
    assert (first.name, second.name, hidden.hidden) == ("M40-K48-N33", "large", True)
    assert hidden.params["M"] != second.params["M"] and hidden.params["N"] == 33
    inputs = problem.make_inputs(first, 3)
    assert list(inputs.values) == ["a", "b", "c"]
    a, b = inputs.tensor("a").double(), inputs.tensor("b").double()
    assert torch.equal(problem.oracle(inputs)["c"], a @ b)
    assert inputs.tensor("c").isnan().all()
    sizes = a.square().mean(1).sqrt()
    assert float(sizes.max() / sizes.min()) > 4


def test_integers_are_drawn_below_their_bound_and_defaults_and_sizes_are_arguments(tmp_path: Path) -> None:
    problem = made(PICK_WISH, tmp_path)
    workload = problem.suite("cpu", 0).public[0]
    inputs = problem.make_inputs(workload, 1)
    assert list(inputs.values) == ["table", "rows", "out", "seen", "width", "factor", "unused"]
    assert [inputs.values[name] for name in ("width", "factor", "unused")] == [24, 2.0, None]
    rows = inputs.tensor("rows")
    assert rows.dtype == torch.int64 and int(rows.min()) >= 0 and int(rows.max()) < 9
    assert (inputs.outputs, inputs.updated) == (("out",), ("seen",))


def test_a_plain_oracle_may_change_its_arguments_in_place(tmp_path: Path) -> None:
    plain = "def fill(table, rows, out, seen, factor):\n    out.copy_(table[rows] * factor)\n    seen += 1\n"
    problem = made(replace(PICK_WISH, oracle=plain), tmp_path)
    inputs = problem.make_inputs(problem.suite("smoke", 0).public[0], 0)
    before = inputs.tensor("seen").clone()
    answers = problem.oracle(inputs)
    assert torch.equal(answers["seen"], before.double() + 1)
    assert torch.equal(answers["out"], inputs.tensor("table").double()[inputs.tensor("rows")] * 2)
    assert torch.equal(inputs.tensor("seen"), before)


def test_a_plain_function_may_be_called_oracle_and_answer_by_name(tmp_path: Path) -> None:
    plain = "def oracle(b, a):\n    return {'c': a @ b}\n"
    problem = made(replace(PRODUCT_WISH, oracle=plain), tmp_path)
    inputs = problem.make_inputs(problem.suite("smoke", 0).public[0], 0)
    assert torch.equal(problem.oracle(inputs)["c"], inputs.tensor("a").double() @ inputs.tensor("b").double())


def test_gates_follow_the_types_unless_said(tmp_path: Path) -> None:
    wish = replace(PICK_WISH, gates={"out": 2e-3}, updated=("seen: i32[T] < 9",))
    wish = replace(wish, oracle=PICK_ORACLE.replace("double() + 1", "long() + 1"))
    made(wish, tmp_path)
    text = (tmp_path / "pick" / "problem.toml").read_text()
    assert 'axes = ["T", "width"]\ngate = 0.002\n' in text
    assert 'axes = ["T"]\nkind = "exact"\nrole = "inout"\n' in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tensors": ("a: bf16[M, K]",)}, r'argument b of product must be described: add --tensor "b: bf16'),
        ({"tensors": ("a: bf17[M, K]", "b: bf16[K, N]")}, "Did you mean 'bf16'"),
        ({"tensors": ("a bf16", "b: bf16[K, N]")}, 'a tensor must be written like "x: bf16'),
        ({"tensors": ("a: bf16[M, K]", "b: bf16[K, N]", "d: bf16[K]")}, "argument of product 'd' is not known"),
        ({"tensors": ("a: bf16[M, K]", "a: bf16[M, K]", "b: bf16[K, N]")}, "described once"),
        ({"tensors": ("a: i32[M, K]", "b: bf16[K, N]")}, r'--tensor "a: i32\[M, K\] < SIZE"'),
        ({"tensors": ("a: bf16[M, K**2]", "b: bf16[K, N]")}, "a size must be a number, a name"),
        ({"tensors": ("a: bf16[rng, K]", "b: bf16[K, N]")}, "'rng' is taken"),
        ({"outputs": ()}, "an output must be described"),
        ({"outputs": ("c: bf16[]",)}, "output c must have a dimension"),
        ({"outputs": ("d: bf16[M, N]",), "kernel": PRODUCT + "\nd = 1\n"}, None),
        ({"sizes": ("M=40 K=48",)}, r"size N must have a value in every workload: --size \"M=40 K=48 N=...\""),
        ({"sizes": ("M=40 K=48 N=33 Q=1",)}, "size Q must be used"),
        ({"sizes": ("M=40 K=48 N=33",) * 2}, "is there twice"),
        ({"sizes": ("M40",)}, "sizes must be written like"),
        ({"scalars": ("eps=1e-6",)}, "scalar argument of product 'eps' is not known"),
        ({"scalars": ("a=x",)}, "a value must be a number"),
        ({"vary": ("Q",)}, "size 'Q' is not known"),
        ({"gates": {"d": 1e-3}}, "output of --gate 'd' is not known"),
        ({"kernel": "x = 1\n"}, "must define a function that is called"),
        ({"kernel": "def f(:\n"}, "must be Python, line 1"),
        ({"kernel": PRODUCT + "\n\ndef other(a, b):\n    pass\n"}, "defines product, other; say which one is called"),
        ({"entry": "produkt"}, "Did you mean 'product'"),
        ({"kernel": "def f(*a):\n    pass\n"}, "by position"),
        ({"oracle": "def answer(a, q):\n    return a\n"}, "q is none of a, b, c"),
        ({"oracle": ""}, "the oracle file must define a function"),
        ({"oracle": "def f(a):\n    return a\n\n\ndef g(a):\n    return a\n"}, "--oracle-entry f"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_missing_is_said_in_one_line(changes: Mapping[str, object], says: str | None) -> None:
    wish = replace(PRODUCT_WISH, **changes)  # type: ignore[arg-type]  # fields by name
    if says is None:
        assert draft_of(wish).arguments == ("a", "b", "d")
        return
    with pytest.raises(RequestError, match=says) as refused:
        draft_of(wish)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("oracle", "says"),
    [
        ("def f(a, b):\n    raise ValueError('no\\nway')\n", "raises ValueError: no way"),
        ("def f(a, b):\n    return a\n", r"must answer for output c with a tensor of shape \(40, 33\)"),
        ("def f(a, b):\n    return 1.0\n", "must return a tensor for c, got float"),
        ("def f(a, b):\n    return a @ b, a\n", "it returns 2 values"),
        ("def f(a, b):\n    return a @ b / 0\n", "must give finite answers"),
        ("import nothing_of_that_name\n\n\ndef f(a, b):\n    return a @ b\n", "must load: ModuleNotFoundError"),
        ("def oracle(inputs):\n    return {'d': inputs['a']}\n", "it gives d"),
    ],
)
def test_an_oracle_that_does_not_work_leaves_no_folder(oracle: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        made(replace(PRODUCT_WISH, oracle=oracle), tmp_path)
    assert len(str(refused.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "product").mkdir()
    (tmp_path / "product" / "mine").write_text("mine")
    with pytest.raises(RequestError, match="must not exist yet"):
        made(PRODUCT_WISH, tmp_path)
    assert written(tmp_path / "product") == {"mine": "mine"}


def test_an_interrupt_in_the_middle_leaves_no_folder(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        assert (tmp_path / "product" / "problem.toml").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "product", [draft_of(PRODUCT_WISH)], interrupt)
    assert list(tmp_path.iterdir()) == []


def test_the_same_name_can_be_made_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="raises"):
        made(replace(PRODUCT_WISH, oracle="def f(a, b):\n    return a[b]\n"), tmp_path)
    assert made(PRODUCT_WISH, tmp_path).name == "product"


def test_only_the_sizes_that_differ_are_varied_unless_said() -> None:
    assert draft_of(PRODUCT_WISH).vary == ("M", "K")
    assert draft_of(replace(PRODUCT_WISH, vary=("N",))).vary == ("N",)
    assert draft_of(replace(PRODUCT_WISH, sizes=("M=40 K=48 N=33",))).vary == ("M",)


def test_workloads_and_tensors_read_as_they_are_written() -> None:
    assert parse_workload("decode: T=1 eps=1e-5 causal=true").values == {"T": 1, "eps": 1e-5, "causal": True}
    line = parse_tensor("starts : int32[B+1] < 2*T", "input")
    assert (line.dtype, line.shape, line.below) == ("i32", ("B + 1",), "2 * T")
    assert str(line) == "starts: i32[B + 1] < 2 * T"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    c = torch.zeros(3)\n    return c\n", "is not allocated by torch.empty"),
        ("    c = torch.empty(3)\n    c = a\n    return c\n", "is not allocated by torch.empty"),
        ("    return torch.empty(3)\n", "it returns torch.empty"),
        ("    c = torch.empty(3)\n    if a:\n        return c\n    return c\n", "2 return statements"),
        ("    c = torch.empty(3); b = 1\n    return c\n", "must hold one statement"),
        ("    c = torch.empty(3)\n    return c, c\n", "it returns"),
    ],
)
def test_a_function_that_cannot_take_its_output_is_refused_with_the_reason(body: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        with_destinations(f"import torch\n\n\ndef f(a):\n{body}", "f", ["c"])


def test_outputs_go_before_defaults_and_keep_the_other_text() -> None:
    source = (
        "def f(x: 'täg', eps: float = 1e-6) -> dict[str, int]:\n"
        "    y = x.new_empty(3)  # rows\n    z = torch.empty_like(\n        x,\n    )\n    launch(x, y, z)\n"
        "    return {'z': z, 'out': y}  # both\n"
    )
    assert with_destinations(source, "f", ["out", "z"]) == (
        "def f(x: 'täg', out, z, eps: float = 1e-6):\n    y = out  # rows\n    launch(x, y, z)\n"
    )


def test_an_output_name_that_means_something_else_in_the_function_is_refused() -> None:
    source = "def f(x):\n    n = x.shape[0]\n    y = torch.empty(n)\n    return y\n"
    with pytest.raises(RequestError, match="output n must have a name that f does not use otherwise"):
        with_destinations(source, "f", ["n"])
