"""What validation says to the loop after each epoch: a loss, and one score, more is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from residua.batch import Split
from residua.data.dataset import Dataset
from residua.errors import NetworkError, NonFiniteError
from residua.evaluation.results import Evaluation
from residua.evaluation.scores import MultilabelScores, RegressionScores, SequenceScores
from residua.evaluation.scores import Scores as Evaluated
from residua.evaluation.scoring import score
from residua.networks.network import Network
from residua.run.probe import (
    MOST_IN_BANK,
    Answers,
    bank_rows,
    can_probe,
    probe_answers,
    probe_scores,
)
from residua.run.session import Session
from residua.training.meter import Scores

Validate = Callable[[Network], Scores | None]


def validator(session: Session) -> Validate:
    """What scores the network on the validation split; it gives None where there is none, or where
    nothing says what would be right."""
    if not len(session.dataset.rows(Split.VALIDATION)):
        return _unmeasured
    if session.recipe.pretrain.active:
        return Probing.of(session) or _unmeasured
    loader = session.loader(Split.VALIDATION)

    def validate(network: Network) -> Scores:
        predictions = session.predict(network, loader)
        return validation_scores(score(predictions, session.schema, "validation", quick=True))

    return validate


def _unmeasured(network: Network) -> None:
    del network


class Probing:
    """Pre-training is measured by a kNN and a linear probe, where some samples have labels to ask.

    Args:
        session: Of a pre-training.
        measured: Its data with the labels.
    """

    def __init__(self, session: Session, measured: Dataset) -> None:
        taught = {Split.TRAIN: bank_rows(measured, most=MOST_IN_BANK)}
        bank = replace(measured, assignment=taught)
        self._session, self._table = session, measured.table
        self._bank = session.loader(Split.TRAIN, dataset=bank, evaluation=True)
        self._queries = session.loader(Split.VALIDATION, dataset=measured)

    @staticmethod
    def of(session: Session) -> Probing | None:
        """None where there is nothing to ask."""
        measured = session.opened.measured
        return Probing(session, measured) if measured and can_probe(measured) else None

    def __call__(self, network: Network) -> Scores:
        return probe_scores(self.answers(network))

    def answers(self, network: Network) -> Answers:
        """The probes' for the validation split."""
        session = self._session
        try:
            return probe_answers(
                network,
                (item.batch for item in self._bank.evaluation(self._bank.batch_size)),
                (item.batch for item in self._queries.evaluation(self._queries.batch_size)),
                preprocess=session.preprocess,
                table=self._table,
                device=session.ranks.device,
                dtype=session.arithmetic.dtype,
                num_classes=session.schema.num_classes,
            )
        except NetworkError as error:
            raise NonFiniteError(
                "pre-training has diverged",
                received=str(error).split(". ")[0],
                fix="Lower --lr, or say --clip 1",
            ) from error


def validation_scores(found: Evaluated) -> Scores:
    """Loss and score by which epochs are compared."""
    match found:
        case Evaluation():
            name, score = "accuracy", found.accuracy
        case MultilabelScores():
            name, score = "auc", found.macro_auc
        case RegressionScores():
            name, score = "r2", found.r2
        case SequenceScores():
            name, score = "token_accuracy", 1 - found.token_error_rate
    return Scores(loss=found.loss, score=score, n=found.n, name=name)
