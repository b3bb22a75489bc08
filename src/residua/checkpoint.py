"""The only hand-over between training and everything after it: a folder that rebuilds itself.

    model.safetensors      the weights to use (the average, where one is kept)
    training.safetensors   what resuming needs besides (optimizer, raw weights, sums of the epoch)
    checkpoint.json        network, preprocessing, labels, recipe, progress, and the SHA-256 of
                           the other files and of itself

There is no pickle in it. A checkpoint is written under a temporary name, synced and renamed, so
that it is whole or not there; whatever happens to it later, its checksums tell.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from residua.batch import Schema
from residua.data.preprocess import Preprocess, preprocess_from_json, preprocess_to_json
from residua.errors import CheckpointError, CorruptCheckpointError, UsageError
from residua.files import canonical_json, checksum, hash_text, naming_full_disk, sync_folder
from residua.networks.catalog import build, spec_from_json, spec_to_json
from residua.networks.pretrained.card import Origin
from residua.networks.weights import load_state

if TYPE_CHECKING:
    from torch import Tensor

    from residua.networks.catalog import Spec
    from residua.networks.network import Network

FORMAT = 1
_JSON, _MODEL, _TRAINING = "checkpoint.json", "model.safetensors", "training.safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingState:
    """What resuming needs besides the weights.

    Attributes:
        tensors: Named tensors, on the CPU once loaded.
        values: Everything else, as JSON.
    """

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network and all that is needed to use it.

    Attributes:
        spec: What the network is.
        weights: Its state dict.
        schema: What it was trained on; names the classes.
        preprocess: How a sample becomes its input.
        recipe: The run that made it, as JSON, for the record.
        step: Updates done.
        temperature: Divisor of the logits that calibrates them; None where none was fitted.
        scores: Results at this point, as JSON, for the record.
        training: What resuming needs; None in a checkpoint to ship.
        origin: Weights that the run started from, and what those had started from before them,
            the first one first.
        sha256: Of the file of weights, once it was read.
    """

    spec: Spec
    weights: Mapping[str, Tensor]
    schema: Schema
    preprocess: Preprocess
    recipe: Mapping[str, Any]
    step: int
    temperature: float | None = None
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training: TrainingState | None = None
    origin: tuple[Origin, ...] = ()
    sha256: str = ""

    def network(self) -> Network:
        """The network with its weights, in evaluation mode, on the CPU."""
        network = build(self.spec)
        load_state(network, self.weights, where="the checkpoint")
        return network.eval()


def save(checkpoint: Checkpoint, folder: Path) -> None:
    """Writes ``folder`` at once and for good; an older one of the same name is replaced.

    Raises:
        DiskFullError: If it does not fit; nothing is left of it, older checkpoints are intact.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with naming_full_disk(folder):
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _write(checkpoint, draft)
            draft.chmod(0o755)
            if folder.exists():
                folder.rename(draft.with_name(draft.name + ".old"))
            draft.rename(folder)
            shutil.rmtree(draft.with_name(draft.name + ".old"), ignore_errors=True)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(folder.parent)


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    _write_tensors(checkpoint.weights, folder / _MODEL)
    files = {_MODEL: checksum(folder / _MODEL)}
    if checkpoint.training is not None:
        _write_tensors(checkpoint.training.tensors, folder / _TRAINING)
        files[_TRAINING] = checksum(folder / _TRAINING)
    content: dict[str, Any] = {
        "format": FORMAT,
        "network": spec_to_json(checkpoint.spec),
        "schema": cattrs.unstructure(checkpoint.schema),
        "preprocess": preprocess_to_json(checkpoint.preprocess),
        "recipe": checkpoint.recipe,
        "step": checkpoint.step,
        "temperature": checkpoint.temperature,
        "scores": checkpoint.scores,
        "training": None if checkpoint.training is None else checkpoint.training.values,
        "origin": [origin.to_json() for origin in checkpoint.origin],
        "files": files,
    }
    content["checksum"] = hash_text(canonical_json(content))
    with (folder / _JSON).open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))  # its way to pass on errno
        if number is None:
            raise
        raise OSError(int(number[1]), str(error), str(path)) from error
    with path.open("rb") as file:
        os.fsync(file.fileno())


def load(folder: Path, *, training: bool = False) -> Checkpoint:
    """Reads and verifies a checkpoint.

    Args:
        training: Also read what resuming needs.

    Raises:
        CheckpointError: If there is none.
        CorruptCheckpointError: If a file is missing, truncated or altered.
    """
    content = _verified(folder)
    state = None
    if training:
        if content["training"] is None:
            raise CheckpointError(f"{folder} holds weights only and cannot be resumed")
        state = TrainingState(tensors=load_file(folder / _TRAINING), values=content["training"])
    try:
        spec = spec_from_json(content["network"])
    except UsageError as error:
        raise CheckpointError(f"a network that this release does not know: {error}") from error
    return Checkpoint(
        spec=spec,
        weights=load_file(folder / _MODEL),
        schema=cattrs.structure(content["schema"], Schema),
        preprocess=preprocess_from_json(content["preprocess"]),
        recipe=content["recipe"],
        step=content["step"],
        temperature=content["temperature"],
        scores=content["scores"],
        training=state,
        origin=tuple(map(Origin.from_json, content.get("origin", []))),
        sha256=content["files"][_MODEL],
    )


def _verified(folder: Path) -> dict[str, Any]:
    """The content of checkpoint.json, once it and the files that it names are as written."""
    path = folder / _JSON
    if not path.is_file() and (folder / _MODEL).exists():
        raise CorruptCheckpointError(f"{path} is missing")
    if not path.is_file():
        raise CheckpointError(
            "not a checkpoint", expected=f"a folder with {_JSON}", received=folder
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptCheckpointError(f"{path} is damaged ({error})") from error
    if not isinstance(content, dict) or "checksum" not in content:
        raise CorruptCheckpointError(f"{path} is damaged (it has no checksum)")
    claimed = content.pop("checksum")
    if hash_text(canonical_json(content)) != claimed:
        raise CorruptCheckpointError(f"{path} does not match its checksum")
    if content["format"] != FORMAT:
        raise CheckpointError(
            "checkpoint of another version",
            expected=f"format {FORMAT}",
            received=content["format"],
            where=path,
            fix="Use the release of residua that wrote it",
        )
    for name, expected in content["files"].items():
        if not (folder / name).is_file() or checksum(folder / name) != expected:
            raise CorruptCheckpointError(f"{folder / name} does not match its checksum")
    return content


def newest(
    folder: Path, prefix: str, *, training: bool = False, warn: Callable[[str], None]
) -> Checkpoint | None:
    """The newest good checkpoint ``folder/prefix-STEP``, or None; ``warn`` hears of bad ones."""
    for candidate in sorted(folder.glob(f"{prefix}-*"), reverse=True):
        try:
            return load(candidate, training=training)
        except CorruptCheckpointError as error:
            warn(f"{error}; trying the one before it")
    return None


def prune(folder: Path, prefix: str, keep: int) -> None:
    """Deletes all but the newest ``keep`` checkpoints ``folder/prefix-STEP``, and old drafts."""
    names = sorted(folder.glob(f"{prefix}-*"))
    for old in names[: max(0, len(names) - keep)]:
        shutil.rmtree(old)
    for draft in folder.glob(f".{prefix}-*"):
        shutil.rmtree(draft, ignore_errors=True)
