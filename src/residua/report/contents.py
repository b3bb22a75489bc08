"""What a report says: plain values, gathered by the run and turned into a page by `html`.

Nothing here needs torch or matplotlib. A number that is not known is None or NaN; the page then
shows a dash.

Legend: k classes, h height, w width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from residua.data.dataset import Problem
    from residua.evaluation.features import Filters, StageMaps
    from residua.evaluation.results import Evaluation

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
        train_accuracy: Share of 1; None where it has no meaning, as under Mixup.
        validation_loss, validation_accuracy: After the epoch; None without validation.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A sample to look at.

    Attributes:
        values: uint8 ``[h, w]`` or ``[h, w, 3]``.
        key: Where it comes from, see `residua.batch.Sample.key`.
        true: Name of its class; empty where unknown.
        predicted: Name of the most likely class; None for a sample that was not predicted.
        probability: Probability of ``predicted``.
        top: The most likely classes and their probabilities, most likely first; the page
            draws the first three.
    """

    values: npt.NDArray[np.uint8]
    key: str
    true: str = ""
    predicted: str | None = None
    probability: float | None = None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What a network computes inside for one sample.

    Attributes:
        picture: The sample and what the network answered.
        stages: Maps of its stages, from stem to last.
    """

    picture: Picture
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
    validation: Evaluation | None = None
    test: Evaluation | None = None
    mistakes: Sequence[Picture] = ()
    correct: Sequence[Picture] = ()
    augmented: Sequence[Picture] = ()
    filters: Filters | None = None
    responses: Sequence[Response] = ()
    splits: Sequence[SplitCounts] = ()
    problems: Sequence[Problem] = ()

    @property
    def headline(self) -> Evaluation | None:
        """The evaluation that the page leads with: test, else validation."""
        return self.test or self.validation
