"""Every row of the reproduction table can be run, and says what was published."""

import json
from dataclasses import replace

import pytest

from residua.errors import UnknownNameError
from residua.networks.catalog import FACTS, get_spec
from residua.recipes.presets import d2l, he2015_cifar
from residua.recipes.recipe import Recipe
from residua.recipes.row_table import ROWS
from residua.recipes.rows import Row, Short, find_rows

BY_NAME = {row.name: row for row in ROWS}


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize("short", [False, True], ids=["whole", "short"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_recipes_are_sound_and_come_back_from_json(row: Row, short: bool) -> None:
    recipe = row.seeded(3, short=short)
    recipe.check()
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json())), where="test") == recipe
    assert recipe.training.seed == recipe.data.label_seed == 3
    assert recipe.data.path == row.data
    assert get_spec(recipe.network.network).name == row.network
    assert recipe.training.keep == "last"  # nothing is chosen by looking at test


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_short_versions_are_shorter_and_say_how(row: Row) -> None:
    assert 0 < row.passes(short=True) < row.passes(short=False)
    assert row.short.text
    assert row.variant(short=True).changes(row.recipe)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_published_figures_are_shares_with_a_source(row: Row) -> None:
    assert all(0 < figure <= 1 for figure in row.published)
    assert list(row.published) == sorted(row.published)
    assert row.source or not row.published


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("fashion-wrn_40_4", 0.967),
        ("fashion-wrn_28_10-erasing", 0.963),
        ("cifar10-resnet20", 0.9125),
        ("cifar10-fixmatch-250", 0.9503),
        ("cifar10-simclr-knn", 0.847),
        ("ucr-osuleaf-resnet1d_wang", 0.980),
    ],
)
def test_figures(name: str, figure: float) -> None:
    assert BY_NAME[name].published == (figure,)


def test_figures_of_networks_agree_with_the_catalog() -> None:
    """Both were typed from the papers."""
    rows = [row for row in ROWS if row.name == f"cifar10-{row.network}" and row.published]
    assert len(rows) >= 7
    for row in rows:
        assert FACTS[row.network].top1 == pytest.approx(100 * row.published[0])


def test_passes() -> None:
    """Counted by hand: 182 epochs of 50,000; 200 of two views; updates of 64 and twice 448."""
    assert BY_NAME["cifar10-resnet20"].passes(short=False) == 182 * 50_000
    assert BY_NAME["cifar10-simclr-knn"].passes(short=False) == 200 * 50_000 * 2
    assert BY_NAME["cifar10-fixmatch-250"].passes(short=False) == 2**20 * (64 + 2 * 448)
    assert BY_NAME["fashion-resnet18"].passes(short=True) == 2 * 10 * 1000


def test_updates() -> None:
    assert BY_NAME["cifar10-resnet20"].updates(short=False) == 182 * 391
    assert BY_NAME["cifar10-fixmatch-250"].updates(short=False) == 2**20
    assert BY_NAME["fashion-resnet18"].updates(short=True) == 2 * 79


def test_rows_follow_their_recipes() -> None:
    assert BY_NAME["cifar10-resnet20"].recipe.changes(he2015_cifar()).keys() == {"data.path"}
    names = {"data.path", "data.validation_fraction", "network.network"}
    assert BY_NAME["d2l-vgg11"].recipe.changes(d2l()).keys() == names
    wide = BY_NAME["fashion-wrn_28_10"].recipe
    erasing = BY_NAME["fashion-wrn_28_10-erasing"].recipe
    assert wide.changes(erasing) == {"augment.erasing": (0.0, 0.5)}


def test_short_keeps_what_it_does_not_name() -> None:
    recipe = BY_NAME["fashion-fixmatch-100"].recipe
    assert Short().applied(recipe) == recipe
    epochs = Short(epochs=2).applied(recipe).training
    assert (epochs.epochs, epochs.updates) == (2, None)
    assert Short(updates=5).applied(recipe).training == replace(recipe.training, updates=5)


def test_patterns_and_unknown_rows() -> None:
    assert [row.name for row in find_rows("cifar10-plain*", ROWS)] == [
        "cifar10-plain20",
        "cifar10-plain56",
    ]
    with pytest.raises(UnknownNameError, match="cifar10-resnet20"):
        find_rows("cifar-resnet20", ROWS)
