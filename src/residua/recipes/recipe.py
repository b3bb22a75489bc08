"""A run as a value: the command line, the file in the run folder and the Python argument at once.

Free of torch, so that the command line stays quick.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import cattrs
import tyro
from cattrs.v import format_exception

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.data.config import DataConfig, SeriesConfig
from residua.errors import FormatError, UsageError
from residua.files import write_atomically
from residua.methods.config import PretrainConfig, SemiConfig, SupervisedConfig
from residua.training.config import TrainingConfig

PLACE = frozenset(
    {
        *(f"data.{name}" for name in ("path", "workers", "cache", "strict")),
        *(f"training.{name}" for name in ("device", "threads", "compile", "tensorboard")),
        "training.checkpoint_minutes",
    }
)
"""What may be another when a run is gone on with: where it computes, not what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Which network, and what it starts from."""

    network: str = "auto"
    """A name of `residua list networks`; auto takes that of --start, else resnet20 for pictures up
    to 64 pixels and resnet18 for larger ones."""
    drop_rate: float = 0.0
    """Dropout before the classifier; 0 keeps what the network's paper has."""
    drop_path_rate: float = 0.0
    """Stochastic depth: probability of leaving out the deepest block, falling linearly to 0 at the
    first (Huang et al., 2016)."""
    initialisation: Literal["paper", "xavier"] = "paper"
    """paper: as the network's paper or package draws its weights; xavier: uniform by fan-in and
    fan-out (Glorot & Bengio, 2010), as text books do."""
    aux: bool = True
    """Train the auxiliary classifiers of networks that have them (GoogLeNet)."""
    shortest_map: int | None = None
    """Steps of the last map of a multi-scale 1-D network, at least, where series have as many; by
    default 256. Half of it costs half, and sees less detail."""
    start: Annotated[str | None, tyro.conf.arg(aliases=["--from"])] = None
    """Start from these weights: a run folder (pre-trained or trained), a checkpoint, a .safetensors
    or .pth file, torchvision/NETWORK[.TAG], timm/NETWORK[.TAG], or hf-hub:OWNER/NAME. Their mean,
    std, crop and filter come with them; the classifier is new where the classes differ. Without
    --network it says the network."""
    recompute: Literal["none", "stages", "layers"] = "none"
    """Save memory by computing activations twice: of whole stages, or of the cheap layers of dense
    networks. The results are the same."""
    freeze: int = 0
    """Keep this many stages, counted from the stem, as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides how a run goes."""

    data: DataConfig = field(default_factory=DataConfig)
    series: SeriesConfig = field(default_factory=SeriesConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    signal: SignalAugmentConfig = field(default_factory=SignalAugmentConfig)
    sound: SoundAugmentConfig = field(default_factory=SoundAugmentConfig)
    method: SupervisedConfig = field(default_factory=SupervisedConfig)
    semi: SemiConfig = field(default_factory=SemiConfig)
    pretrain: Annotated[PretrainConfig, tyro.conf.Fixed, tyro.conf.Suppress] = field(
        default_factory=PretrainConfig
    )
    """Has a verb of its own, `residua pretrain`."""
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        for name, value in _flat(self.to_json()).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"wrong {name}", expected="a finite number", received=value)
        self.data.check()
        self.series.check()
        self.method.check()
        self.semi.check()
        self.pretrain.check()
        self.training.check()

    def changes(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """What differs in ``other``: by dotted name, the value here and the value there."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        names = (name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name))
        return {name: (mine.get(name), theirs.get(name)) for name in names}

    def to_json(self) -> dict[str, Any]:
        return _CONVERTER.unstructure(self)

    @staticmethod
    def from_json(content: dict[str, Any], *, where: str) -> Recipe:
        """The recipe that `to_json` gave.

        Raises:
            FormatError: If a field is unknown or of another type.
        """
        try:
            return _CONVERTER.structure(content, Recipe)
        except (cattrs.BaseValidationError, cattrs.ForbiddenExtraKeysError) as error:
            reasons = "; ".join(cattrs.transform_error(error, format_exception=_reason))
            raise FormatError(f"not a recipe of this release: {reasons}", where=where) from error

    def save(self, path: Path) -> None:
        write_atomically(path, json.dumps(self.to_json(), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> Recipe:
        """Reads a recipe.json.

        Raises:
            FormatError: If it is not one.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise FormatError(f"cannot read a recipe: {error}", where=path) from error
        if not isinstance(content, dict):
            kind = type(content).__name__
            raise FormatError("not a recipe", expected="an object", received=kind, where=path)
        return Recipe.from_json(content, where=str(path))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """The leaves of nested objects and lists: ``training.optimizer.lr``, ``data.size.0``."""
    if not isinstance(value, dict | list | tuple):
        return {name: value}
    parts = cast("dict[str, Any]", value if isinstance(value, dict) else dict(enumerate(value)))
    return {
        leaf: item
        for key, part in parts.items()
        for leaf, item in _flat(part, f"{name}.{key}" if name else key).items()
    }


def _reason(error: BaseException, kind: type | None) -> str:
    """A value out of its range says so itself; the rest is cattrs' business."""
    return str(error) if isinstance(error, UsageError) else format_exception(error, kind)


def _make_converter() -> cattrs.Converter:
    return cattrs.Converter(forbid_extra_keys=True)


_CONVERTER = _make_converter()
