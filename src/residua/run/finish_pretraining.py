"""The end of a pre-training: its features are measured on validation, and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from residua import checkpoint as checkpoints
from residua.batch import Split
from residua.evaluation.scoring import score
from residua.run.finish import write_summary
from residua.run.folder import RunFolder
from residua.run.probe import probe_scores
from residua.run.reporting import write_run_report
from residua.run.session import Session
from residua.run.start import usable_checkpoint
from residua.run.store import save_evaluation
from residua.run.terminal import Terminal
from residua.run.validation import Probing
from residua.training.loop import Trainer


def finish_pretraining(
    session: Session, trainer: Trainer, run: RunFolder, terminal: Terminal, *, report: bool
) -> None:
    """Saves the network without a classifier, and says how well its features tell classes apart
    where there are labels to ask. The test split is not read."""
    session.ranks.barrier()  # the main rank has saved them
    chosen = usable_checkpoint(run, keep=session.recipe.training.keep, warn=terminal.warn)
    probing = Probing.of(session)
    answers = None if probing is None else probing.answers(session.on_device(chosen.network()))
    if session.ranks.is_main:
        scores: dict[str, dict[str, Any]] = {}
        if answers is not None:
            found = score(answers.knn, session.schema, Split.VALIDATION.value)
            save_evaluation(run.evaluations, found, answers.knn)
            said = probe_scores(answers)
            scores = {"validation": said.to_json() | said.also}
            linear = f"linear probe {said.also['linear_accuracy']:.1%}"
            terminal.say(f"validation {said.text}, {linear}, n={said.n:,}")
        checkpoints.save(replace(chosen, scores=scores), run.final)
        write_summary(session, trainer, chosen, run, scores)
        data = session.recipe.data.path if session.schema.classes else "LABELLED-DATA"
        terminal.say(f"next     residua train {data} --start {run.root}")
        if report:
            terminal.say(f"report   {write_run_report(run, terminal)}")
    session.ranks.barrier()
