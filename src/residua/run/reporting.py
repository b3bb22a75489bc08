"""From a run folder to its report."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import torch

from residua.batch import Modality
from residua.checkpoint import Checkpoint
from residua.errors import DataError
from residua.evaluation.features import first_filters
from residua.evaluation.scores import Scores
from residua.networks.pretrained.card import Origin
from residua.networks.pretrained.source import is_published
from residua.recipes.presets import usual_recipe
from residua.recipes.pretraining import pretraining
from residua.recipes.recipe import Recipe
from residua.report.contents import Fact, ReportContents
from residua.report.html import write_report
from residua.run.chart import chart_point
from residua.run.folder import RunFolder
from residua.run.gallery import with_samples
from residua.run.start import usable_checkpoint
from residua.run.store import load_scores, load_summary
from residua.run.task import TARGETS
from residua.run.terminal import Terminal
from residua.training.config import TrainingConfig
from residua.training.record import EpochRecord as Record
from residua.training.record import MetricsFile

_SELECTION = {
    "best": "The weights are those of the epoch with the best validation {score}.",
    "last": "The weights are those of the last epoch.",
}
_PROBED = (
    "Pre-training without labels: the features of the last epoch, by a kNN probe that takes "
    "labelled training samples for neighbours."
)
_NOUNS = {
    Modality.IMAGE: "pictures",
    Modality.SIGNAL: "signals",
    Modality.SOUND: "clips",
    Modality.TEXT: "texts",
}


def write_run_report(run: RunFolder, terminal: Terminal) -> Path:
    """Writes ``report/report.html`` and the plots, and returns the former.

    Samples need the data set; where it is gone, the report does without them and says so.

    Raises:
        CheckpointError: If the run has no checkpoint yet.
    """
    recipe = Recipe.load(run.recipe)
    checkpoint = usable_checkpoint(run, keep=recipe.training.keep, warn=terminal.warn)
    records = MetricsFile(run.metrics).read()
    validation = load_scores(run.evaluations, "validation")
    test = load_scores(run.evaluations, "test")
    network = checkpoint.network()
    contents = ReportContents(
        title=f"{recipe.network.network} on {_data_name(recipe)}",
        data=_data_name(recipe),
        classes=checkpoint.schema.classes,
        date=_date(run),
        command=_command(recipe, checkpoint.schema.modality),
        selection=_PROBED
        if recipe.pretrain.active
        else _selection(recipe.training.keep, validation, test),
        selected_epoch=_epoch_of(records, checkpoint.step),
        facts=_facts(run, recipe, checkpoint, records),
        environment=_environment(run),
        recipe=recipe.to_json(),
        history=[chart_point(record) for record in records],
        validation=validation,
        test=test,
        filters=first_filters(network),
        noun=_NOUNS[checkpoint.schema.modality],
    )
    try:
        contents = with_samples(contents, run, recipe, checkpoint, network)
    except (DataError, OSError) as error:
        terminal.warn(f"the report shows no samples: {error}")
    return write_report(contents, run.report)


def _selection(keep: str, validation: Scores | None, test: Scores | None) -> str:
    """How the weights were chosen, and when the test split was read."""
    by = _SELECTION["last"]
    if validation is not None:
        by = _SELECTION[keep].format(score=validation.headline.name)
    return by + ("" if test is None else " The test split was read once, after that.")


# ---- facts --------------------------------------------------------------------------------------


def _data_name(recipe: Recipe) -> str:
    return Path(recipe.data.path).name


def _command(recipe: Recipe, modality: Modality) -> str:
    """The command that repeats the run: every option that differs from the default."""
    words = ["residua", "pretrain" if recipe.pretrain.active else "train", recipe.data.path]
    default = usual_recipe(modality)
    if recipe.pretrain.pretrain != "none":
        words += ["--method", recipe.pretrain.pretrain]
        default = pretraining(modality, recipe.pretrain.pretrain)
    elif recipe.semi.active:
        words += ["--method", recipe.semi.semi]
    for part, usual in (
        (recipe.network, default.network),
        (recipe.data, default.data),
        (recipe.series, default.series),
        (recipe.augment, default.augment),
        (recipe.signal, default.signal),
        (recipe.sound, default.sound),
        (recipe.method, default.method),
        (recipe.semi, default.semi),
        (recipe.pretrain, default.pretrain),
        (recipe.training, _settled(default.training)),
        (recipe.training.optimizer, default.training.optimizer),
        (recipe.training.schedule, default.training.schedule),
    ):
        for entry in fields(part):
            value = getattr(part, entry.name)
            said = entry.name in ("path", "semi", "pretrain") or is_dataclass(value)
            if not said and value is not None and value != getattr(usual, entry.name):
                words += _option(entry.name, value)
    return shlex.join(words)


def _settled(usual: TrainingConfig) -> TrainingConfig:
    """What need not be said again where epochs are, as they always are; a size that depends on the
    data is."""
    own_size = usual.batch_share != 1.0
    size = 0 if own_size else usual.batch_size
    return replace(usual.asked(updates=True, batch_size=True), batch_size=size)


def _option(name: str, value: object) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{flag}", *(str(item) for item in values)]


def _date(run: RunFolder) -> str:
    path = run.summary if run.summary.exists() else run.recipe
    return datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")


def _epoch_of(records: Sequence[Record], step: int) -> int | None:
    return next((record.epoch for record in records if record.step == step), None)


def _facts(
    run: RunFolder, recipe: Recipe, checkpoint: Checkpoint, records: Sequence[Record]
) -> list[Fact]:
    training, optimizer, schema = recipe.training, recipe.training.optimizer, checkpoint.schema
    seconds = sum(record.seconds for record in records)
    seen = sum(record.train.n for record in records)
    parameters = sum(
        tensor.numel()
        for name, tensor in checkpoint.weights.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    rows = {
        "Network": recipe.network.network,
        **origin_rows(checkpoint.origin),
        "Parameters": f"{parameters:,}",
        "Input": checkpoint.preprocess.describe(),
        "Data": recipe.data.path,
        "Task": f"{schema.task.value}, {schema.num_classes} {TARGETS[schema.task]}",
        **_method_row(recipe),
        **_linear_probe_row(run),
        "Seed": str(training.seed),
        "Epochs": f"{len(records)} of {training.epochs}",
        "Updates": f"{records[-1].step if records else 0:,} of {training.batch_size} samples",
        "Optimizer": f"{optimizer.optimizer}, learning rate {optimizer.peak_lr:g}, "
        f"{training.schedule.schedule}",
        "Training time": str(timedelta(seconds=round(seconds))),
        "Training speed": f"{seen / max(seconds, 1e-9):,.0f} samples/s",
        "Peak memory": f"{max((r.peak_memory_bytes for r in records), default=0) / 2**30:.2f} GiB",
    }
    return [Fact(label=label, value=value) for label, value in rows.items()]


def _method_row(recipe: Recipe) -> dict[str, str]:
    """What is learnt by, where that is more than labelled samples."""
    if recipe.pretrain.active:
        return {"Method": f"pre-training, {recipe.pretrain.pretrain}"}
    return {"Method": f"semi-supervised, {recipe.semi.semi}"} if recipe.semi.active else {}


def _linear_probe_row(run: RunFolder) -> dict[str, str]:
    """What stands beside the kNN accuracy that a pre-training's page leads with."""
    validation = load_summary(run.summary).get("validation") or {}
    found = validation.get("linear_accuracy")
    return {} if found is None else {"Linear probe": f"{found:.1%} of validation"}


def origin_rows(origin: Sequence[Origin]) -> dict[str, str]:
    """The weights that a run started from, and those that these had started from."""
    texts = [_origin_text(each) for each in reversed(origin)]
    rows = {"Starting weights": texts[0]} if texts else {}
    return rows | (
        {"Which had started from": ", before that ".join(texts[1:])} if texts[1:] else {}
    )


def _origin_text(origin: Origin) -> str:
    unstated = "no licence stated" if is_published(origin.source) else ""
    said = (origin.licence or unstated, origin.sha256 and f"sha256 {origin.sha256[:12]}")
    inside = ", ".join(filter(None, said))
    return f"{origin.source} ({inside})" if inside else origin.source


def _environment(run: RunFolder) -> list[Fact]:
    rows = {
        "Hardware": str(load_summary(run.summary).get("device", "")),
        "Machine": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "residua": version("residua"),
    }
    return [Fact(label=label, value=value) for label, value in rows.items() if value]
