"""Between Triton's runtime and the recorder: launches are written down, nothing is executed.

Everything that depends on Triton's internals in the capture child is here.
"""

from collections.abc import Iterator
from typing import Any

import triton
from triton.runtime.autotuner import Autotuner

from kernelwright.sandbox.child.recorder import Recorder
from kernelwright.sandbox.child.refusal import Refusals


class KernelLoader:
    """Takes the place of the driver's utilities: loading a kernel keeps its IR."""

    def __init__(self, cores: int) -> None:
        self._cores = cores

    def get_device_properties(self, device: int) -> dict[str, int]:
        """Return limits wide enough for any kernel, the chip has its own; cores are the multiprocessors."""
        return {"max_shared_mem": 1 << 30, "max_num_regs": 1 << 16, "multiprocessor_count": self._cores, "warpSize": 1}

    def load_binary(self, name: str, kernel: bytes, shared: int, device: int) -> tuple[Any, Any, int, int, int]:
        """Return (module, function, registers, spills, most threads); the function is (name, IR text)."""
        loaded = (name, kernel.decode())
        return loaded, loaded, 0, 0, 1 << 20


def install(recorder: Recorder, refusals: Refusals, cores: int) -> None:
    """Make every launch in this process, autotuned ones included, go to `recorder`."""

    class RecordingLauncher:
        """Takes the place of the driver's launcher; one per compiled kernel."""

        def __init__(self, src: Any, metadata: Any) -> None:
            self._types = tuple(src.signature.values())
            self._shape = (int(metadata.num_warps), int(metadata.num_stages))

        def __call__(self, x: Any, y: Any, z: Any, stream: int, function: tuple[str, str], *rest: Any) -> None:
            """Record the launch; `rest` ends with the bound arguments."""
            name, ir = function
            bound = rest[4:]
            recorder.launch(ir, name, self._shape, (x, y, z), list(_typed(self._types, bound)))

    driver = triton.runtime.driver.active
    driver.launcher_cls = RecordingLauncher
    driver.utils = KernelLoader(cores)

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _record_options(self, args, kwargs, recorder)

    Autotuner.run = run


def _typed(types: Any, values: Any) -> Iterator[tuple[str, Any]]:
    """Yield (type, value) of the parameters of the IR function: constants dropped, what has parts taken apart."""
    for kind, value in zip(types, values, strict=True):
        if isinstance(kind, tuple):
            yield from _typed(kind, value)
        elif kind.startswith("tensordesc"):
            yield from _described(kind, value)
        elif kind != "constexpr":
            yield kind, value


def _described(kind: str, descriptor: Any) -> Iterator[tuple[str, Any]]:
    """Yield (type, value) of the parameters that a descriptor made on the host becomes.

    They are what the front end makes of it for this back end: base, shape, strides and flags, then shape and strides
    again as numbers of their own.
    """
    yield "*" + kind.removeprefix("tensordesc<").partition("[")[0], descriptor.base
    numbers = [("i64", int(number)) for number in (*descriptor.shape, *descriptor.strides)]
    yield from numbers
    yield "u1", descriptor.padding == "nan"
    if hasattr(descriptor, "round_f32_to_tf32"):
        yield "u1", bool(descriptor.round_f32_to_tf32)
    rank = len(descriptor.shape)
    yield from (("i32", number) for _, number in numbers[:rank])
    yield from numbers[rank:]


def _record_options(tuner: Any, args: tuple[Any, ...], kwargs: Any, recorder: Recorder) -> Any:
    """Record one launch of an autotuned kernel with an option for each configuration that compiles.

    Hooks that reset or restore tensors act between tuning launches, of which there are none here; the hook of a
    configuration is called, as it is before each launch. Raises the first configuration's error when none compiles.
    """
    tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
    configs = tuner.prune_configs(kwargs) if len(tuner.configs) > 1 else tuner.configs
    errors: list[Exception] = []
    compiled = None
    recorder.begin_options()
    for config in configs:
        recorder.label(_label(config))
        try:
            if config.pre_hook is not None:
                config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
            compiled = tuner.fn.run(*args, **kwargs, **config.all_kwargs())
            tuner.best_config = config
        except Exception as error:
            errors.append(error)
    recorder.end_options()
    tuner.nargs = None
    if len(errors) == len(configs):
        raise errors[0]
    return compiled


def _label(config: Any) -> str:
    kept = {name: value for name, value in config.all_kwargs().items() if (name, value) != ("num_ctas", 1)}
    return ", ".join(f"{name}: {value}" for name, value in kept.items())
