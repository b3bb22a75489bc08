"""What validation says to the loop after each epoch: a loss, and one score, more is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from residua.batch import Split
from residua.errors import NetworkError, NonFiniteError
from residua.evaluation.results import Evaluation
from residua.evaluation.scores import MultilabelScores, RegressionScores, SequenceScores
from residua.evaluation.scores import Scores as Evaluated
from residua.evaluation.scoring import score
from residua.networks.network import Network
from residua.run.probe import MOST_IN_BANK, bank_rows, can_probe, knn_scores
from residua.run.session import Session
from residua.training.meter import Scores

Validate = Callable[[Network], Scores | None]


def validator(session: Session) -> Validate:
    """What scores the network on the validation split; it gives None where there is none, or where
    nothing says what would be right."""
    if not len(session.dataset.rows(Split.VALIDATION)):
        return lambda network: None
    if session.recipe.pretrain.active:
        return _probing(session)
    loader = session.loader(Split.VALIDATION)

    def validate(network: Network) -> Scores:
        predictions = session.predict(network, loader)
        return validation_scores(score(predictions, session.schema, "validation", quick=True))

    return validate


def _probing(session: Session) -> Validate:
    """Pre-training is measured by a kNN probe, where some samples have labels."""
    measured = session.opened.measured
    if measured is None or not can_probe(measured):
        return lambda network: None
    taught = {Split.TRAIN: bank_rows(measured, most=MOST_IN_BANK)}
    bank = session.loader(
        Split.TRAIN, dataset=replace(measured, assignment=taught), evaluation=True
    )
    queries = session.loader(Split.VALIDATION, dataset=measured)

    def validate(network: Network) -> Scores:
        try:
            return knn_scores(
                network,
                (item.batch for item in bank.evaluation(bank.batch_size)),
                (item.batch for item in queries.evaluation(queries.batch_size)),
                preprocess=session.preprocess,
                table=measured.table,
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

    return validate


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
