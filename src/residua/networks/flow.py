"""Which operation's output is which one's input: the data flow of a forward pass.

Modules say what a network consists of, not how it is connected: an addition or a concatenation
inside a `forward` belongs to no module. So the operations themselves are recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from residua.networks import shapes

if TYPE_CHECKING:
    from residua.networks.trace import Call, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor that an operation takes: what made it, None for weights, and its shape."""

    maker: Op | None
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Op:
    """One operation on tensors that depend on the network's input.

    Attributes:
        name: As in PyTorch's schema and without its variant: ``convolution``, ``add``, ``cat``;
            ``input`` for what the network receives.
        call: The innermost call that was running.
        arguments: By their names in the schema; tensors are `Value`, and lists of them tuples.
        sources: The operations whose outputs it takes, in order and each once.
        shape: Of its output, with b.
    """

    name: str
    call: Call
    arguments: dict[str, object]
    sources: tuple[Op, ...]
    shape: Shape


class Recorder(TorchDispatchMode):
    """Records operations while it is entered. Views and in-place results are told apart.

    Args:
        running: Says the innermost call; to its multiply-adds those of each operation are added.
    """

    def __init__(self, running: Callable[[], Call]) -> None:
        super().__init__()
        self.running = running
        self.ops: list[Op] = []
        self.makers: dict[int, Op] = {}
        self.kept: list[Tensor] = []  # so that their identities are not used again

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: that would import the compiler, which takes seconds, to say that it is not used."""
        return False

    def begin(self, inputs: Tensor) -> None:
        """Marks what the network receives."""
        shape = tuple(inputs.shape)
        op = Op(name="input", call=self.running(), arguments={}, sources=(), shape=shape)
        self._made(op, inputs)

    def maker(self, tensor: Tensor | None) -> Op | None:
        """The operation that made ``tensor``, if the network's input is in it."""
        return None if tensor is None else self.makers.get(id(tensor))

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        output = shapes.call(func, args, kwargs or {})
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.running().macs += count(*args, **(kwargs or {}), out_val=output) // 2
        arguments = {name: self._value(a) for name, a in _named(func, args, kwargs or {})}
        values = [v for a in arguments.values() for v in _values(a)]
        sources = tuple(dict.fromkeys(v.maker for v in values if v.maker is not None))
        made = _first(output)
        if not sources or made is None:
            return output
        if func is torch.ops.aten.detach.default:  # autograd's own alias of what it keeps
            return output
        name = func.overloadpacket.__name__.rstrip("_")
        op = Op(
            name=name,
            call=self.running(),
            arguments=arguments,
            sources=sources,
            shape=tuple(made.shape),
        )
        self._made(op, made, *_tensors(output))
        return output

    def _made(self, op: Op, *tensors: Tensor) -> None:
        self.ops.append(op)
        for tensor in tensors:
            self.makers[id(tensor)] = op
            self.kept.append(tensor)

    def _value(self, argument: object) -> object:
        if isinstance(argument, Tensor):
            return Value(self.makers.get(id(argument)), tuple(argument.shape))
        if isinstance(argument, list | tuple):
            return tuple(self._value(part) for part in argument)
        return argument


def _named(
    func: OpOverload[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> Iterator[tuple[str, object]]:
    schema = func._schema  # pyright: ignore[reportPrivateUsage]
    for position, argument in enumerate(schema.arguments):
        if position < len(args):
            yield argument.name, args[position]
        else:
            yield argument.name, kwargs.get(argument.name, argument.default_value)


def _values(argument: object) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _values(part)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _first(value: object) -> Tensor | None:
    return next(_tensors(value), None)
