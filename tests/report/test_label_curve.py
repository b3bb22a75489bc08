"""The plot of accuracy against labels."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from residua.report.label_curve import Curve, CurvePoint, label_curve, write_label_curve
from residua.report.plots import DARK, LIGHT

CURVES = (
    Curve(
        name="scratch",
        points=(
            CurvePoint(labels=1, mean=0.3, low=-0.1, high=0.7),
            CurvePoint(labels=10, mean=0.6, low=0.5, high=0.7),
            CurvePoint(labels=100, mean=0.8, low=0.75, high=0.85),
        ),
    ),
    Curve(name="semi", points=(CurvePoint(labels=10, mean=0.7, low=0.6, high=0.8),)),
    Curve(name="ssl", points=(CurvePoint(labels=1, mean=0.2), CurvePoint(labels=10, mean=0.4))),
    Curve(name="full", points=(CurvePoint(labels=None, mean=0.9, low=0.88, high=0.92),)),
    Curve(name="nothing", points=()),
)


def axes(curves: tuple[Curve, ...] = CURVES, note: str = "") -> Axes:
    return label_curve(LIGHT, curves, data="digits", note=note).axes[0]


def test_means_and_intervals_lie_where_they_were_measured() -> None:
    ax = axes()
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["scratch"].get_xdata(), [1, 10, 100])
    np.testing.assert_allclose(lines["scratch"].get_ydata(), [30, 60, 80])
    np.testing.assert_allclose(lines["full (all labels)"].get_ydata(), 90)
    (band,) = ax.collections
    corners = {(round(x), round(y)) for x, y in band.get_paths()[0].vertices}
    assert {(1, 0), (1, 70), (10, 50), (10, 70), (100, 75), (100, 85)} <= corners  # -10 % is none
    bar = next(line for line in ax.lines if list(line.get_ydata()) == [60, 80])
    assert list(bar.get_xdata()) == [10, 10]


def test_the_axis_names_the_numbers_of_labels() -> None:
    ax = axes()
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "10", "100"]
    assert ax.get_title() == "digits: accuracy against labels"


def test_curves_are_told_apart_without_colour() -> None:
    lines = [line for line in axes().lines if not str(line.get_label()).startswith("_")]
    looks = [(line.get_marker(), str(line._unscaled_dash_pattern)) for line in lines]
    assert len(looks) == 4
    assert all(one != two for one, two in pairwise(looks))
    assert len(set(looks)) == 4


def test_what_is_missing_stands_in_the_picture() -> None:
    note = "not complete: 3 cells are missing"
    assert note in [text.get_text() for text in axes(note=note).texts]
    assert "not measured" in [text.get_text() for text in axes(curves=()).texts]


def test_files_for_light_and_dark(tmp_path: Path) -> None:
    write_label_curve(tmp_path, CURVES, data="$5 digits")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"curve.png", "curve.svg", "curve-dark.png", "curve-dark.svg"}
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert first["curve.png"].startswith(b"\x89PNG")
    assert LIGHT.background in first["curve.svg"].decode()
    assert DARK.background in first["curve-dark.svg"].decode()
    write_label_curve(tmp_path, CURVES, data="$5 digits")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_six_arms_have_six_colours(theme) -> None:
    curves = tuple(
        Curve(name=f"arm {number}", points=(CurvePoint(labels=1, mean=0.1 * number),))
        for number in range(6)
    )
    lines = label_curve(theme, curves, data="digits").axes[0].lines
    assert len({line.get_color() for line in lines}) == 6
