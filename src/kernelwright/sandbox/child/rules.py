"""What host code may call on tensors; everything else is refused by its name."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from kernelwright.sandbox.child.allowed import FILLS, HARMLESS, QUERIES, READS, VIEWS, functions, public_name
from kernelwright.sandbox.child.refusal import Refusals
from kernelwright.sandbox.child.tensors import TYPE_NAMES, HostTensor, TensorMaker, is_inside

Rule = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class HostRules(TorchFunctionMode):
    """Answers every call of torch's Python interface while candidate code runs."""

    def __init__(self, maker: TensorMaker, refusals: Refusals) -> None:
        super().__init__()
        self._maker = maker
        self._refusals = refusals
        self.backstop = DispatchBackstop(refusals)
        self._rules = self._rule_table()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the answer of the rule for `func`, or refuse."""
        rule = self._rules.get(func)
        if rule is None:
            raise self._refuse_call(public_name(func), args)
        with self.backstop.trusted():
            return rule(func, args, kwargs or {})

    def _rule_table(self) -> dict[Any, Rule]:
        rules: dict[Any, Rule] = {}
        for names, rule in ((VIEWS, self._view), (QUERIES, _query), (READS, self._read)):
            for name in names:
                rules |= dict.fromkeys(functions(name), rule)
        for name, fill in FILLS.items():
            made = [getattr(torch, name), getattr(torch, f"{name}_like"), getattr(torch.Tensor, f"new_{name}")]
            rules |= dict.fromkeys(made, self._filler(fill))
        rules |= dict.fromkeys((torch.empty_strided, torch.Tensor.new_empty_strided), self._filler(None))
        rules |= dict.fromkeys((torch.full, torch.full_like, torch.Tensor.new_full), self._full)
        rules |= dict.fromkeys((torch.tensor, torch.as_tensor, torch.Tensor.new_tensor), self._constant)
        rules[torch.Tensor.__iter__] = self._iterate
        rules[torch.Tensor.__format__] = self._format
        rules |= dict.fromkeys((torch.Tensor.__repr__, torch.Tensor.__str__), lambda func, args, kwargs: repr(args[0]))
        for name in HARMLESS:
            for function in functions(name, (torch,)):
                rules.setdefault(function, _query)
        return rules

    def _view(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        source = args[0]
        name = public_name(func)
        if not isinstance(source, HostTensor):
            raise self._refuse_call(name, args)
        if name.endswith("__getitem__"):
            args = (source, self._plain_index(args[1]))
        kwargs = {key: value for key, value in kwargs.items() if key not in ("non_blocking", "device")}
        if name.rsplit(".", 1)[-1] in ("cpu", "to", "type_as"):
            return self._same(source, name, args[1:], kwargs)
        made = func(*_shadows(args), **{key: _shadow(value) for key, value in kwargs.items()})
        if isinstance(made, torch.Tensor):
            return self._wrap(source, made, name)
        return type(made)([self._wrap(source, part, name) for part in made])

    def _same(self, source: HostTensor, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HostTensor:
        """Return `source` where a conversion would change nothing, as torch does; refuse any other."""
        wanted = [v.dtype if isinstance(v, torch.Tensor) else v for v in (*args, *kwargs.values())]
        changes = [v for v in wanted if isinstance(v, torch.dtype) and v != source.dtype]
        if changes or kwargs.get("copy") is True:
            raise self._refuse_call(name, (source,))
        return source

    def _wrap(self, source: HostTensor, made: torch.Tensor, name: str) -> HostTensor:
        if made is source.shadow:
            return source
        if made.untyped_storage()._cdata != source.shadow.untyped_storage()._cdata:
            raise self._refusals.refuse(
                "cheating", f"host code called {name} where it must copy", "only views are free, copy in a kernel",
                call_name=name,
            )  # fmt: skip
        if not is_inside(made, source.block):
            raise self._refusals.refuse(
                "cheating", f"host code called {name} with a view that reaches outside its tensor",
                f"the tensor has {source.block.size_bytes} bytes", call_name=name,
            )  # fmt: skip
        return HostTensor(source.block, made)

    def _plain_index(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        plain = [self._plain_index_part(part) for part in parts]
        return tuple(plain) if isinstance(index, tuple) else plain[0]

    def _plain_index_part(self, part: Any) -> Any:
        if isinstance(part, slice):
            bounds = [self._plain_index_part(bound) for bound in (part.start, part.stop, part.step)]
            return slice(*bounds)
        if isinstance(part, HostTensor) and part.dim() == 0:
            return int(self._values(part, "torch.Tensor.__index__").item())
        if part is None or part is Ellipsis or (isinstance(part, int) and not isinstance(part, bool)):
            return part
        raise self._refusals.refuse(
            "cheating", f"host code indexed a tensor by a {type(part).__name__}",
            "only integers and slices make views, gather in a kernel", call_name="torch.Tensor.__getitem__",
        )  # fmt: skip

    def _filler(self, fill: float | None) -> Rule:
        def make(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HostTensor:
            return self._maker.scratch(self._meta(func, args, kwargs), fill)

        return make

    def _full(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HostTensor:
        value = kwargs["fill_value"] if "fill_value" in kwargs else args[-1]
        if isinstance(value, torch.Tensor) or not isinstance(value, int | float):
            raise self._refusals.refuse(
                "cheating", f"host code called {public_name(func)} with a {type(value).__name__}",
                "the fill value must be a number", call_name=public_name(func),
            )  # fmt: skip
        return self._maker.scratch(self._meta(func, args, kwargs), value)

    def _meta(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        """Return what an allocating call makes, on the meta device: any device means the chip's memory."""
        if kwargs.get("out") is not None:
            raise self._refuse_call(f"{public_name(func)}(out=...)", args)
        kept = {key: _shadow(value) for key, value in kwargs.items() if key not in ("pin_memory", "device", "out")}
        made: torch.Tensor = func(*_sizes(_shadows(args)), **kept, device="meta")
        if made.dtype not in TYPE_NAMES:
            raise self._refusals.refuse(
                "runtime_error", f"host code allocated a tensor of {made.dtype}",
                f"kernels know {', '.join(sorted(TYPE_NAMES.values()))}",
            )  # fmt: skip
        return made

    def _constant(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HostTensor:
        is_method = isinstance(args[0], HostTensor) and func is torch.Tensor.new_tensor
        data = args[1] if is_method else args[0] if args else kwargs.get("data")
        if isinstance(data, HostTensor) and func is torch.as_tensor:
            return self._same(data, "torch.as_tensor", args[1:], kwargs)
        dtype = kwargs.get("dtype") or (args[0].dtype if is_method else None)
        made = None if not _is_integers(data) else torch.tensor(data, dtype=dtype)
        if made is None or made.dtype not in TYPE_NAMES or made.is_floating_point():
            raise self._refusals.refuse(
                "cheating", f"host code called {public_name(func)} with something else than a list of integers",
                "other values belong in kernel arguments or in kernels", call_name=public_name(func),
            )  # fmt: skip
        return self._maker.constant(made)

    def _read(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return func(self._values(args[0], public_name(func)), *args[1:], **kwargs)

    def _values(self, tensor: HostTensor, name: str) -> torch.Tensor:
        if tensor.block.has_contents:
            return tensor.shadow
        raise self._refuse_reading(tensor, name)

    def _iterate(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[HostTensor]:
        source: HostTensor = args[0]
        return iter([self._wrap(source, part, "torch.Tensor.__iter__") for part in source.shadow.unbind(0)])

    def _format(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        source: HostTensor = args[0]
        if source.dim() == 0 and source.block.has_contents:
            return format(source.shadow.item(), *args[1:])
        return repr(source)

    def _refuse_call(self, name: str, args: tuple[Any, ...]) -> BaseException:
        readable = next((a for a in args if isinstance(a, HostTensor) and a.block.has_contents), None)
        advice = "tensor arithmetic belongs in a kernel"
        if readable is not None:
            advice += f"; read {readable.block.name or 'the constant'} with tolist() and compute with Python integers"
        return self._refusals.refuse("cheating", f"host code called {name}", advice, call_name=name)

    def _refuse_reading(self, tensor: HostTensor, name: str) -> BaseException:
        what = tensor.block.name or f"a {tensor.block.role} tensor"
        inputs = ", ".join(self._maker.plan_inputs) or "not declared by this problem"
        return self._refusals.refuse(
            "cheating", f"host code called {name} but contents of {what} are not readable on the host",
            f"plan inputs are {inputs}", call_name=name, tensor=what,
        )  # fmt: skip


class DispatchBackstop(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Refuses what reaches torch's operators past its Python interface, except from our own rules."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._refusals = refusals
        self._depth = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: marking the method for torch's compiler costs 1.5 s of imports at its first call."""
        return False

    @contextlib.contextmanager
    def trusted(self) -> Iterator[None]:
        """Let operators through while our own code runs."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return what the operator returns for our own rules; refuse it for candidate code."""
        if self._depth:
            return func(*args, **(kwargs or {}))
        name = f"torch.ops.{func}"
        raise self._refusals.refuse(
            "cheating", f"host code called {name}", "tensor arithmetic belongs in a kernel", call_name=name
        )


def _query(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _shadow(value: Any) -> Any:
    return value.shadow if isinstance(value, HostTensor) else value


def _shadows(args: tuple[Any, ...]) -> list[Any]:
    return [_shadow(value) for value in args]


def _sizes(args: list[Any]) -> list[Any]:
    """Return allocation arguments with plan values in sizes as integers."""
    return [
        [int(v) if isinstance(v, torch.Tensor) else _shadow(v) for v in map(_shadow, a)]
        if isinstance(a, list | tuple) else a
        for a in args
    ]  # fmt: skip


def _is_integers(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return all(_is_integers(item) for item in data)
    return isinstance(data, int) and not isinstance(data, torch.Tensor)
