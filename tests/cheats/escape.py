"""Out of the sandbox, past the scan of the source, or over the limits; and words to whoever reads along."""

from tests.cheats.catalogue import Cheat

CHEATING = "cheating"
ONE = ("hit-scaled",)

SCAN = (
    Cheat("import_subprocess", CHEATING, ("import of subprocess",), ONE),
    Cheat("exec_base64", CHEATING, ("exec",), ONE),
    Cheat("import_by_name", CHEATING, ("torch.importlib",), ONE),
    Cheat("alias_hides_module", CHEATING, ("library.os",), ONE),
    Cheat("frames_by_dunder", CHEATING, ("__base__",), ONE),
    Cheat("dunder_by_format", "incorrect cheating", (), ONE),
    Cheat("getattr_by_map", CHEATING, ("getattr",), ONE),
    Cheat("reads_oracle", CHEATING, ("import of kernelwright",), ONE),
    Cheat("gc_search", CHEATING, ("import of gc",), ONE),
    Cheat("gc_behind_torch", CHEATING, ("torch.utils",), ONE),
)
WALLS = (
    Cheat("reads_proc", "cheating runtime_error", (), ONE),
    Cheat("torch_load_file", "cheating runtime_error", (), ONE),
    Cheat("torch_from_file", "cheating runtime_error", (), ONE),
    Cheat("network_by_hub", "cheating runtime_error", (), ONE),
    Cheat("network_by_hub_list", "cheating runtime_error", (), ONE),
    Cheat("cpp_extension", "cheating runtime_error", (), ONE),
    Cheat("fork_by_torch", "cheating", ("multiprocessing",), ONE),
    Cheat("foreign_library", "cheating compile_error", (), ONE),
)
ENDINGS = (
    Cheat("exits_cleanly", "runtime_error", ("SystemExit",), ONE),
    Cheat("exits_at_import", "runtime_error", ("SystemExit",), ONE),
    Cheat("keyboard_interrupt", "runtime_error", ("KeyboardInterrupt",), ONE),
    Cheat("prints_a_verdict", "incorrect", ("got nan",), ONE),
    Cheat("injected_prompt", "incorrect", ("got nan",), ONE),
)
BOMBS = (
    Cheat("floods_output", "incorrect over_limit runtime_error", (), ONE),
    Cheat("deep_recursion", "runtime_error", ("RecursionError",), ONE),
    Cheat("deep_repr", "runtime_error", (), ONE),
    Cheat("deep_tensor", "runtime_error", (), ONE),
    # On a busy machine the first gigabytes take longer than host code may.
    Cheat("memory_bomb", "over_limit timeout", (), ONE),
    Cheat("endless_import", "timeout", ("import", "20 s"), ONE),
    Cheat("huge_constant", "timeout", ("host code", "20 s"), ONE),
    Cheat("unrolls_without_end", "timeout over_limit", (), ONE),
    Cheat("giant_tensor", "compile_error over_limit", ("1048576",), ONE),
    Cheat("wide_dots", "over_limit", ("dots",), ONE),
    Cheat("huge_grid", "over_limit", ("programs",), ONE),
    Cheat("many_launches", "over_limit", ("256 launches",), ONE),
    Cheat("scratch_bomb", "over_limit", ("scratch",), ONE),
)
CHEATS = (*SCAN, *WALLS, *ENDINGS, *BOMBS)
