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

    def get_device_properties(self, device: int) -> dict[str, int]:
        """Return limits wide enough for any kernel; the chip has its own."""
        return {"max_shared_mem": 1 << 30, "multiprocessor_count": 1, "warpSize": 1}

    def load_binary(self, name: str, kernel: bytes, shared: int, device: int) -> tuple[Any, Any, int, int, int]:
        """Return (module, function, registers, spills, most threads); the function is (name, IR text)."""
        loaded = (name, kernel.decode())
        return loaded, loaded, 0, 0, 1 << 20


def install(recorder: Recorder, refusals: Refusals) -> None:
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
            recorder.launch(ir, name, self._shape, (x, y, z), list(_typed(self._types, bound, name, refusals)))

    driver = triton.runtime.driver.active
    driver.launcher_cls = RecordingLauncher
    driver.utils = KernelLoader()

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _record_options(self, args, kwargs, recorder, refusals)

    Autotuner.run = run


def _typed(types: Any, values: Any, kernel: str, refusals: Refusals) -> Iterator[tuple[str, Any]]:
    """Yield (type, value) of the parameters of the IR function: constants dropped, tuples flattened."""
    for kind, value in zip(types, values, strict=True):
        if isinstance(kind, tuple):
            yield from _typed(kind, value, kernel, refusals)
        elif kind.startswith(("tensordesc", "nvTmaDesc")):
            raise refusals.refuse(
                "compile_error", f"kernel {kernel} takes a tensor descriptor made on the host",
                "make it in the kernel with tl.make_tensor_descriptor",
            )  # fmt: skip
        elif kind != "constexpr":
            yield kind, value


def _record_options(tuner: Any, args: tuple[Any, ...], kwargs: Any, recorder: Recorder, refusals: Refusals) -> Any:
    """Record one launch of an autotuned kernel with an option for each configuration that compiles.

    Raises the first configuration's error when none compiles.
    """
    for hook in ("reset_to_zero", "restore_value"):
        if getattr(tuner, hook, None):
            raise refusals.refuse(
                "cheating", f"triton.autotune({hook}=...) writes tensors between tuning runs",
                "initialise them in a kernel; here every configuration runs on fresh buffers",
            )  # fmt: skip
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
