"""The fixed way from a picture to the network's input.

Legend: b samples, c channels, h height, w width. Sizes are (height, width), as everywhere but in
Pillow, whose own (width, height) stays inside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from residua.batch import Batch, Modality
from residua.data.config import Fit
from residua.data.dataset import Raw
from residua.data.decode import decode
from residua.errors import FormatError, UsageError

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Pixels = npt.NDArray[np.uint8]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePreprocess:
    """What every picture goes through before the network, at evaluation and in deployment.

    Attributes:
        size: Height and width that the network sees.
        resize: Height and width of the box that the picture is resized to before the centre of
            ``size`` is cut out; ``(256, 256)`` with ``size=(224, 224)`` is torchvision's
            ``Resize(256), CenterCrop(224)``. Never smaller than ``size``.
        fit: How the picture meets the box: ``crop`` covers it (the shorter side fits), ``squash``
            ignores the aspect ratio, ``pad`` stays inside and adds black.
        interpolation: Pillow's filter, antialiased when a picture shrinks.
        channels: 1 or 3.
        mean, std: One a channel, of values from 0 to 1.
    """

    modality: ClassVar[Modality] = Modality.IMAGE

    size: tuple[int, int]
    resize: tuple[int, int]
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"
    channels: int = 3
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if min(self.size) < 1 or self.resize[0] < self.size[0] or self.resize[1] < self.size[1]:
            raise UsageError(
                "sizes of the preprocessing do not fit together",
                expected="1 <= size <= resize",
                received=f"size {self.size}, resize {self.resize}",
            )
        if self.channels not in (1, 3):
            raise UsageError(
                "pictures are loaded as gray or as colour",
                expected="1 or 3 channels",
                received=self.channels,
            )
        if not len(self.mean) == len(self.std) == self.channels or min(self.std) <= 0:
            raise UsageError(
                "mean and std do not fit the channels",
                expected=f"{self.channels} of each, std above 0",
                received=f"mean {self.mean}, std {self.std}",
            )

    @property
    def rank(self) -> int:
        return 2

    def on_host(self, raw: Raw, where: str) -> Pixels:
        """uint8 ``[c, *size]`` of an encoded file or pixels.

        Raises:
            UnreadableSampleError: There is no picture in it.
        """
        return self.fitted(decode(raw, where=where))

    def fitted(self, image: Image.Image) -> Pixels:
        """uint8 ``[c, *size]``. No step that would change nothing is taken, so that a picture
        which already has the size keeps its pixels."""
        image = _with_channels(image, self.channels)
        if self.fit == "squash":
            image = self._resampled(image, self.resize)
        elif self.fit == "crop":
            image = self._resampled(image, _covering(image, self.resize))
        else:
            image = _padded(self._resampled(image, _contained(image, self.resize)), self.resize)
        return _pixels(_centre(image, self.size))

    def whole_on_host(self, image: Image.Image, size: tuple[int, int]) -> Pixels:
        """uint8 ``[c, *size]``: the whole picture, whatever its aspect ratio."""
        return _pixels(self._resampled(_with_channels(image, self.channels), size))

    def on_device(self, batch: Batch) -> Batch:
        """The network's input: normalised float32 ``[b, c, h, w]`` of uint8 pictures."""
        inputs = batch.inputs.contiguous(memory_format=torch.channels_last)  # while they are bytes
        return replace(batch, inputs=self.normalise(inputs.to(torch.float32).div_(255)))

    def normalise(self, views: Tensor) -> Tensor:
        """Float ``[b, c, h, w]`` from values of 0 to 1, in the same memory format."""
        mean, std = _constants(self.mean, views.device), _constants(self.std, views.device)
        return views.sub(mean).div_(std)

    def describe(self) -> str:
        """What the network sees, in a few words."""
        height, width = self.size
        return f"{self.channels}x{height}x{width}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``json.dumps``."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What decoded pictures depend on: not mean and std, which are applied on the device."""
        values = self.to_json()
        del values["mean"], values["std"]
        return values

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ImagePreprocess:
        """The inverse of `to_json`.

        Raises:
            FormatError: Values that are missing, unknown or of another kind.
        """
        try:
            return cls(**_typed(value))
        except (TypeError, ValueError, KeyError, UsageError) as error:
            raise FormatError(f"not a description of a preprocessing: {error}") from error

    def _resampled(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        height, width = size
        if image.size == (width, height):
            return image
        return image.resize((width, height), _RESAMPLING[self.interpolation])


def _typed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `ImagePreprocess`: JSON knows lists, not tuples."""
    if value["fit"] not in get_args(Fit) or value["interpolation"] not in _RESAMPLING:
        raise ValueError(f"fit {value['fit']}, interpolation {value['interpolation']}")
    (height, width), (box_height, box_width) = value["size"], value["resize"]
    return dict(value) | {
        "size": (int(height), int(width)),
        "resize": (int(box_height), int(box_width)),
        "channels": int(value["channels"]),
        "mean": tuple(float(x) for x in value["mean"]),
        "std": tuple(float(x) for x in value["std"]),
    }


@lru_cache(maxsize=64)
def _constants(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Float32 ``[c, 1, 1]``. Kept, because each new copy to a GPU would wait for it."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)


def _with_channels(image: Image.Image, channels: int) -> Image.Image:
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _covering(image: Image.Image, box: tuple[int, int]) -> tuple[int, int]:
    """The size that covers ``box``, rounded down as torchvision does."""
    (width, height), (box_height, box_width) = image.size, box
    if box_height * width >= box_width * height:
        return box_height, box_height * width // height
    return box_width * height // width, box_width


def _contained(image: Image.Image, box: tuple[int, int]) -> tuple[int, int]:
    (width, height), (box_height, box_width) = image.size, box
    if box_height * width >= box_width * height:
        return max(1, round(box_width * height / width)), box_width
    return box_height, max(1, round(box_height * width / height))


def _padded(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    height, width = box
    if image.size == (width, height):
        return image
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def _centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of ``size``, with torchvision's rounding."""
    height, width = size
    if image.size == (width, height):
        return image
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _pixels(image: Image.Image) -> Pixels:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
