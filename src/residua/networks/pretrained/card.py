"""What is known about a file of weights: where it comes from, and what its pictures looked like.

Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from residua.errors import WeightsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A file that weights were learnt from.

    Attributes:
        source: The string that was asked for: ``timm/resnet50.a1_in1k``, a path.
        licence: As its publisher states it; empty where nothing is stated.
        sha256: Of the file's content.
    """

    source: str
    licence: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Origin:
        """The inverse of `to_json`.

        Raises:
            WeightsError: Fields are missing or unknown.
        """
        try:
            return Origin(**{name: str(item) for name, item in value.items()})
        except (TypeError, AttributeError) as error:
            raise WeightsError(f"not an origin of weights: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """How pictures became the input that weights were learnt or measured on.

    Attributes:
        size: Height and width that the network sees.
        resize: The shorter side is resized to this, then the centre of ``size`` is cut out.
        interpolation: ``nearest``, ``bilinear`` or ``bicubic``, antialiased.
        mean, std: One a channel, of values from 0 to 1.
    """

    size: tuple[int, int]
    resize: tuple[int, int]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Inputs:
        """The inverse of `to_json`; also reads a checkpoint's preprocessing, which says more.

        Raises:
            KeyError, TypeError, ValueError: Values are missing or of another kind.
        """
        (height, width), (box_height, box_width) = value["size"], value["resize"]
        return Inputs(
            size=(int(height), int(width)),
            resize=(int(box_height), int(box_width)),
            interpolation=str(value["interpolation"]),
            mean=tuple(map(float, value["mean"])),
            std=tuple(map(float, value["std"])),
        )

    def for_channels(self, channels: int) -> Inputs:
        """For another number of channels, the mean of all channels' mean and std for each."""
        if channels == len(self.mean):
            return self
        mean, std = (round(sum(v) / len(v), 6) for v in (self.mean, self.std))
        return replace(self, mean=(mean,) * channels, std=(std,) * channels)

    @staticmethod
    def from_crop_share(
        size: tuple[int, int],
        crop_pct: float,
        *,
        interpolation: str,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> Inputs:
        """With timm's rule: resized to ``floor(size / crop_pct)``."""
        height, width = size
        return Inputs(
            size=size,
            resize=(max(height, int(height / crop_pct)), max(width, int(width / crop_pct))),
            interpolation=interpolation,
            mean=mean,
            std=std,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsCard:
    """What is known about a file of weights.

    Attributes:
        source: The string that it is asked for by, with its tag.
        network: Name in the catalog; None where nothing says it.
        licence: As the publisher states it; empty where nothing is stated.
        sha256: Of the file's content.
        url: Where it can be had; empty for a local file.
        inputs: None where nothing says it.
        top1: Published top-1 accuracy on ImageNet in percent.
        classes: What the logits stand for; empty where nothing says it.
        before: What these weights were learnt from themselves, the first origin first.
        optional: Prefixes of keys that the file has no use of, such as a classifier of NaN.
    """

    source: str
    network: str | None = None
    licence: str = ""
    sha256: str = ""
    url: str = ""
    inputs: Inputs | None = None
    top1: float | None = None
    classes: tuple[str, ...] = ()
    before: tuple[Origin, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple[Origin, ...]:
        """All origins of what is learnt from these weights, the first one first."""
        own = Origin(source=self.source, licence=self.licence, sha256=self.sha256)
        return (*self.before, own)
