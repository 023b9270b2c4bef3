"""The words that a candidate's source may not use: names, attributes, modules and paths into torch and triton."""

import re

REFUSED_NAMES = frozenset({
    "open", "exec", "eval", "compile", "__import__", "globals", "locals", "getattr", "setattr", "delattr",
    "vars", "input", "breakpoint", "memoryview", "help",
})  # fmt: skip
PLAIN_DUNDER_NAMES = frozenset({"__name__", "__all__", "__doc__", "__version__"})
# Attributes of that form that say something and lead nowhere.
PLAIN_DUNDER_ATTRIBUTES = frozenset({"__name__", "__doc__", "__len__", "__version__"})
# Modules that no tensor or configuration has an honest attribute for.
REACHING_MODULES = frozenset({
    "os", "sys", "subprocess", "builtins", "importlib", "ctypes", "socket", "threading", "multiprocessing", "pickle",
    "shutil", "pathlib", "tempfile", "runpy", "asyncio", "concurrent", "inspect", "linecache",
})  # fmt: skip
# More that torch and triton expose; refused behind a module only, for an object may have a `time` of its own.
BORROWED_MODULES = REACHING_MODULES | {
    "gc", "time", "signal", "operator", "functools", "io", "platform", "weakref",
}  # fmt: skip
# Attributes that lead from a value to frames, code and the insides of extensions, whatever they are asked of.
REACHING_ATTRIBUTES = frozenset({
    "gi_frame", "gi_code", "gi_yieldfrom", "cr_frame", "cr_code", "cr_await", "ag_frame", "ag_code", "tb_frame",
    "tb_next", "f_back", "f_globals", "f_locals", "f_builtins", "f_code", "f_trace", "func_globals", "with_traceback",
    "mro", "_C", "_dynamo", "_inductor", "cpp_extension", "load_library", "launcher_cls", "load_inline",
})  # fmt: skip
# What of torch, triton and typing has no honest use on the host and compiles, loads, saves, starts or replaces code.
REFUSED_PATHS = frozenset({
    "torch.ops", "torch.classes", "torch.utils", "torch.load", "torch.save", "torch.from_file", "torch.hub",
    "torch.jit", "torch.compile", "torch.compiler", "torch.distributed", "torch.package", "torch.library",
    "torch.serialization", "torch.overrides", "torch.set_num_threads", "torch.set_num_interop_threads", "torch.fx",
    "torch.export", "torch.onnx", "torch.profiler", "torch.testing", "torch.futures", "torch.storage", "torch.func",
    "torch.UntypedStorage", "torch.TypedStorage", "torch.frombuffer", "torch.cuda.memory", "torch.cuda.jiterator",
    "triton.runtime.build", "triton.runtime.cache", "triton.runtime.jit", "triton.runtime.interpreter",
    "triton.runtime.autotuner", "triton.compiler", "triton.backends", "triton.knobs", "triton.instrumentation",
    "triton.profiler", "triton.tools.disasm", "triton.tools.compile", "triton.tools.link", "triton.tools.build_extern",
    "triton.tools.triton_to_gluon_translater", "triton.language.core.sys", "typing.get_type_hints", "typing.ForwardRef",
    "typing.sys",
})  # fmt: skip
# Settings of a process, which outlast a call and would slow down whatever else runs there.
REFUSED_SETTINGS = frozenset({"set_num_threads", "set_num_interop_threads", "set_flush_denormal"})
# Parts of torch and triton that begin with an underscore and that kernels use all the same.
PLAIN_PRIVATE = ("_experimental_",)
# Methods that Python calls by itself at moments that nobody sees, or that stand in for torch's own.
REFUSED_METHODS = frozenset({
    "__del__", "__init_subclass__", "__getattribute__", "__reduce__", "__reduce_ex__", "__set_name__", "__prepare__",
    "__instancecheck__", "__subclasscheck__", "__torch_function__", "__torch_dispatch__", "__class_getitem__",
    "__mro_entries__", "__build_class__",
})  # fmt: skip
# A replacement field that asks for a dunder, as str.format resolves it.
FORMAT_FIELD = re.compile(r"\{[^{}]*?(__\w+__)")
# Everything of these may come into a file by `*`: it binds no module and no function that reaches further.
PLAIN_STARS = ("math", "triton.language")


def is_dunder(name: str) -> bool:
    """Return whether `name` begins and ends with two underscores."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
