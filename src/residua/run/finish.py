"""The end of a run: weights chosen and calibrated, the test split read once, results written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from residua import checkpoint as checkpoints
from residua.batch import Split, Task
from residua.checkpoint import Checkpoint
from residua.evaluation.calibration import fit_temperature
from residua.evaluation.predict import describe_device
from residua.evaluation.scores import Scores
from residua.evaluation.scoring import score
from residua.files import write_atomically
from residua.run.folder import RunFolder
from residua.run.reporting import write_run_report
from residua.run.session import Session
from residua.run.start import usable_checkpoint
from residua.run.store import save_evaluation
from residua.run.terminal import Terminal
from residua.training.loop import Trainer
from residua.training.record import MetricsFile, peak_memory


@dataclass(frozen=True, kw_only=True)
class Summary:
    """summary.json: what a run was and what came out of it."""

    network: str
    data: str
    task: str
    seed: int
    epochs: int
    steps: int
    seconds: float
    samples_per_second: float
    peak_memory_bytes: int
    parameters: int
    device: str
    weights: str
    train: dict[str, Any] | None
    validation: dict[str, Any] | None
    test: dict[str, Any] | None


def finish(
    session: Session, trainer: Trainer, run: RunFolder, terminal: Terminal, *, report: bool
) -> None:
    """Chooses weights by validation, calibrates a classifier there, reads the test split once."""
    chosen = _chosen(session, run, trainer, terminal)
    network = session.on_device(chosen.network())
    temperature: float | None = None
    found: dict[Split, Scores] = {}
    for split in (Split.VALIDATION, Split.TEST):
        if not len(session.dataset.rows(split)):
            continue
        predictions = session.predict(network, session.loader(split))
        if split is Split.VALIDATION and session.schema.task is Task.CLASSIFICATION:
            temperature = fit_temperature(predictions.logits, predictions.labels)
        found[split] = score(predictions, session.schema, split.value, temperature=temperature)
        if session.ranks.is_main:
            save_evaluation(run.evaluations, found[split], predictions)
    if session.ranks.is_main:
        final = replace(
            chosen,
            temperature=temperature,
            scores={split.value: scores.short() for split, scores in found.items()},
        )
        checkpoints.save(final, run.final)
        scores = {split.value: each.short() for split, each in found.items()}
        write_summary(session, trainer, chosen, run, scores)
        terminal.results(found)
        if report:
            terminal.say(f"report   {write_run_report(run, terminal)}")
    session.ranks.barrier()


def _chosen(session: Session, run: RunFolder, trainer: Trainer, terminal: Terminal) -> Checkpoint:
    """The weights that stand for the run, the same on all ranks."""
    session.ranks.barrier()  # the main rank has saved them
    return usable_checkpoint(run, keep=session.recipe.training.keep, warn=terminal.warn)


def write_summary(
    session: Session,
    trainer: Trainer,
    chosen: Checkpoint,
    run: RunFolder,
    scores: dict[str, dict[str, Any]],
) -> None:
    """Writes summary.json; ``scores`` by split."""
    records = MetricsFile(run.metrics).read()
    recipe = session.recipe
    seconds = sum(record.seconds for record in records)
    seen = sum(record.train.n for record in records)
    summary = Summary(
        network=recipe.network.network,
        data=recipe.data.path,
        task=session.schema.task.value,
        seed=recipe.training.seed,
        epochs=len(records),
        steps=trainer.position.step,
        seconds=seconds,
        samples_per_second=seen / max(seconds, 1e-9),
        peak_memory_bytes=peak_memory(session.ranks.device),
        parameters=sum(p.numel() for p in trainer.method.network.parameters()),
        device=describe_device(session.ranks.device, session.arithmetic.dtype),
        weights=f"step {chosen.step}",
        train=records[-1].train.to_json() if records else None,
        validation=scores.get(Split.VALIDATION.value),
        test=scores.get(Split.TEST.value),
    )
    write_atomically(run.summary, json.dumps(asdict(summary), indent=1) + "\n")
