"""Starting from what was learnt before: a run, a checkpoint, a file, or published weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from residua import checkpoint as checkpoints
from residua.batch import Modality, Schema
from residua.checkpoint import Checkpoint
from residua.data.choose_image import SMALL
from residua.data.config import DataConfig, SeriesConfig
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess, Interpolation
from residua.data.preprocess import Preprocess, SeriesPreprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import CheckpointError, WeightsError
from residua.networks.catalog import SPECS
from residua.networks.pretrained.card import Inputs
from residua.networks.weights import LoadResult, Weights, WeightsCard, open_weights
from residua.run.folder import RunFolder

_IMAGENET_CLASSES = 1000

Warn = Callable[[str], None]


def usable_checkpoint(folder: RunFolder, *, keep: str = "best", warn: Warn) -> Checkpoint:
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


def open_checkpoint(path: Path, *, warn: Warn) -> Checkpoint:
    """The checkpoint of a run folder or in a checkpoint folder.

    Raises:
        CheckpointError: If there is none.
    """
    if (path / "recipe.json").is_file():
        return usable_checkpoint(RunFolder.open(path), warn=warn)
    return checkpoints.load(path)


def check_classifier(found: Checkpoint, *, source: str) -> None:
    """Raises a `CheckpointError` where the network has been pre-trained only."""
    if not found.spec.num_classes:
        raise CheckpointError(
            "the checkpoint has no classifier",
            where=source,
            fix=f"Fine-tune it with residua train DATA --start {source}, or measure it with "
            f"residua evaluate {source} --probe knn",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """Weights to start from and, in a checkpoint of ours, what its samples went through."""

    weights: Weights
    preprocess: Preprocess | None = None

    @property
    def card(self) -> WeightsCard:
        return self.weights.card


def open_start(start: str, *, network: str | None, warn: Warn) -> Start:
    """Finds the weights to start from, and what is known about them.

    Args:
        start: A run folder, a checkpoint folder, or whatever
            `residua.networks.weights.open_weights` takes.
        network: What they are for; None for any of the catalog.

    Raises:
        UsageError: A name or tag is unknown.
        WeightsError: They belong to another network, are damaged, or cannot be fetched.
        CheckpointError: If there is nothing to load.
    """
    folder = Path(start).expanduser()
    described = any((folder / name).is_file() for name in ("config.json", "model.safetensors"))
    ours = (folder / "checkpoint.json").is_file() or (folder / "recipe.json").is_file()
    if folder.is_dir() and (ours or not described):
        found = open_checkpoint(folder, warn=warn)
        weights = Weights(card=card_of(found, source=start), read=lambda: found.weights)
        return Start(weights=weights, preprocess=found.preprocess)
    return Start(weights=open_weights(start, network=network or SPECS))


def check_start(start: Start, schema: Schema) -> None:
    """Raises a `WeightsError` where a checkpoint of ours has learnt from samples of another kind
    than those of ``schema``; nothing is known of other weights."""
    if start.preprocess is None or start.preprocess.modality is schema.modality:
        return
    raise WeightsError(
        "the weights were learnt from samples of another kind",
        expected=schema.modality.value,
        received=start.preprocess.modality.value,
        where=start.card.source,
        fix="Start from a run on such samples, or without --start",
    )


def card_of(found: Checkpoint, *, source: str) -> WeightsCard:
    """What is known about the weights of a checkpoint."""
    return WeightsCard(
        source=source,
        network=found.spec.name,
        sha256=found.sha256,
        inputs=_inputs_of(found.preprocess),
        classes=found.schema.classes,
        before=found.origin,
    )


def _inputs_of(preprocess: Preprocess) -> Inputs | None:
    if not isinstance(preprocess, ImagePreprocess):
        return None
    return Inputs(
        size=preprocess.size,
        resize=preprocess.resize,
        interpolation=preprocess.interpolation,
        mean=preprocess.mean,
        std=preprocess.std,
    )


def series_preprocess_for(
    start: Start, dataset: Dataset, config: SeriesConfig, *, rank: int
) -> SeriesPreprocess | None:
    """That of the checkpoint, resampling from the rate of this data; None where its samples were of
    another kind, or the user asks for something else.

    Args:
        start: What the run starts from.
        dataset: What it learns from.
        config: What the user asks for.
        rank: Of sound, as the network takes it.
    """
    found, schema = start.preprocess, dataset.schema
    if found is None or isinstance(found, ImagePreprocess) or config != SeriesConfig():
        return None
    if found.modality is not schema.modality:
        return None
    if isinstance(found, SoundPreprocess):
        return found if found.rank == rank else None
    if isinstance(found, SignalPreprocess):
        fits = found.channels == schema.channels
        return replace(found, source_rate=schema.rate) if fits else None
    return found


def preprocess_for(
    card: WeightsCard, dataset: Dataset, config: DataConfig
) -> ImagePreprocess | None:
    """The preprocessing of a run that starts from these weights; None where nothing says theirs.

    Mean, standard deviation, filter and the share that the crop cuts out are those of the weights;
    for another number of channels the mean of all channels' values serves each. The size is
    ``config.size``, else theirs. What shall be small is not enlarged to be cropped. Who asks for no
    normalisation gets none, whatever the weights were learnt with: `describe_start` says so.
    """
    if card.inputs is None or dataset.schema.modality is not Modality.IMAGE:
        return None
    channels = dataset.schema.channels if config.channels is None else config.channels
    inputs = card.inputs.for_channels(channels)
    size = config.size or inputs.size
    return ImagePreprocess(
        size=size,
        resize=_resize(size, inputs),
        fit=config.fit,
        interpolation=cast(Interpolation, inputs.interpolation),
        channels=channels,
        mean=inputs.mean if config.normalise else (0.0,) * channels,
        std=inputs.std if config.normalise else (1.0,) * channels,
    )


def _resize(size: tuple[int, int], inputs: Inputs) -> tuple[int, int]:
    if max(size) <= SMALL:
        return size
    shares = (box / seen for box, seen in zip(inputs.resize, inputs.size, strict=True))
    height, width = (max(n, round(n * share)) for n, share in zip(size, shares, strict=True))
    return height, width


def keeps_classifier(card: WeightsCard, classes: tuple[str, ...]) -> bool:
    """Whether a classifier of the right size stands for the right classes, as far as is known."""
    if not card.classes or card.classes == classes:
        return True
    renamed = not set(card.classes) & set(classes)  # ImageNet's folders are called by synsets
    return renamed and len(card.classes) == _IMAGENET_CLASSES


def describe_start(card: WeightsCard, preprocess: Preprocess, loaded: LoadResult) -> str:
    """One line: source, licence, how pictures enter, what did not load as it was."""
    said = [card.source + (f" ({card.licence})" if card.licence else "")]
    if isinstance(preprocess, ImagePreprocess):
        said.append(_describe_values(card, preprocess))
        if card.inputs is not None:
            crop, box = (_side(sides) for sides in (preprocess.size, preprocess.resize))
            said += [f"crop {crop} of {box}", preprocess.interpolation]
    return "; ".join((", ".join(said), *loaded.notes))


def _describe_values(card: WeightsCard, preprocess: ImagePreprocess) -> str:
    """Whose mean and standard deviation are taken off."""
    if card.inputs is None:
        own = "values stay from 0 to 1" if _is_plain(preprocess) else "those of this data are used"
        return f"nothing says their mean and std, {own}"
    inputs = card.inputs.for_channels(preprocess.channels)
    averaged = " (averaged over the channels)" * (inputs is not card.inputs)
    theirs = f"mean {_numbers(inputs.mean)}, std {_numbers(inputs.std)}{averaged}"
    if _is_plain(preprocess) and not _is_plain(inputs):
        return f"values stay from 0 to 1 as you asked, not as in the weights' {theirs}"
    return theirs


def _is_plain(values: Inputs | ImagePreprocess) -> bool:
    return set(values.mean) == {0.0} and set(values.std) == {1.0}


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


def _side(sides: tuple[int, int]) -> str:
    height, width = sides
    return str(height) if height == width else f"{height}x{width}"
