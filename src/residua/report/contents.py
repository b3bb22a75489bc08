"""What a report says: plain values, gathered by the run and turned into a page by `html`.

Nothing here needs torch or matplotlib. A number that is not known is None or NaN; the page then
shows a dash.

Legend: k classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from residua.training.score_kinds import ScoreKind, shown_together

if TYPE_CHECKING:
    from residua.data.dataset import Problem
    from residua.evaluation.features import Filters, StageMaps
    from residua.evaluation.scores import Scores
    from residua.report.samples import Shown

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""What `json.loads` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of a table of facts: ``Parameters``, ``11,227,812``."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """What one epoch measured.

    Attributes:
        epoch: Epochs finished, so the first record says 1.
        step: Updates made so far.
        lr: Learning rate of the last update.
        train_loss: Mean over the epoch, under augmentation and as it was optimized.
        train_accuracy: Score of training, of classes a share of 1; None where it has no meaning,
            as under Mixup.
        validation_loss, validation_accuracy: After the epoch; None without validation.
        train_score, validation_score: What the two are, of
            `residua.training.score_kinds.SCORE_KINDS`.
        seconds: Time the epoch took.
    """

    epoch: int
    step: int
    lr: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float | None = None
    train_score: str = "accuracy"
    validation_score: str = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What a network computes inside for one sample.

    Attributes:
        sample: The sample and what the network answered.
        stages: Maps of its stages, from stem to last.
    """

    sample: Shown
    stages: Sequence[StageMaps]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCounts:
    """How many samples of each class a split has.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        origin: Where the split comes from: ``official``, ``drawn`` ...
        counts: ``k`` numbers in the order of the classes.
    """

    split: str
    origin: str
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContents:
    """A whole report. Needs ``title``, ``data`` and ``classes``; what else is empty is left out.

    Attributes:
        title: Heading of the page, such as ``resnet18 on birds``.
        data: Name of the data set, for the headline.
        classes: ``k`` class names.
        noun: What the samples are called, in the plural.
        date: When the run ended, as it is to be shown.
        command: Command line that repeats the run.
        selection: One sentence: how the weights were chosen. Say here when the test split was read.
        selected_epoch: The epoch whose weights were kept; marked in the curves.
        facts: Network, task, seed, epochs, duration ...
        environment: Hardware, precision, versions.
        recipe: The recipe as it is stored.
        history: One record an epoch.
        validation, test: Scores of the two splits, of the weights that were kept.
        mistakes: Wrong answers, the most confident first.
        correct: Right answers.
        answered: Answers of tasks in which none is simply right or wrong.
        augmented: Training samples as the network saw them.
        filters: Of the first convolution.
        responses: How the stages respond to a few samples.
        splits: Counts for each class.
        problems: Samples that were left out, and why.
    """

    title: str
    data: str
    classes: tuple[str, ...]
    noun: str = "pictures"
    date: str = ""
    command: str = ""
    selection: str = ""
    selected_epoch: int | None = None
    facts: Sequence[Fact] = ()
    environment: Sequence[Fact] = ()
    recipe: Mapping[str, Json] | None = None
    history: Sequence[EpochRecord] = ()
    validation: Scores | None = None
    test: Scores | None = None
    mistakes: Sequence[Shown] = ()
    correct: Sequence[Shown] = ()
    answered: Sequence[Shown] = ()
    augmented: Sequence[Shown] = ()
    filters: Filters | None = None
    responses: Sequence[Response] = ()
    splits: Sequence[SplitCounts] = ()
    problems: Sequence[Problem] = ()

    @property
    def headline(self) -> Scores | None:
        """The evaluation that the page leads with: test, else validation."""
        return self.test or self.validation

    @property
    def score(self) -> ScoreKind:
        """How the scores of the epochs are shown."""
        return score_of(self.history)


def score_of(history: Sequence[EpochRecord]) -> ScoreKind:
    """How the scores of training and validation are shown in one chart."""
    names = {record.train_score for record in history}
    validated = (record for record in history if record.validation_accuracy is not None)
    return shown_together(names | {record.validation_score for record in validated})
