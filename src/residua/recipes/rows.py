"""The rows of the reproduction table: published results, and the runs that should give them.

Free of torch. Rates are shares of 1. Where a published recipe is not known in full, the row's note
says what is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from math import ceil
from typing import Literal

from residua.errors import UnknownNameError
from residua.recipes.recipe import Recipe

Metric = Literal["test", "validation"]
"""Of which split the headline score is taken: pre-training never reads the test split, and tells
its kNN accuracy on validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """What makes a row short enough for a few minutes of a processor; None keeps what the row has.

    Attributes:
        limit: Training samples of each class.
        size: Height and width of pictures.
    """

    epochs: int | None = None
    updates: int | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None

    def applied(self, recipe: Recipe) -> Recipe:
        """``recipe`` with these changes."""
        data, training = recipe.data, recipe.training
        if self.epochs is not None:
            training = replace(training, epochs=self.epochs, updates=None)
        if self.updates is not None:
            training = replace(training, updates=self.updates)
        return replace(
            recipe,
            data=replace(data, limit=self.limit or data.limit, size=self.size or data.size),
            training=training,
        )

    @property
    def text(self) -> str:
        """``2 epochs, 1,000 a class``"""
        size = self.size and "x".join(map(str, self.size))
        parts = (
            (self.epochs, f"{self.epochs} epochs"),
            (self.updates, f"{self.updates or 0:,} updates"),
            (self.limit, f"{self.limit or 0:,} a class"),
            (self.size, f"{size} pixels"),
        )
        return ", ".join(said for value, said in parts if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published result.

    Attributes:
        name: Of files and folders.
        recipe: Data and network are named in it; its seed does not count.
        samples: Training samples of the data set.
        input: Channels, then height and width, or steps.
        short: The short variant.
        published: The figure, or the range of it; empty where there is none, and rows are
            compared with each other.
        metric: The split that is scored.
        source: Who published it.
        note: How the run differs from the published one.
    """

    name: str
    recipe: Recipe
    samples: int
    input: tuple[int, ...]
    short: Short
    published: tuple[float, ...] = ()
    metric: Metric = "test"
    source: str = ""
    note: str = ""

    @property
    def network(self) -> str:
        return self.recipe.network.network

    @property
    def data(self) -> str:
        """Its known name, or that of its folder."""
        return self.recipe.data.path

    def variant(self, *, short: bool) -> Recipe:
        """The recipe of the whole row or of the short one."""
        return self.short.applied(self.recipe) if short else self.recipe

    def seeded(self, seed: int, *, short: bool) -> Recipe:
        """The recipe of one run. The seed also chooses which samples keep their labels."""
        recipe = self.variant(short=short)
        return replace(
            recipe,
            data=replace(recipe.data, label_seed=seed),
            training=replace(recipe.training, seed=seed),
        )

    def updates(self, *, short: bool) -> int:
        """Updates of a run, in about."""
        training = self.variant(short=short).training
        per_epoch = ceil(self._samples(short=short) / training.batch_size)
        return training.updates or training.epochs * per_epoch

    def passes(self, *, short: bool) -> int:
        """Samples that pass through the network forward and backward, in about."""
        recipe = self.variant(short=short)
        training = recipe.training
        views = 2 if recipe.pretrain.active else 1
        if recipe.semi.active:  # weak and strong views of what has no labels
            views = 1 + 2 * recipe.semi.unlabelled_ratio
        if training.updates is not None:
            return training.updates * training.batch_size * views
        return training.epochs * self._samples(short=short) * views

    def _samples(self, *, short: bool) -> int:
        """Of an epoch; the rows that are limited to so many a class have ten classes."""
        data = self.variant(short=short).data
        limits = [10 * each for each in (data.limit, data.labels_per_class) if each is not None]
        return min((self.samples, *limits))


def find_rows(pattern: str, rows: Sequence[Row]) -> list[Row]:
    """The row of that name, or those that match a pattern such as ``fashion-*``.

    Raises:
        UnknownNameError: There is none.
    """
    found = [row for row in rows if fnmatchcase(row.name, pattern)]
    if not found:
        raise UnknownNameError("row", pattern, [row.name for row in rows])
    return found
