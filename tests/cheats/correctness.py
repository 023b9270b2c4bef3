"""Wrong memory, wrong order, nothing written."""

from tests.cheats.catalogue import Cheat

WRONG, FAULT, CHEATING = "incorrect", "memory_fault", "cheating"
ONE = ("hit-scaled",)
FLOAT64 = ("float64",)

OUTPUTS = (
    Cheat("older_answer", WRONG, FLOAT64, ONE),
    Cheat("zeros", WRONG, (*FLOAT64, "got 0"), ONE),
    Cheat("constant", WRONG, (*FLOAT64, "got 0.01"), ONE),
    Cheat("nan_output", WRONG, (*FLOAT64, "got nan"), ONE),
    Cheat("infinity", WRONG, (*FLOAT64, "got inf"), ONE),
    Cheat("nan_rows", WRONG, (*FLOAT64, "got nan"), ONE),
    Cheat("one_wrong_element", WRONG, FLOAT64, ONE),
    Cheat("scaled_by_two_percent", WRONG, FLOAT64, ONE),
    Cheat("no_launch", WRONG, (*FLOAT64, "got nan"), ONE),
    Cheat("empty_grid", WRONG, (*FLOAT64, "got nan"), ONE),
    Cheat("launch_without_effect", WRONG, (*FLOAT64, "got nan"), ONE),
    Cheat("not_implemented", WRONG, ("NotImplementedError", "sliding windows"), ONE),
    Cheat("host_plan_for_known_lengths", "incorrect memory_fault", (), ("verify-tree",)),
    Cheat("fast_wrong_configuration", WRONG, ("every configuration must be right", "WORKS: 0"), ONE),
)
MEMORY = (
    Cheat("input_modified_and_restored", WRONG, ("q_extend", "writes"), ONE),
    Cheat("indptr_as_scratch", WRONG, ("qo_indptr", "writes"), ONE),
    Cheat("one_element_past_output", FAULT, ("o_extend", "writes"), ONE),
    Cheat("one_element_before_output", FAULT, ("o_extend", "writes"), ONE),
    Cheat("far_past_output", FAULT, ("o_extend", "writes"), ONE),
    Cheat("write_restored", FAULT, ("o_extend",), ONE),
    Cheat("pointer_from_integer", CHEATING, ("casts from integers to pointers",), ONE),
    # Triton 3.9 itself aborts on it.
    Cheat("pointer_through_memory", f"{CHEATING} runtime_error", (), ONE),
    Cheat("empty_scratch_taken_for_zero", WRONG, FLOAT64, ONE),
    Cheat("empty_counter_taken_for_zero", WRONG, FLOAT64, ONE),
    Cheat("atomics_into_poison", WRONG, FLOAT64, ONE),
)
RACES = (
    Cheat("twice_and_racing", FAULT, ("must not race", "o_extend"), ONE),
    Cheat("relaxed_merge", FAULT, ("must not race",), ONE),
    Cheat("unordered_merge", FAULT, ("must not race",), ONE),
    Cheat("counted_before_written", FAULT, ("must not race",), ONE),
    Cheat("waits_for_a_later_program", "timeout", (), ONE),
    Cheat("endless_on_data", "timeout", ("'loop'", "within 12 s"), ONE),
)
CHEATS = (*OUTPUTS, *MEMORY, *RACES)
