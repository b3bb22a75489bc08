"""From a string to a file of weights: published ones by name, local ones by path.

==================================  ===============================================================
``torchvision/resnet50``            torchvision's, with its default tag (its ``Weights.DEFAULT``)
``torchvision/resnet50.TAG``        the tag is a member of its enum, such as ``IMAGENET1K_V2``
``timm/resnet50``                   timm's, with timm's default tag (the first of `timm_tags`)
``timm/resnet50.TAG``               the repository ``timm/resnet50.TAG`` on huggingface.co
``hf-hub:owner/name[@revision]``    any repository there
anything else                       a file, or a folder with ``model.safetensors``
==================================  ===============================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from residua.errors import CheckpointError, UsageError, WeightsError
from residua.files import checksum
from residua.networks.catalog import SPECS
from residua.networks.pretrained import hub, torchvision_weights
from residua.networks.pretrained.card import Inputs, Origin, WeightsCard
from residua.networks.pretrained.folder import WEIGHTS, card_of_folder
from residua.networks.pretrained.read import read_file, read_metadata

ELSEWHERE = "torchvision/NETWORK, timm/NETWORK, hf-hub:OWNER/NAME"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Weights that were found, and are not read yet.

    Attributes:
        card: What is known about them.
        read: Reads the state dict, on the CPU, in the names of the file.
    """

    card: WeightsCard
    read: Callable[[], Mapping[str, Any]]


def is_published(source: str) -> bool:
    """Whether ``source`` is a name to be looked up elsewhere, not a path."""
    return source.startswith(("torchvision/", "timm/", "hf-hub:"))


def check_network(
    received: str | None, *, expected: str | Collection[str] | None, source: str
) -> None:
    """Raises a `WeightsError` where the networks are known and differ."""
    alone = isinstance(expected, str)
    if received is None or expected is None or received in ((expected,) if alone else expected):
        return
    fix = f"Use network {received} (--network {received})" if received in SPECS else ""
    raise WeightsError(
        "weights of another network",
        expected=expected if alone else "one of `residua list networks`",
        received=received,
        where=source,
        fix=fix,
    )


def open_weights(source: str | Path, *, network: str | Collection[str] | None = None) -> Weights:
    """Finds weights, in a cache, on the network or on disk.

    A `Path`, unlike a string, is always a local file or folder.

    Args:
        source: See above.
        network: The network that they are for, or all that they may be for: where it can be known
            before, nothing of another one is fetched.

    Raises:
        UsageError: No such network or tag; the known ones are listed.
        CheckpointError: There is no such file or folder, or no weights in it.
        WeightsError: They cannot be fetched, are damaged, or belong to another network.
    """
    text = str(source)
    if isinstance(source, Path):
        return _local(source)
    check = partial(check_network, expected=network, source=text)
    if text.startswith("torchvision/"):
        named = text.partition("/")[2].partition(".")[0]
        check(named if named in SPECS else None)
        return _opened(*torchvision_weights.fetch(text))
    if text.startswith("timm/"):
        return _opened(*hub.fetch_timm(text, check))
    if text.startswith("hf-hub:"):
        return _opened(*hub.fetch(text, check))
    if text.startswith(("http://", "https://")):
        raise UsageError(
            f"weights '{text}' are not on this machine",
            expected=f"a local file or folder, or {ELSEWHERE}",
            fix="Download them first, then give their path",
        )
    return _local(Path(text).expanduser())


def _opened(card: WeightsCard, path: Path) -> Weights:
    return Weights(card=card, read=lambda: read_file(path))


def _local(path: Path) -> Weights:
    if not path.exists():
        raise CheckpointError(
            "no such file or folder of weights",
            received=path,
            fix=f"Published ones are called {ELSEWHERE}",
        )
    if path.is_dir():
        found = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
        if found is None:
            raise CheckpointError("no weights in the folder", expected=path / WEIGHTS[0])
        return _opened(card_of_folder(path, found, source=str(path)), found)
    return _opened(_card_of_file(path), path)


def _card_of_file(path: Path) -> WeightsCard:
    """What `export_weights` wrote into the file, where it did."""
    said = read_metadata(path)
    inputs = json.loads(said["inputs"]) if "inputs" in said else None
    return WeightsCard(
        source=str(path),
        network=said.get("network"),
        licence=said.get("licence", ""),
        sha256=checksum(path),
        inputs=None if inputs is None else Inputs.from_json(inputs),
        classes=tuple(json.loads(said.get("classes", "[]"))),
        before=tuple(map(Origin.from_json, json.loads(said.get("origin", "[]")))),
    )
