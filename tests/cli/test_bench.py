"""What `kernelwright bench` promises."""

from pathlib import Path

from tests.cli.commands import run


def test_a_row_of_the_compiler_suite_has_ratio_interval_target_and_whether_it_was_met(tmp_path: Path) -> None:
    ran = run(tmp_path, "bench", "compiler", "--only", "launch", "--json")
    assert (ran.code, ran.json["suite"]) == (0, "compiler")
    comparisons = ran.json["comparisons"]
    assert isinstance(comparisons, list)
    (row,) = comparisons
    assert set(row) == {"what", "ours", "peer", "ratio", "ci95", "target", "met", "failure"}
    assert row["ci95"][0] <= row["ratio"] <= row["ci95"][1]
    assert row["met"] == (row["ratio"] >= row["target"])


def test_a_kernel_is_compared_with_torch_and_with_the_interpreter(tmp_path: Path) -> None:
    ran = run(tmp_path, "bench", "compiler", "--only", "argmax")
    heading, torch_row, interpreter_row = ran.out.splitlines()
    assert ran.code == 0
    assert "ours over peer" in heading
    assert "torch.argmax" in torch_row
    assert "interpreter" in interpreter_row
    assert interpreter_row.endswith("met")


def test_rows_that_do_not_exist_are_exit_2_with_the_nearest_word(tmp_path: Path) -> None:
    ran = run(tmp_path, "bench", "compiler", "--only", "sofmax")
    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean 'softmax'?" in ran.err


def test_only_the_compiler_suite_can_be_narrowed(tmp_path: Path) -> None:
    ran = run(tmp_path, "bench", "dot", "--only", "bf16")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "kernelwright: --only must come with suite compiler, got suite dot\n"
