import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.report.markup import Html, element, name, number, percent, plural, table


@given(st.text(), st.text())
def test_text_and_attributes_survive_escaping(value, inner):
    whole = element("p", {"title": value}, inner)
    match = re.fullmatch(r'<p title="([^"]*)">([^<]*)</p>', whole, flags=re.S)
    assert match
    assert (html.unescape(match[1]), html.unescape(match[2])) == (value, inner)


def test_markup_is_not_escaped_twice():
    assert element("p", None, Html("<b>x</b>")) == "<p><b>x</b></p>"


@given(st.text())
def test_a_name_differs_from_its_text_by_break_points_only(words):
    assert html.unescape(name(words).replace("<wbr>", "")) == words


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.9314, "93.1 %"),
        (1.0, "100.0 %"),
        (0.9997, "99.97 %"),
        (0.00001, "0.001 %"),
        (0, "0.0 %"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_percent(share, expected):
    assert percent(share) == expected


@given(st.integers(1, 10**5), st.integers(1, 10**5))
def test_one_mistake_never_reads_as_none(wrong, right):
    assert float(percent(right / (right + wrong), "")) != 100


def test_numbers_and_nouns():
    assert number(1234.5678, 2) == "1,234.57"
    assert number(float("inf")) == "–"
    assert plural(1, "pictures") == "1 picture"
    assert plural(2000, "pictures") == "2,000 pictures"


def test_a_table_names_its_rows_and_aligns_numbers():
    made = table(["Class", "n"], [("<a>", "1")], caption="c")
    assert '<th scope="row">&lt;a&gt;</th><td class="n">1</td>' in made
    assert '<th scope="col">Class</th><th scope="col" class="n">n</th>' in made
