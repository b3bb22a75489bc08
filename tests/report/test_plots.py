import io
import math
import warnings
from functools import partial

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from residua.report import plots
from residua.report.contents import EpochRecord


def drawn(draw, theme=plots.LIGHT):
    return np.asarray(Image.open(io.BytesIO(plots.render(draw, theme))).convert("RGB"))


@pytest.mark.parametrize("theme", [plots.LIGHT, plots.DARK])
def test_every_plot_has_the_background_of_its_theme(theme, make_contents):
    contents = make_contents(10)
    for draw in (
        partial(plots.curves, history=contents.history, selected_epoch=3),
        partial(plots.curves, history=contents.history, stacked=True),
        partial(plots.confusion_matrix, evaluation=contents.test, classes=contents.classes),
        partial(plots.reliability, evaluation=contents.test),
    ):
        assert "#" + bytes(drawn(draw, theme)[0, 0]).hex() == theme.background


def test_the_settings_of_the_user_are_neither_used_nor_changed(make_contents):
    draw = partial(plots.curves, history=make_contents(2).history)
    before = plots.render(draw, plots.LIGHT)
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30}):
        settings = dict(mpl.rcParams)
        assert plots.render(draw, plots.LIGHT) == before
        assert dict(mpl.rcParams) == settings


def test_size_from_the_header(make_contents):
    png = plots.render(partial(plots.curves, history=make_contents(2).history), plots.LIGHT)
    assert plots.inches(png) == pytest.approx((10.2, 4.4), abs=0.01)


@pytest.mark.parametrize("epochs", [0, 1, 2, 400])
def test_curves_of_any_length_without_warnings(epochs):
    values = [0.5, math.nan, None, math.inf]
    history = [
        EpochRecord(epoch=i + 1, step=i, train_loss=values[i % 4], validation_accuracy=values[-1])
        for i in range(epochs)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(partial(plots.curves, history=history, selected_epoch=1))


def test_ticks_of_one_epoch_are_whole(make_contents):
    figure = plots.curves(plots.LIGHT, make_contents(2, epochs=1).history)
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_names_that_the_font_lacks_are_replaced_and_formulas_are_not_set(make_contents):
    names = ("雪人", "$x^", "\udcff", "plain", "", "a\nb")
    evaluation = make_contents(6).test
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.confusion_matrix(plots.LIGHT, evaluation, names)
        figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["class 0", "$x^", "class 2", "plain", "class 4", "class 5"]


@pytest.mark.parametrize("k", [2, 20, 21, 60, 61, 400])
def test_confusion_of_any_number_of_classes(k, make_contents):
    contents = make_contents(k)
    figure = plots.confusion_matrix(plots.LIGHT, contents.test, contents.classes)
    written = [text.get_text() for text in figure.axes[0].texts]
    counts = np.array(contents.test.confusion)
    assert written == ([f"{n:,}" for n in counts.ravel() if n] if k <= 20 else [])
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert (labels == list(contents.classes)) == (k <= 60)


def test_strength_is_the_root_of_the_share_of_the_row():
    strength = plots.cell_strength(np.array([[9, 16], [0, 0]]))
    assert strength == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_diagonal_and_mistakes_differ_in_colour(make_contents):
    contents = make_contents(2)
    figure = plots.confusion_matrix(plots.LIGHT, contents.test, contents.classes)
    pixels = figure.axes[0].images[0].get_array()
    right, wrong = pixels[0, 0], pixels[0, 1]
    assert right[2] > right[0]
    assert wrong[0] > wrong[2]
