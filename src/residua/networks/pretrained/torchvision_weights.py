"""torchvision's weights, from torch.hub's cache or from where torchvision says they are."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError

import torch

from residua.errors import UnknownNameError, UsageError, WeightsError
from residua.files import checksum, naming_full_disk
from residua.networks.catalog import FACTS
from residua.networks.pretrained.card import Inputs, WeightsCard

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

LICENCE = "torchvision is BSD-3-Clause, no own licence stated for the weights"

_HALF = (0.5, 0.5, 0.5)


def fetch(text: str) -> tuple[WeightsCard, Path]:
    """The card and file of ``torchvision/NETWORK[.TAG]``.

    Raises:
        UsageError: torchvision has no such network, or no such weights of it.
        WeightsError: The file cannot be fetched, or is not what its name says.
    """
    name, _, tag = text.removeprefix("torchvision/").partition(".")
    weights = _member(name, tag)
    path = _file(f"torchvision/{name}.{weights.name}", weights.url)
    return _card(name, weights, path), path


def tags(name: str) -> tuple[str, ...]:
    """Tags of the weights that torchvision has of a network, the default one first.

    Raises:
        UnknownNameError: torchvision has no such network.
    """
    known = [key for key, facts in FACTS.items() if "torchvision" in facts.elsewhere]
    if name not in known:
        raise UnknownNameError("network of torchvision", name, known)
    from torchvision.models import get_model_weights

    enum = get_model_weights(name)
    default = getattr(enum, "DEFAULT").name  # noqa: B009 not every enum has it, says its type
    return (default, *(each.name for each in enum if each.name != default))


def _member(name: str, tag: str) -> WeightsEnum:
    known = tags(name)
    chosen = next((each for each in known if each.lower() == (tag or known[0]).lower()), None)
    if chosen is None:
        raise UsageError(
            f"torchvision has no weights '{tag}' of network '{name}'", expected=", ".join(known)
        )
    from torchvision.models import get_model_weights

    return get_model_weights(name)[chosen]


def _card(name: str, weights: WeightsEnum, path: Path) -> WeightsCard:
    meta = weights.meta
    top1 = meta["_metrics"]["ImageNet-1K"]["acc@1"]
    features = weights.name == "IMAGENET1K_FEATURES"
    return WeightsCard(
        source=f"torchvision/{name}.{weights.name}",
        network=name,
        licence=LICENCE,
        sha256=checksum(path),
        url=weights.url,
        inputs=_inputs(name, weights.transforms()),
        top1=None if math.isnan(top1) else top1,
        classes=tuple(meta["categories"] or ()),
        optional=("classifier.",) if features else (),  # whose values there are NaN
    )


def _inputs(name: str, transforms: Any) -> Inputs:
    """Of GoogLeNet the mean and std that its ``transform_input`` turns the usual ones into."""
    (crop,), (resize,) = transforms.crop_size, transforms.resize_size
    googlenet = name == "googlenet"
    return Inputs(
        size=(crop, crop),
        resize=(resize, resize),
        interpolation=transforms.interpolation.value,
        mean=_HALF if googlenet else tuple(transforms.mean),
        std=_HALF if googlenet else tuple(transforms.std),
    )


def _file(source: str, url: str) -> Path:
    """The file of ``url`` in torch.hub's cache, fetched where it is not there yet."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    match = re.search(r"-([0-9a-f]{8,})\.", path.name)
    start = match[1] if match else ""
    if not path.is_file():
        _download(source, url, path, start)
    if not checksum(path).startswith(start):
        raise WeightsError(
            f"the cached file of weights {source} is damaged",
            expected=f"a SHA-256 that starts with {start}",
            received=checksum(path)[: len(start)],
            where=path,
            fix="Delete it; it is fetched again",
        )
    return path


def _download(source: str, url: str, path: Path, start: str) -> None:
    """Under another name until it is whole and its hash is right."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming_full_disk(path):
            torch.hub.download_url_to_file(
                url, str(path), hash_prefix=start or None, progress=sys.stderr.isatty()
            )
    except RuntimeError as error:  # torch's of a wrong hash
        raise WeightsError(
            f"weights {source} did not arrive whole ({error})", where=url, fix="Try again"
        ) from error
    except HTTPError as error:
        raise _unreachable(source, url, path, f"{error.code} {error.reason}") from error
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise _unreachable(source, url, path, str(reason)) from error


def _unreachable(source: str, url: str, path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"weights {source} are not on this machine and cannot be fetched",
        received=reason,
        where=url,
        fix=f"Fetch that file elsewhere and put it there: {path}",
    )
