"""Tricks on the clock: work where nobody measures, or results that are there already."""

from tests.cheats.catalogue import Cheat

CHEATING, WRONG = "cheating", "incorrect"
ONE = ("hit-scaled",)
FLOAT64 = ("float64",)
DIFFERENT = ("host code gave different plans",)

HOST = (
    Cheat("host_arithmetic", CHEATING, ("mul",), ONE),
    Cheat("host_matmul_method", CHEATING, ("matmul",), ONE),
    Cheat("host_copy_in_place", CHEATING, ("copy_",), ONE),
    Cheat("host_sdpa", CHEATING, ("scaled_dot_product_attention",), ONE),
    Cheat("host_ops_namespace", CHEATING, ("torch.ops",), ONE),
    Cheat("host_reads_values", CHEATING, ("contents of q_extend are not readable",), ONE),
    Cheat("host_reads_slots", CHEATING, ("contents of kv_indices are not readable",), ONE),
    Cheat("refusal_swallowed", CHEATING, ("add_",), ONE),
)
READY = (
    Cheat("results_in_constants", WRONG, FLOAT64, ONE),
    Cheat("large_constant_table", "over_limit", ("constants", "65536"), ONE),
    Cheat("floats_as_constant", CHEATING, ("list of integers",), ONE),
    Cheat("results_in_literals", WRONG, FLOAT64, ONE),
    Cheat("answers_for_tiny_workloads", WRONG, FLOAT64, ONE),
    Cheat("filled_scratch_as_answer", WRONG, FLOAT64, ONE),
)
REPLAY = (
    Cheat("replay_by_identity", CHEATING, (*DIFFERENT, "same tensors"), ONE),
    Cheat("replay_by_pointer", CHEATING, (*DIFFERENT, "same tensors"), ONE),
    Cheat("replay_by_shape", CHEATING, DIFFERENT, ONE),
    Cheat("replay_of_first_output", CHEATING, ("of an earlier call",), ONE),
    Cheat("works_on_second_call", CHEATING, (*DIFFERENT, "launches"), ()),
    Cheat("plan_by_hash_order", CHEATING, DIFFERENT, ()),
    Cheat("plan_by_random", CHEATING, (), ONE),
    Cheat("plan_by_host_time", CHEATING, ("import of time",), ONE),
    Cheat("counter_in_kept_scratch", WRONG, FLOAT64, ONE),
    Cheat("magic_in_kept_scratch", WRONG, FLOAT64, ONE),
    Cheat("magic_in_fresh_scratch", WRONG, FLOAT64, ONE),
    Cheat("state_in_input", WRONG, ("q_extend",), ONE),
)
DETECTION = (
    Cheat("works_only_on_nan", WRONG, FLOAT64, ONE),
    Cheat("works_only_without_nan", WRONG, FLOAT64, ONE),
    Cheat("address_seen", CHEATING, ("addresses",), ONE),
    Cheat("neighbour_by_offset", CHEATING, ("addresses",), ONE),
    Cheat("canary_read", "memory_fault", ("o_extend", "reads"), ONE),
    Cheat("sees_programs_run_alone", "memory_fault", ("o_extend",), ONE),
    Cheat("inline_assembly", CHEATING, ("inline assembly",), ONE),
    Cheat("early_return_on_public_scale", WRONG, (), ("hit-scaled", "verify-tree-prefix")),
    Cheat("hidden_lengths_wrong", WRONG, ("hidden workload of regime 'chunked'",), ("hidden-chunked",)),
)
BASELINE = (
    Cheat("slow_environment", CHEATING, ("import of os",), ONE),
    Cheat("slow_threads", CHEATING, ("set_num_threads",), ONE),
    Cheat("thread_by_torch", CHEATING, ("torch.utils",), ONE),
    Cheat("large_scratch", "over_limit", ("scratch",), ONE),
)
CHEATS = (*HOST, *READY, *REPLAY, *DETECTION, *BASELINE)
