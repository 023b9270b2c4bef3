"""Where the kernels of a plan write a buffer: what a wrong answer in it is to be looked for from."""

from kernelwright.compiler.compile import read_kernel
from kernelwright.compiler.writes import writing_lines
from kernelwright.core.plan import LaunchPlan, PointerArg


def store_lines(plan: LaunchPlan, name: str) -> tuple[int, ...]:
    """Return the source lines, in order, of stores and atomics that may write the buffer called `name`.

    Kernels have been compiled before, so reading them raises nothing.
    """
    found: set[int] = set()
    for option in (option for launch in plan.launches for option in launch.options):
        numbers = [
            number
            for number, argument in enumerate(option.args)
            if isinstance(argument, PointerArg) and plan.buffers[argument.buffer].name == name
        ]
        if numbers:
            module = read_kernel(plan.kernels[option.kernel].ttir)
            found.update(line for number in numbers for line in writing_lines(module, number))
    return tuple(sorted(found))
