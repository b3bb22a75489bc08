"""A classifier fitted to the features of a network that stays as it is: a run without updates."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from residua.batch import Split
from residua.evaluation.embed import Features
from residua.evaluation.linear_probe import LinearProbe, linear_probe
from residua.evaluation.metrics import log_loss
from residua.evaluation.predict import describe_device
from residua.evaluation.results import Predictions
from residua.evaluation.scoring import score
from residua.files import write_atomically
from residua.recipes.recipe import Recipe
from residua.run.finish import Summary
from residua.run.folder import RunFolder
from residua.run.session import Session
from residua.run.setting import setting
from residua.run.store import save_evaluation
from residua.run.terminal import Terminal
from residua.training.distributed import Ranks
from residua.training.meter import Scores
from residua.training.record import EpochRecord, MetricsFile, peak_memory


def fitted(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
    """A linear probe of the network that ``recipe`` begins with, in ``folder``.

    The labelled training samples go through the network once, as they are; the classifier is a
    logistic regression of their features (`linear_probe`), scored once on the test split. Leaves
    recipe, metrics, evaluation and summary, and no checkpoint. A probe that is complete is not
    touched.

    Args:
        recipe: Says data, network, the weights to start from and which labels are known. What it
            says of updates has no effect.
        folder: Of this probe alone.

    Raises:
        ResiduaError: For data or weights that do not fit.
    """
    run = RunFolder(folder)
    if run.summary.exists():
        return run
    with setting(recipe, terminal) as ranks:
        session = Session.prepare(recipe, ranks, terminal=terminal)
        network = session.network()
        bank = session.embed(network, session.loader(Split.TRAIN, evaluation=True))
        started = time.monotonic()
        probe = linear_probe(
            bank, validation=None, num_classes=session.schema.num_classes, device=ranks.device
        )
        record = _record(probe, bank, bank.seconds + time.monotonic() - started, ranks)
        found = probe.predict(session.embed(network, session.loader(Split.TEST)))
        folder.mkdir(parents=True, exist_ok=True)
        _write(
            run, session, record, probe, found, size=sum(p.numel() for p in network.parameters())
        )
    return run


def _record(probe: LinearProbe, bank: Features, seconds: float, ranks: Ranks) -> EpochRecord:
    """The fit as an epoch without updates, of the labelled samples."""
    values, labels = bank.labelled
    logits = probe.logits(values)
    right = float((logits.argmax(axis=1) == labels).mean())
    return EpochRecord(
        epoch=1,
        step=0,
        lr=0.0,
        train=Scores(loss=log_loss(logits, labels), score=right, n=len(labels)),
        validation=None,
        seconds=seconds,
        samples_per_second=len(labels) / max(seconds, 1e-9),
        peak_memory_bytes=peak_memory(ranks.device),
    )


def _write(
    run: RunFolder,
    session: Session,
    record: EpochRecord,
    probe: LinearProbe,
    found: Predictions,
    *,
    size: int,
) -> None:
    """The summary last: with it the probe is complete."""
    recipe, scores = session.recipe, score(found, session.schema, Split.TEST.value)
    recipe.save(run.recipe)
    save_evaluation(run.evaluations, scores, found)
    run.metrics.unlink(missing_ok=True)
    MetricsFile(run.metrics).append(record)
    summary = Summary(
        network=recipe.network.network,
        data=recipe.data.path,
        task=session.schema.task.value,
        seed=recipe.training.seed,
        epochs=0,
        steps=0,
        seconds=record.seconds,
        samples_per_second=record.samples_per_second,
        peak_memory_bytes=record.peak_memory_bytes,
        parameters=size,
        device=describe_device(session.ranks.device, session.arithmetic.dtype),
        weights=f"classifier fitted to features, L2 {probe.strength:g}",
        train=record.train.to_json(),
        validation=None,
        test=scores.short(),
    )
    write_atomically(run.summary, json.dumps(asdict(summary), indent=1) + "\n")
