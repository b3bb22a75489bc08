"""Signals and spectrograms as drawings: no peak lost, gaps kept, times right."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.report.samples import Clip, Signal
from residua.report.series import (
    CHANNELS,
    WIDTH,
    Box,
    clip_drawing,
    envelope,
    filter_drawing,
    line,
    nice_ticks,
    signal_element,
    time_axis,
)


def points(markup):
    """Pieces of each path, as absolute points."""
    found = []
    for path in ElementTree.fromstring(f"<g>{markup}</g>").iter("path"):
        if "class" in path.attrib:
            continue
        for piece in path.attrib["d"].split("M")[1:]:
            start, moves = piece.split("l")
            steps = np.array(moves.split(), dtype=int).reshape(-1, 2)
            found.append(np.array(start.split(), dtype=int) + steps.cumsum(axis=0))
    return found


def words(markup):
    return re.findall(r"<text[^>]*>([^<]*)</text>", markup)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_envelope_keeps_the_extremes_of_every_column(steps, columns, seed):
    values = np.random.default_rng(seed).normal(size=steps).astype(np.float32)
    at, shown = envelope(values, columns)
    positions = at.astype(int)
    assert (np.diff(positions) > 0).all()
    assert (values[positions] == shown).all()
    assert len(shown) <= 2 * max(columns, 1)
    for start, stop in zip(
        *(np.linspace(0, steps, columns + 1).astype(int)[i:][:columns] for i in (0, 1)), strict=True
    ):
        if stop > start:
            inside = shown[(positions >= start) & (positions < stop)]
            assert (inside.min(), inside.max()) == (
                values[start:stop].min(),
                values[start:stop].max(),
            )


def test_a_line_goes_from_edge_to_edge_and_up_for_larger_values():
    (found,) = points(line(np.float32([0, 1, 4]), Box(10, 20, 60, 100)))
    assert found[:, 0].tolist() == [20, 40, 60]
    assert found[:, 1].tolist() == [114, 92, 26]


def test_gaps_stay_gaps():
    values = np.float32([1, np.nan, 2, 3, np.nan, np.nan, 1])
    assert [len(piece) for piece in points(line(values, Box(0, 0, 70, 50)))] == [1, 2, 1]
    assert words(line(np.full(5, np.nan, dtype=np.float32), Box(0, 0, 70, 50))) == ["no values"]


def test_long_gaps_stay_gaps_in_the_envelope():
    values = np.sin(np.arange(9000)).astype(np.float32)
    values[3000:6000] = np.nan
    before, after = points(line(values, Box(0, 0, 600, 50)))
    assert before[-1, 0] == pytest.approx(200, abs=3)
    assert after[0, 0] == pytest.approx(400, abs=3)


def test_what_is_constant_lies_in_the_middle():
    (found,) = points(line(np.full(7, 3.0, dtype=np.float32), Box(0, 0, 70, 50)))
    assert set(found[:, 1]) == {25}


@given(st.floats(1e-4, 1e7))
def test_ticks_are_few_round_numbers_within_the_axis(end):
    ticks = nice_ticks(end)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] <= end * (1 + 1e-6)
    step = f"{ticks[1]:.0e}"
    assert step[0] in "125"


@pytest.mark.parametrize(
    ("steps", "rate", "last"),
    [(150, None, "150 steps"), (36, 360, "100 ms"), (720, 360, "2 s"), (86_400 * 8, 8, "20 h")],
)
def test_time_is_in_a_unit_that_people_read(steps, rate, last):
    assert last in words(time_axis(Box(0, 0, WIDTH, 100), steps, rate))


def test_labels_of_time_do_not_overlap():
    for steps in range(1, 300):
        drawn = ElementTree.fromstring(
            f"<g>{time_axis(Box(92, 0, WIDTH - 92, 100), steps, 7.0)}</g>"
        )
        spans = []
        for each in drawn.iter("text"):
            half = 6 * len(each.text)
            spans.append((int(each.attrib["x"]) - half, int(each.attrib["x"]) + half))
        spans.sort()
        assert all(a[1] <= b[0] + 1 for a, b in pairwise(spans))
        assert spans[-1][1] <= WIDTH + 1


def test_channels_have_names_units_and_ranges():
    values = np.stack([np.linspace(-1, 2, 50), np.linspace(5, 6, 50)]).astype(np.float32)
    drawn = signal_element(
        Signal(values=values, rate=50.0, names=("lead <II>", "resp"), units=("mV", "l")), "sample"
    )
    for expected in (
        "lead &lt;I…",
        "resp",
        "mV",
        "lead &lt;II&gt; −1 to 2 mV",
        'aria-label="sample"',
    ):
        assert expected in drawn
    single = signal_element(Signal(values=values[:1], units=("mV",)), "sample")
    assert "−1 to 2 mV" in words(single)


def test_of_many_channels_the_first_are_drawn_and_the_page_says_so():
    values = np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    drawn = signal_element(Signal(values=values), "sample")
    assert len(points(drawn.partition("<div")[0])) == CHANNELS
    assert "The first 12 of 30 channels" in drawn


def test_a_long_signal_is_small():
    values = np.random.default_rng(0).normal(size=(12, 650_000)).astype(np.float32)
    assert len(signal_element(Signal(values=values, rate=360.0), "sample")) < 120_000


def test_a_clip_has_waveform_and_spectrogram_on_one_axis():
    rng = np.random.default_rng(0)
    bands, wave = rng.normal(size=(16, 50)), rng.normal(size=4000)
    clip = Clip(
        bands=bands.astype(np.float32),
        seconds=0.5,
        wave=wave.astype(np.float32),
        heat=rng.random((16, 50)).astype(np.float32),
    )
    drawn = clip_drawing(clip, "sample")
    assert len(points(drawn)) == 1
    assert drawn.count("<image ") == 2  # the heat behind the waveform, the spectrogram
    assert "0.5 s" in words(drawn)
    assert clip_drawing(Clip(bands=clip.bands, seconds=0.5), "sample").count("<image ") == 1


def test_filters_are_lines_around_zero():
    found = points(filter_drawing(np.float32([[1, -1, 0], [0.5, 0, 0]]), "filter 3"))
    assert [piece[:, 1].tolist() for piece in found] == [[8, 92, 50], [29, 50, 50]]
