"""A recipe with each ingredient left out: what that changes, run by run with the same seed.

All is read from the validation split, because an ablation is for choosing; the scores of the test
split, which every run writes down, are neither read nor shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from residua.batch import Modality, Split
from residua.data.open import open_dataset
from residua.errors import FormatError, UsageError
from residua.evaluation.paired import paired_interval
from residua.evaluation.results import Headline
from residua.files import write_atomically
from residua.recipes.ingredients import Ingredient, ingredients_of
from residua.recipes.recipe import Recipe
from residua.run.asked import asked
from residua.run.deadline import Deadline
from residua.run.folder import RunFolder
from residua.run.store import load_scores, load_summary
from residua.run.terminal import Terminal

WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The whole recipe, or the recipe without one ingredient.

    Attributes:
        name: ``whole``, or the ingredient that is left out.
        scores: One a seed.
        minutes: Of the training steps of a run, on average.
        differences: This score minus that of the whole recipe, one a seed; empty for the whole.
        interval: 95 % t-interval of the mean difference; None for the whole, and infinite of one
            seed.
    """

    name: str
    scores: tuple[float, ...]
    minutes: float
    differences: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None

    @property
    def mean(self) -> float:
        return fmean(self.scores)

    @property
    def difference(self) -> float:
        """The mean difference; 0 for the whole recipe."""
        return fmean(self.differences) if self.differences else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What came out.

    Attributes:
        score: Name of the headline score on validation.
        percent: Whether it is a share that people read in percent.
        higher_is_better: Else lower is.
        seeds: In the order of the arms' scores.
        arms: The whole recipe first.
    """

    score: str
    percent: bool
    higher_is_better: bool
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes; ends of intervals that are infinite become null."""
        arms = [
            asdict(arm)
            | {"mean": arm.mean, "difference": arm.difference, "interval": _finite(arm.interval)}
            for arm in self.arms
        ]
        return asdict(self) | {"split": Split.VALIDATION.value, "arms": arms}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The score and cost of one run."""

    headline: Headline
    minutes: float


def ablate(
    recipe: Recipe,
    *,
    ingredients: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    terminal: Terminal,
    deadline: Deadline | None = None,
) -> Ablation:
    """Trains ``recipe`` whole and without each ingredient, all with each seed.

    Runs are made below ``out`` as ``whole/seed-0`` and ``without-mixup/seed-0``; what is complete
    there is not trained again, what was interrupted goes on. The result is written to
    ``ablation.json``.

    Args:
        recipe: The whole recipe, with its data.
        ingredients: Names of `residua.recipes.ingredients.INGREDIENTS`; empty takes all that the
            recipe uses.
        seeds: At least one; the same for every arm.

    Raises:
        UsageError: An ingredient that is not there, no validation split, a folder with runs of
            another recipe.
        InterruptedRunError: Time is up, or a signal came. The same call goes on.
    """
    if not seeds:
        raise UsageError("no seeds", expected="at least one")
    modality = _checked(recipe)
    chosen = ingredients_of(recipe, modality, ingredients)
    found: dict[str, list[_Run]] = {WHOLE: []}
    for position, seed in enumerate(seeds):
        whole = _done(recipe, WHOLE, seed, out, terminal, deadline)
        found[WHOLE].append(whole[0])
        if position == 0:
            chosen = _really_used(chosen, whole[1], ingredients, terminal)
        for each in chosen:
            name = f"without-{each.name}"
            run, _ = _done(each.without(recipe), name, seed, out, terminal, deadline)
            found.setdefault(each.name, []).append(run)
    result = _summed(found, tuple(seeds))
    if terminal.is_main:
        text = json.dumps(result.to_json(), indent=1) + "\n"
        write_atomically(out / "ablation.json", text)
    return result


def _checked(recipe: Recipe) -> Modality:
    """The data's modality; what would fail only after the first run is said before it."""
    recipe.check()
    dataset = open_dataset(recipe.data)
    if not len(dataset.rows(Split.VALIDATION)):
        raise UsageError(
            "an ablation is read from the validation split",
            received="none",
            where=dataset.name,
            fix="Draw one with --validation-fraction 0.1",
        )
    return dataset.schema.modality


def _done(
    recipe: Recipe,
    arm: str,
    seed: int,
    out: Path,
    terminal: Terminal,
    deadline: Deadline | None,
) -> tuple[_Run, Recipe]:
    """One run with its resolved recipe; only the score on validation is told."""
    if deadline is not None:
        deadline.check()
    recipe = replace(recipe, training=replace(recipe.training, seed=seed))
    run = asked(recipe, out / arm / f"seed-{seed}", Terminal(quiet=True))
    found = _validated(run)
    terminal.say(f"{arm}, seed {seed}: validation {found.headline.name} {_said(found.headline)}")
    return found, Recipe.load(run.recipe)


def _validated(run: RunFolder) -> _Run:
    scores = load_scores(run.evaluations, Split.VALIDATION.value)
    if scores is None or not math.isfinite(scores.headline.value):
        raise FormatError("the run has no score on its validation split", where=run.root)
    seconds = float(load_summary(run.summary)["seconds"])
    return _Run(headline=scores.headline, minutes=seconds / 60)


def _said(headline: Headline) -> str:
    return f"{headline.value:.2%}" if headline.percent else f"{headline.value:.4f}"


def _really_used(
    chosen: Sequence[Ingredient], resolved: Recipe, names: Sequence[str], terminal: Terminal
) -> list[Ingredient]:
    """Without those that "auto" has left out of the recipe already, such as flips of digits.

    Raises:
        UsageError: One of ``names`` is among them.
    """
    used: list[Ingredient] = []
    for each in chosen:
        if each.without(resolved) != resolved:
            used.append(each)
        elif each.name in names:
            raise UsageError(
                f"the recipe has no {each.name} to leave out on this data", received=each.name
            )
        else:
            terminal.say(f"{each.name}: the recipe has none on this data")
    return used


def _summed(found: dict[str, list[_Run]], seeds: tuple[int, ...]) -> Ablation:
    headline = found[WHOLE][0].headline
    whole = [run.headline.value for run in found[WHOLE]]
    return Ablation(
        score=headline.name,
        percent=headline.percent,
        higher_is_better=headline.higher_is_better,
        seeds=seeds,
        arms=tuple(_arm(name, runs, whole) for name, runs in found.items()),
    )


def _arm(name: str, runs: Sequence[_Run], whole: Sequence[float]) -> Arm:
    scores = tuple(run.headline.value for run in runs)
    minutes = fmean(run.minutes for run in runs)
    if name == WHOLE:
        return Arm(name=name, scores=scores, minutes=minutes)
    differences = tuple(mine - its for mine, its in zip(scores, whole, strict=True))
    _, low, high = paired_interval(differences)
    return Arm(
        name=name, scores=scores, minutes=minutes, differences=differences, interval=(low, high)
    )


def _finite(interval: tuple[float, float] | None) -> list[float | None] | None:
    if interval is None:
        return None
    return [end if math.isfinite(end) else None for end in interval]
