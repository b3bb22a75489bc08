"""Starting from what was learnt before: a run, a checkpoint, or a file of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from residua import checkpoint as checkpoints
from residua.checkpoint import Checkpoint
from residua.errors import CheckpointError, WeightsError
from residua.networks.network import Network
from residua.networks.weights import load_state, load_weights
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
    raise CheckpointError(
        f"{folder.root} has no usable checkpoint",
        fix=f"Train it first: residua resume {folder.root}",
    )


def load_start(network: Network, source: Path, *, warn: Callable[[str], None]) -> tuple[str, ...]:
    """Loads ``source`` into ``network``; what depends on classes or channels may stay fresh.

    Args:
        source: A run folder, a checkpoint folder, or a .safetensors or .pth file.

    Returns:
        The names that stayed as initialised.

    Raises:
        WeightsError: If it belongs to another network.
        CheckpointError: If there is nothing to load.
    """
    if not source.exists():
        raise CheckpointError("nothing to start from", received=f"{source} (does not exist)")
    if source.is_file():
        return load_weights(network, source, adapt=True).fresh
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
    return load_state(network, found.weights, where=str(source), adapt=True).fresh
