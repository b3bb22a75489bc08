"""Starting from what was learnt before: a run, a checkpoint, or a file of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from residua import checkpoint as checkpoints
from residua.checkpoint import Checkpoint
from residua.errors import CheckpointError, WeightsError
from residua.networks.network import Network
from residua.networks.weights import LoadResult, load_state, load_weights
from residua.run.folder import RunFolder


def usable_checkpoint(
    folder: RunFolder, *, keep: str = "best", warn: Callable[[str], None]
) -> Checkpoint:
    """The checkpoint of a run that stands for it: the final one, or while the run is not complete
    the best or the last so far.

    Raises:
        CheckpointError: If there is none yet.
    """
    if folder.final.is_dir():
        try:
            return checkpoints.load(folder.final)
        except CheckpointError as error:
            warn(f"{error}; taking the one before it")
    for prefix in ("best", "step") if keep == "best" else ("step",):
        found = checkpoints.newest(folder.checkpoints, prefix, warn=warn)
        if found is not None:
            return found
    verb = "Train again" if folder.summary.exists() else f"Go on with: residua resume {folder.root}"
    raise CheckpointError(f"{folder.root} has no usable checkpoint", fix=verb)


def load_start(network: Network, start: str, *, warn: Callable[[str], None]) -> LoadResult:
    """Loads weights into ``network``; what depends on classes or channels is fresh or adapted.

    Args:
        start: A run folder, a checkpoint folder, or a .safetensors or .pth file.

    Raises:
        WeightsError: If it belongs to another network.
        CheckpointError: If there is nothing to load.
    """
    source = Path(start)
    if not source.is_dir():
        return load_weights(network, start, adapt=True)
    if (source / "recipe.json").is_file():
        found = usable_checkpoint(RunFolder.open(source), warn=warn)
    else:
        found = checkpoints.load(source)
    if found.spec.name != network.spec.name:
        raise WeightsError(
            "checkpoint of another network",
            expected=network.spec.name,
            received=found.spec.name,
            where=source,
            fix=f"Use --network {found.spec.name}",
        )
    return load_state(network, found.weights, where=start, adapt=True)
