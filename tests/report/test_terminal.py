import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from residua.report.contents import EpochRecord
from residua.report.terminal import curve_chart

DOTS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)


def lines(history, width, height, encoding="utf-8", color=None):
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=buffer, width=width, color_system=color, force_terminal=bool(color))
    console.print(curve_chart(history, width, height))
    buffer.flush()
    return buffer.buffer.getvalue().decode(encoding).splitlines()


def records(losses):
    return [EpochRecord(epoch=i + 1, step=i, train_loss=loss) for i, loss in enumerate(losses)]


def dot_rows(chart, height):
    """For each dot column of the first plot, the rows that are set."""
    cells = [line.split("▏", 1)[1].split("▏")[0] for line in chart[1 : 1 + height]]
    columns: dict[int, list[int]] = {}
    for y, row in enumerate(cells):
        for x, sign in enumerate(row):
            bits = ord(sign) - 0x2800 if 0x2800 <= ord(sign) < 0x2900 else 0
            for i, dot in enumerate(DOTS):
                if bits & dot:
                    columns.setdefault(2 * x + i % 2, []).append(4 * y + i // 2)
    return columns


def test_a_straight_line_falls_from_corner_to_corner():
    height = 6
    columns = dot_rows(lines(records([3, 2, 1]), 40, height), height)
    middle = [sum(rows) / len(rows) for _, rows in sorted(columns.items())]
    assert middle == sorted(middle)
    assert (middle[0], middle[-1]) == (0, 4 * height - 1)
    assert sorted(columns) == list(range(2 * (40 - 7)))


def test_steep_curves_have_no_holes():
    height = 8
    columns = dot_rows(lines(records([1, 1, 9, 1, 1]), 40, height), height)
    rows = {row for each in columns.values() for row in each}
    assert rows == set(range(4 * height))


def test_last_values_and_bounds_are_written(make_contents):
    history = make_contents(2, epochs=12).history
    text = "\n".join(lines(history, 100, 6))
    assert f"train {history[-1].train_loss:.3f}" in text
    assert f"val {100 * history[-1].validation_accuracy:.1f}" in text
    assert f"{max(r.train_loss for r in history):.2f}▏" in text
    assert "12" in text.splitlines()[-1]


@pytest.mark.parametrize("width", [24, 50, 63, 64, 120])
def test_it_fits_the_width(width, make_contents):
    chart = lines(make_contents(2, epochs=40).history, width, 5)
    assert max(map(len, chart)) <= width
    assert len(chart) == (7 if width >= 64 else 14)


def test_without_unicode_it_is_plain_letters(make_contents):
    chart = lines(make_contents(2).history, 80, 5, encoding="ascii")
    assert any("v" in line for line in chart[1:6])
    assert any("t" in line for line in chart[1:6])


def test_the_two_curves_differ_in_colour(make_contents):
    text = "\n".join(lines(make_contents(2).history, 80, 5, color="standard"))
    assert "\x1b[34m" in text
    assert "\x1b[33m" in text


values = st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=6), st.integers(1, 130), st.integers(0, 9))
def test_nothing_breaks_it(pairs, width, height):
    history = [
        EpochRecord(epoch=i + 1, step=i, train_loss=loss, validation_accuracy=accuracy)
        for i, (loss, accuracy) in enumerate(pairs)
    ]
    chart = lines(history, width, height)
    assert max(map(len, chart), default=0) <= max(width, 1)


def test_nothing_measured():
    history = [EpochRecord(epoch=1, step=1, train_loss=math.nan)]
    assert "nothing measured yet" in "\n".join(lines(history, 60, 4))
