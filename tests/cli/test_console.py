"""Numbers for people."""

import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.cli import console


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (99_960, "100 k"),
        (999_999, "1.00 M"),
        (4_089_184_256, "4.09 G"),
    ],
)
def test_scaled(number: int, text: str) -> None:
    assert console.format_scaled(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (86_121_984, "82.1 MiB")],
)
def test_bytes(number: int, text: str) -> None:
    assert console.format_bytes(number) == text


@given(st.integers(1024, 10**15))
def test_bytes_are_right_to_three_digits(number: int) -> None:
    value, unit = console.format_bytes(number).split()
    exact = number / 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert float(value) == pytest.approx(exact, rel=0.0051)
    assert len(re.sub(r"\D", "", value)) in (3, 4)  # four only just below the next unit


def test_json_writes_dataclasses_and_paths(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    @dataclass
    class Row:
        name: str
        sizes: tuple[int, ...]

    console.print_json({"rows": [Row("ä", (1, 2))], "path": tmp_path})
    assert json.loads(capsys.readouterr().out) == {
        "rows": [{"name": "ä", "sizes": [1, 2]}],
        "path": str(tmp_path),
    }


def test_what_is_no_terminal_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console.stdout().print("a " * 300)
    assert len(capsys.readouterr().out.splitlines()) == 1
