"""Planted bugs against the judge. `benchmarks/mutation_test` records what a plain test would have caught."""

from collections import Counter
from collections.abc import Iterator

import pytest

from kernelwright.problems import load_problem
from tests.mutation.equivalents import load_equivalents
from tests.mutation.judging import PROBLEM, SECRET, SUITE, Bench
from tests.mutation.mutants import PER_OPERATOR, Mutant, all_mutants, drawn_mutants, subject
from tests.mutation.operators import OPERATORS

EQUIVALENTS = load_equivalents()
BUGS = tuple(mutant for mutant in drawn_mutants() if mutant.name not in EQUIVALENTS)
# Every eleventh, so that the few come from all over the list of operators.
FEW = BUGS[::11]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture(scope="module")
def subject_plan(bench: Bench) -> str | None:
    outcome = bench.judged("subject", subject())
    assert outcome.status == "accepted", outcome.reason
    return outcome.plan_sha256


def test_every_operator_is_drawn_from_and_at_least_80_bugs_are_left() -> None:
    drawn = Counter(mutant.operator for mutant in drawn_mutants())
    assert set(drawn) == {*OPERATORS, "merge_mistake"}
    assert len(BUGS) >= 80
    assert all(drawn[operator] == min(PER_OPERATOR, len(all_mutants()[operator])) for operator in OPERATORS)


def test_every_mutant_differs_from_the_subject_and_from_every_other() -> None:
    sources = [mutant.source for mutant in drawn_mutants()]
    assert len({*sources, subject()}) == len(sources) + 1


def test_every_mutant_still_parses() -> None:
    for mutants in all_mutants().values():
        for mutant in mutants:
            compile(mutant.source, mutant.name, "exec", dont_inherit=True)


def test_every_equivalent_is_one_of_the_sample() -> None:
    assert set(EQUIVALENTS) <= {mutant.name for mutant in drawn_mutants()}


def test_the_plain_test_has_every_workload_of_the_suite() -> None:
    from tests.mutation.plain import is_close, plain_cases  # noqa: PLC0415  # it asks for the suite's answers

    cases = plain_cases()
    assert set(cases) == {w.name for w in load_problem(PROBLEM).suite(SUITE, SECRET).workloads}
    for case in cases.values():
        assert is_close(case.expected, case.expected) and not is_close(case.expected + 0.1, case.expected)


@pytest.mark.parametrize("mutant", FEW, ids=lambda mutant: mutant.name)
def test_the_judge_refuses_a_planted_bug(bench: Bench, mutant: Mutant) -> None:
    outcome = bench.judged(mutant.name, mutant.source)
    assert outcome.is_caught, f"{outcome.status} {outcome.reason}\n{mutant.diff()}"


@pytest.mark.slow
@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.name)
def test_the_judge_refuses_every_planted_bug(bench: Bench, mutant: Mutant) -> None:
    outcome = bench.judged(mutant.name, mutant.source)
    assert outcome.is_caught, f"{outcome.status} {outcome.reason}\n{mutant.diff()}"


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUIVALENTS)
def test_the_judge_accepts_every_mutant_that_is_no_bug(bench: Bench, subject_plan: str | None, name: str) -> None:
    mutant = next(mutant for mutant in drawn_mutants() if mutant.name == name)
    outcome = bench.judged(name, mutant.source)
    assert outcome.status == "accepted", f"{outcome.reason}\n{mutant.diff()}"
    assert (outcome.plan_sha256 == subject_plan) is (EQUIVALENTS[name].kind == "plan")
