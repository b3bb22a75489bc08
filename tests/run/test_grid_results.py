"""The statistics of a grid against scipy's, from run folders without any training."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.run.label_fakes import fake_run

from residua.errors import FormatError
from residua.methods.config import PretrainConfig, SemiConfig
from residua.recipes.recipe import Recipe
from residua.run.folder import RunFolder
from residua.run.grid_results import (
    Cost,
    GridResults,
    Outcome,
    make_results,
    markdown,
    passes_of_sample,
    read_cost,
    read_outcome,
    write_results,
)
from residua.run.label_arms import Cell

shares = st.integers(0, 1000).map(lambda number: number / 1000)


def outcome(arm: str, labels: int | None, seed: int, accuracy: float) -> Outcome:
    return Outcome(
        cell=Cell(arm=arm, labels=labels, seed=seed),
        accuracy=accuracy,
        n=100,
        cost=Cost(updates=10 + seed, passes=100, seconds=30.0),
        pretraining=Cost(updates=5, passes=50, seconds=60.0) if arm == "ssl" else Cost(),
    )


def results(*outcomes: Outcome, cells: tuple[Cell, ...] | None = None) -> GridResults:
    found = {each.cell: each for each in outcomes}
    return make_results(tuple(found) if cells is None else cells, found, {})


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=8))
def test_intervals_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs, dtype=np.float64).T
    each = [outcome("scratch", 4, s, v) for s, v in enumerate(a)]
    each += [outcome("semi", 4, s, v) for s, v in enumerate(b)]
    scratch, semi = results(*each).rows
    mean = stats.ttest_1samp(b, 0.0).confidence_interval(0.95)
    paired = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert semi.mean == pytest.approx(b.mean(), abs=1e-12)
    assert semi.sd == pytest.approx(b.std(ddof=1), abs=1e-12)
    assert semi.difference == pytest.approx((b - a).mean(), abs=1e-12)
    for found, expected in (
        ((semi.low, semi.high), mean),
        ((semi.difference_low, semi.difference_high), paired),
    ):
        if np.isfinite(expected).all():  # scipy divides by a spread of zero
            assert found == pytest.approx(tuple(expected), abs=1e-9)
    assert (semi.pairs, scratch.pairs, scratch.difference) == (len(pairs), 0, None)


def test_pairs_share_labels_and_seed() -> None:
    found = results(
        outcome("scratch", 4, 0, 0.5),
        outcome("scratch", 4, 2, 0.1),
        outcome("scratch", 9, 1, 0.9),
        outcome("semi", 4, 0, 0.7),
        outcome("semi", 4, 1, 0.2),
        outcome("semi", 4, 2, 0.4),
        outcome("full", None, 0, 0.95),
    )
    rows = {(row.arm, row.labels): row for row in found.rows}
    semi = rows["semi", 4]
    assert (semi.seeds, semi.pairs) == (3, 2)
    assert semi.difference == pytest.approx(0.25)
    assert rows["full", None].difference is None


def test_one_seed_has_no_interval() -> None:
    found = results(outcome("scratch", 4, 0, 0.5), outcome("semi", 4, 0, 0.7))
    row = found.rows[1]
    assert (row.sd, row.low, row.high, row.difference_low) == (None,) * 4
    assert row.difference == pytest.approx(0.2)
    assert "no intervals" in found.caveat
    assert "no intervals" in markdown(found)
    assert not results(outcome("semi", 4, 0, 0.7), outcome("semi", 4, 1, 0.7)).caveat


def test_what_is_missing_is_said() -> None:
    cells = tuple(Cell(arm="scratch", labels=4, seed=seed) for seed in range(6))
    found = make_results(cells, {cells[0]: outcome("scratch", 4, 0, 0.5)}, {cells[1]: "no loss"})
    assert not found.complete
    assert found.rows[0].seeds == 1
    assert "5 of 6 cells are missing" in found.state
    assert "scratch, 4 labels a class, seed 1 (no loss)" in found.state
    assert "seed 2 (not run yet)" in found.state
    assert "1 of 6" in markdown(found)
    assert markdown(found).index("Not complete") < markdown(found).index("| arm")
    nothing = make_results(cells, {}, {})
    assert (nothing.rows[0].mean, nothing.rows[0].seeds) == (None, 0)


def test_costs_count_pretraining() -> None:
    (row,) = results(outcome("ssl", 4, 0, 0.5), outcome("ssl", 4, 1, 0.5)).rows
    assert (row.updates, row.pretraining_updates) == (10.5, 5)
    assert (row.passes, row.seconds) == (150, 90)


@pytest.mark.parametrize(
    ("recipe", "passes"),
    [
        (Recipe(), 1),
        (Recipe(semi=SemiConfig(semi="fixmatch", unlabelled_ratio=7)), 15),
        (Recipe(semi=SemiConfig(semi="adamatch", unlabelled_ratio=3)), 8),
        (Recipe(semi=SemiConfig(semi="mean-teacher", unlabelled_ratio=3)), 8),
        (Recipe(pretrain=PretrainConfig(pretrain="simclr")), 2),
        (Recipe(pretrain=PretrainConfig(pretrain="byol")), 4),
    ],
)
def test_passes_of_a_sample(recipe: Recipe, passes: int) -> None:
    assert passes_of_sample(recipe) == passes
    optimizer = replace(recipe.training.optimizer, sam=0.05)
    sharp = replace(recipe, training=replace(recipe.training, optimizer=optimizer))
    assert passes_of_sample(sharp) == 2 * passes


def test_an_outcome_is_read_from_its_run(tmp_path: Path) -> None:
    recipe = Recipe(pretrain=PretrainConfig(pretrain="simclr"))
    features = RunFolder(fake_run(tmp_path / "p", None, recipe=recipe, samples=(40, 50)))
    run = RunFolder(fake_run(tmp_path / "r", 0.75, samples=(30, 31, 32), seconds=2.5))
    cell = Cell(arm="ssl", labels=4, seed=0)
    found = read_outcome(cell, run, features)
    assert found.cost == Cost(updates=30, passes=93, seconds=7.5)
    assert found.pretraining == Cost(updates=20, passes=180, seconds=12.0)
    assert (found.accuracy, found.n) == (0.75, 200)
    assert read_outcome(cell, run, None).pretraining == Cost()
    assert read_cost(RunFolder(tmp_path / "none")) == Cost()


def test_a_run_without_scores_is_one_line(tmp_path: Path) -> None:
    run = RunFolder(fake_run(tmp_path / "r", None))
    with pytest.raises(FormatError, match=r"no accuracy on the test split.*summary\.json"):
        read_outcome(Cell(arm="scratch", labels=4, seed=0), run, None)


def test_files_say_the_same_and_are_the_same(tmp_path: Path) -> None:
    found = results(
        *(outcome("scratch", 4, seed, 0.5 + 0.01 * seed) for seed in range(3)),
        outcome("full", None, 0, 0.9),
    )
    write_results(tmp_path / "a", found)
    write_results(tmp_path / "b", found)
    for name in ("results.json", "table.csv", "table.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    content = json.loads((tmp_path / "a" / "results.json").read_text())
    assert (content["complete"], content["reference"], len(content["outcomes"])) == (
        True,
        "scratch",
        4,
    )
    with (tmp_path / "a" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in rows] == [row["mean"] for row in content["rows"]]
    assert (rows[1]["arm"], rows[1]["labels"], rows[1]["sd"]) == ("full", "", "")
    table = (tmp_path / "a" / "table.md").read_text()
    assert "| scratch | 4 | 3 | 51.0 (48.5 to 53.5) | 1.0 |" in table
