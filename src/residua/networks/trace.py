"""What one forward pass does, call by call: shapes, multiply-adds, memory kept for backward.

Everything runs on the meta device: tensors have shapes and no values, so that nothing is computed
and the largest networks take a second.

Legend: b samples, c channels.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.hooks import RemovableHandle

from residua.errors import InputShapeError
from residua.networks import shapes
from residua.networks.building import collecting_nothing
from residua.networks.flow import Op, Recorder
from residua.networks.receptive import Field, receptive_fields

Shape = tuple[int, ...]


@dataclass(kw_only=True, eq=False)
class Call:
    """One call of one module. Its own share excludes that of the modules which it calls.

    Attributes:
        name: Dotted name in the network; empty for the network itself.
        module: What was called, on the meta device: a copy, or itself if it was there before.
        input_shape, output_shape: Of the first tensor, without b.
        calls: The calls inside this one, in order.
        macs: Multiply-adds of its own.
        saved_bytes: Bytes of its own that autograd keeps for backward.
        parameters: Parameters of its own; 0 where an earlier call counted them.
        output: The operation that made the first tensor which it gives; None where that does not
            depend on the network's input.
        field: Receptive field of an element of the output, along each axis of the input.
    """

    name: str
    module: nn.Module
    input_shape: Shape
    output_shape: Shape = ()
    calls: list[Call] = field(default_factory=list["Call"])
    macs: int = 0
    saved_bytes: int = 0
    parameters: int = 0
    output: Op | None = None
    field: Field = ()

    def walk(self) -> Iterator[Call]:
        """This call and all inside it, outer before inner, in the order in which they began."""
        yield self
        for call in self.calls:
            yield from call.walk()

    @property
    def total_macs(self) -> int:
        return sum(call.macs for call in self.walk())

    @property
    def total_saved_bytes(self) -> int:
        return sum(call.saved_bytes for call in self.walk())

    @property
    def total_parameters(self) -> int:
        return sum(call.parameters for call in self.walk())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """A forward pass.

    Attributes:
        root: The call of the network.
        input_bytes: Those of its input if backward needs it, else 0.
        ops: What was done to the input, in order; the first one is the input itself.
    """

    root: Call
    input_bytes: int
    ops: tuple[Op, ...]


@collecting_nothing()
def trace(
    module: nn.Module, input_shape: Shape, *, batch: int = 1, auxiliary: bool = False
) -> Trace:
    """Call ``module`` once on the meta device, in the form that it has in evaluation.

    Dropout stays active, since its masks belong to what training keeps. Batch norms use their
    running statistics, so that a single 1×1 map is no error.

    Args:
        module: Any network; it is left as it was, its weights are neither read nor copied.
        input_shape: ``(c, h, w)`` or ``(c, t)``.
        batch: b.
        auxiliary: Call the auxiliary classifiers too, which only a `Network` may have.

    Raises:
        InputShapeError: The network cannot take such inputs.
    """
    if not input_shape or min(batch, *input_shape) < 1:
        raise InputShapeError("no such input", expected="sizes from 1 up", received=input_shape)
    network = _on_meta(module)
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    inputs = torch.empty((batch, *input_shape), dtype=dtype, device="meta")
    with _in_evaluation(network), shapes.lstms_without_loops(network):
        return _Tracer(network).run(inputs, auxiliary=auxiliary)


@contextmanager
def _in_evaluation(network: nn.Module) -> Generator[None]:
    """All but dropout in evaluation mode; afterwards each module is as it was."""
    before = [(module, module.training) for module in network.modules()]
    for module, _ in before:
        module.training = isinstance(module, nn.modules.dropout._DropoutNd)  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy with the same structure and no values; ``module`` itself where it has none.

    The memo keeps deepcopy from the weights.
    """
    memo: dict[int, object] = {}
    state = [*module.parameters(), *module.buffers()]
    if state and all(tensor.is_meta for tensor in state):
        return module
    for tensor in state:
        empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        is_weight = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_weight else empty
    return copy.deepcopy(module, memo)


class _Tracer:
    """Hooks on every module keep a stack of running calls; each cost goes to the innermost."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.stack: list[Call] = []
        self.root: Call | None = None
        self.counted = set[nn.Parameter]()
        self.flow = Recorder(lambda: self.stack[-1])
        # Storages stay alive in these, or their identities would be used again.
        state = [*module.parameters(), *module.buffers()]
        self.ignored = {tensor.untyped_storage() for tensor in state}
        self.makers: dict[torch.UntypedStorage, Call] = {}
        self.saved: dict[torch.UntypedStorage, Call] = {}

    def run(self, inputs: Tensor, *, auxiliary: bool) -> Trace:
        named = list(self.module.named_modules())
        hooks = [hook for name, module in named for hook in self._watch(name, module)]
        try:
            with torch.enable_grad(), saved_tensors_hooks(self._save, _unpack), self.flow:
                self.module(inputs, **({"auxiliary": True} if auxiliary else {}))
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._refusal(inputs, error) from error
        finally:
            for hook in hooks:
                hook.remove()
        assert self.root is not None
        source = inputs.untyped_storage()
        input_bytes = source.nbytes() if self.saved.pop(source, None) else 0
        for storage, saver in self.saved.items():
            self.makers.get(storage, saver).saved_bytes += storage.nbytes()
        fields = receptive_fields(self.flow.ops)
        for call in self.root.walk():
            call.field = fields[call.output] if call.output else ()
        return Trace(root=self.root, input_bytes=input_bytes, ops=tuple(self.flow.ops))

    def _watch(self, name: str, module: nn.Module) -> tuple[RemovableHandle, RemovableHandle]:
        def begin(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            first = _first_tensor((args, kwargs))
            call = Call(name=name, module=module, input_shape=_shape(first))
            call.parameters = self._count_parameters(module)
            if self.stack:
                self.stack[-1].calls.append(call)
            else:
                self.root = call
            self.stack.append(call)
            if first is not None and not self.flow.ops:
                self.flow.begin(first)

        def end(module: nn.Module, args: object, output: object) -> None:
            call = self.stack.pop()
            first = _first_tensor(output)
            call.output_shape = _shape(first)
            call.output = self.flow.maker(first)
            if first is not None and self.stack:
                self.makers.setdefault(first.untyped_storage(), call)

        return (
            module.register_forward_pre_hook(begin, with_kwargs=True),
            module.register_forward_hook(end),
        )

    def _count_parameters(self, module: nn.Module) -> int:
        new = set(module.parameters(recurse=False)) - self.counted
        self.counted |= new
        return sum(parameter.numel() for parameter in new)

    def _save(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage not in self.ignored:
            self.saved.setdefault(storage, self.stack[-1])
        return tensor

    def _refusal(self, inputs: Tensor, error: Exception) -> InputShapeError:
        """Say which layer refused what, from the call that was running."""
        call = self.stack[-1]
        expected, received, fix = _demand(call, error)
        return InputShapeError(
            f"the network cannot take inputs of {shape_text(tuple(inputs.shape[1:]))}",
            expected=expected,
            received=received,
            where=f"{call.name or 'the network'} ({type(call.module).__name__})",
            fix=fix,
        )


_AXES = {1: "channels and time", 2: "channels, height and width"}


def _demand(call: Call, error: Exception) -> tuple[str | None, str, str]:
    """What the layer that failed wanted, what it got, and the advice that follows."""
    shape, received = call.input_shape, shape_text(call.input_shape)
    axes, channels = _rank(call.module), _channels(call.module)
    if axes and len(shape) != 1 + axes:
        return _AXES.get(axes, f"{1 + axes} sizes"), received, ""
    if channels and shape and shape[0] != channels:
        return f"{channels} channels", str(shape[0]), ""
    if "too small" in str(error) or "can't be greater" in str(error):
        return "more than its kernel covers", received, "Use larger inputs."
    reason = str(error).partition("\n")[0].rstrip(".")
    return None, f"{received} ({reason})", ""


def shape_text(shape: Shape) -> str:
    """``64×56×56``."""
    return "×".join(str(size) for size in shape)


def _unpack(tensor: Tensor) -> Tensor:
    return tensor


def _rank(module: nn.Module) -> int | None:
    size = getattr(module, "kernel_size", None)
    return len(size) if isinstance(size, tuple) else None


def _channels(module: nn.Module) -> int | None:
    for name in ("in_channels", "num_features", "in_features"):
        size = getattr(module, name, None)
        if isinstance(size, int):
            return size
    return None


def _shape(tensor: Tensor | None) -> Shape:
    return () if tensor is None else tuple(tensor.shape[1:])


def _first_tensor(value: object) -> Tensor | None:
    """The first tensor in what a module takes or gives: a tensor, or nested tuples and dicts."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        found = (_first_tensor(part) for part in value)
        return next((tensor for tensor in found if tensor is not None), None)
    return None
