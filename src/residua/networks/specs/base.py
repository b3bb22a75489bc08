"""What every network says about itself, whatever its family. Free of torch.

A spec is a value: it rebuilds its network exactly, travels in checkpoints as JSON and compares by
content. Each family derives its own spec, with what its equation leaves open as fields.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from residua.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """What all families share.

    Attributes:
        name: Name in the catalog.
        reference: Paper and section that defines the network.
        num_classes: Logits; 0 leaves the classifier out.
        in_chans: Channels of the input.
        rank: Dimensions after the channels: 1 for signals, 2 for pictures.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth of the last block; earlier blocks have less.
        vocabulary: For text, rows of an embedding in front of the network, whose inputs are then
            tokens ``[b, t]`` (0 for padding) instead of ``[b, in_chans, t]``; 0 for none.
    """

    family: ClassVar[str] = ""

    name: str
    reference: str = ""
    num_classes: int = 1000
    in_chans: int = 3
    rank: int = 2
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0
    vocabulary: int = 0

    @property
    def usual_size(self) -> int:
        """Height and width of the pictures in the network's paper."""
        return 224

    @property
    def outline(self) -> str:
        """What sets the network apart within its family, in a few words."""
        return ""

    @property
    def lr_factor(self) -> float:
        """Learning rate that the network bears, in shares of what is usual for an optimizer."""
        return 1.0

    @property
    def has_auxiliary(self) -> bool:
        """Whether classifiers branch off before the end, for training alone."""
        return False

    @property
    def has_residuals(self) -> bool:
        """Whether there are residuals that stochastic depth can drop."""
        return False

    def adapted(self, *, length: int) -> Self:
        """The network for series of about ``length`` steps; most take any as they are."""
        del length
        return self

    def __post_init__(self) -> None:
        self.require(self.num_classes >= 0, "num_classes", "0 or more")
        self.require(self.in_chans >= 1, "in_chans", "at least 1")
        self.require(self.rank in (1, 2), "rank", "1 or 2")
        self.require(0 <= self.drop_rate < 1, "drop_rate", "in [0, 1)")
        self.require(0 <= self.drop_path_rate < 1, "drop_path_rate", "in [0, 1)")
        tokens = self.vocabulary == 0 or (self.vocabulary > 1 and self.rank == 1)
        self.require(tokens, "vocabulary", "0, or at least 2 at rank 1")
        droppable = self.has_residuals or not self.drop_path_rate
        self.require(droppable, "drop_path_rate", "0, since it has no residuals to drop")

    def require(self, holds: bool, field: str, expected: str) -> None:
        """Raises a `UsageError` about ``field`` where ``holds`` is false."""
        if not holds:
            raise UsageError(
                f"network '{self.name}' cannot have this {field}",
                expected=expected,
                received=getattr(self, field),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a network as its row in the table says it, beside what it is.

    Attributes:
        parameters: Elements of all weights and biases.
        top1: Published top-1 accuracy in percent, one crop; None where none was published.
        data: What it was measured on.
        source: Who published it.
        elsewhere: Packages that have the same network.
    """

    parameters: int
    top1: float | None = None
    data: str = "ImageNet"
    source: str = ""
    elsewhere: tuple[str, ...] = ()


S = TypeVar("S", bound=NetworkSpec)


def fields_to_json(spec: NetworkSpec) -> dict[str, Any]:
    """The fields of ``spec`` with tuples as lists: what JSON gives back when it is read."""
    values = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}


def fields_from_json(kind: type[S], values: dict[str, Any]) -> S:
    """The spec of type ``kind`` with these fields.

    Raises:
        UsageError: A field is unknown, or a value has another type than the field.
    """
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise UsageError(
            f"the {kind.family} spec has no field {', '.join(unknown)}",
            expected=", ".join(sorted(known)),
            fix="It may come from a newer version of residua",
        )
    if missing := [f.name for f in fields(kind) if f.default is MISSING and f.name not in values]:
        raise UsageError(f"the {kind.family} spec lacks {', '.join(missing)}", received=values)
    return kind(**{key: _typed(key, value, hints[key]) for key, value in values.items()})


def _typed(field: str, value: Any, hint: Any) -> Any:
    """``value`` as JSON gives it, as the type that ``hint`` says."""
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_typed(field, item, get_args(hint)[0]) for item in value)
    if not _fits(value, hint):
        raise UsageError(f"wrong value of the spec field {field}", expected=hint, received=value)
    return float(value) if hint is float else value


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint  # a bool is an int to isinstance, but not to a spec
