"""Cards of all kinds of samples, on a whole page."""

import dataclasses
import re

import numpy as np
import pytest

from residua.report.gallery import card, gallery
from residua.report.html import write_report
from residua.report.samples import Clip, Picture, Recording, Shown, Signal, Text

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def heat(*shape):
    return RNG.random(shape).astype(np.float32)


def content(kind):
    match kind:
        case "signal":
            return Signal(values=noise(6, 200), rate=100.0, heat=heat(200))
        case "clip":
            recording = Recording(values=0.1 * noise(1, 8000), rate=8000, seconds=1.0)
            return Clip(
                bands=noise(64, 101), seconds=1.0, wave=noise(8000), recording=recording,
                heat=heat(64, 101),
            )  # fmt: skip
        case "text":
            words = "a <b>text</b> & ünïcode " * 12
            return Text(words=words, more=True, heat=heat(len(words)))


def shown(kind, i, *, mistake):
    first = "b" if mistake else "a"
    top = ((first, 0.7), ("c", 0.2), ("a" if mistake else "b", 0.1))
    return Shown(
        content=content(kind), key=f"test/{kind}/{i}", true="a", predicted=first,
        probability=0.7, top=top,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["signal", "clip", "text"])
def test_a_page_of_many_samples_is_whole_and_of_moderate_size(kind, tmp_path, make_contents):
    contents = dataclasses.replace(
        make_contents(3, shown=0, classes=("a", "b", "c")),
        history=(),
        test=None,
        validation=None,
        mistakes=[shown(kind, i, mistake=True) for i in range(24)],
        correct=[shown(kind, i, mistake=False) for i in range(12)],
    )
    first = write_report(contents, tmp_path / "a").read_bytes()
    assert first == write_report(contents, tmp_path / "b").read_bytes()
    assert len(first) < 3_000_000
    page = first.decode()
    elements = {"signal": "<svg", "clip": "<audio", "text": 'class="words"'}
    assert page.count(elements[kind]) == 36
    assert "media-src data:" in page
    assert page.count("speaks for what the network answered") == 2
    for source in re.findall(r'(?:src|href)="([^"#]{5})', page):
        assert source == "data:"


def test_text_stays_text_whatever_is_in_it():
    words = 'x<script>alert("&")</script>'
    plain = card(Shown(content=Text(words=words), key="k"))
    assert "&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;</p>" in plain
    hot = card(Shown(content=Text(words=words, heat=heat(len(words))), key="k"))
    assert "<script" not in hot
    found = re.search(r'<p class="words">(.*)</p>', hot).group(1)
    assert re.sub("<[^>]*>", "", found) == plain.partition('words">')[2].partition("</p>")[0]


def test_characters_stand_on_their_heat():
    text = Text(words="abcd", heat=np.float32([0, 0.2, 1, 1]))
    drawn = card(Shown(content=text, key="k"))
    assert 'a<mark style="--p:20%">b</mark><mark style="--p:100%">cd</mark>' in drawn


def test_answers_that_are_no_classes_are_words():
    drawn = card(Shown(content=Text(words="t"), key="k", true="12.3", predicted="11.8"))
    assert "answered <b>11.8</b>" in drawn
    assert "%" not in drawn


def test_pictures_with_heat_have_a_switch_and_others_none():
    values = RNG.integers(256, size=(28, 28, 3), dtype=np.uint8)
    cold = Shown(content=Picture(values=values), key="k")
    hot = Shown(content=Picture(values=values, seen=values, heat=heat(28, 28)), key="k")
    assert gallery([cold]).count("<img") == 1
    assert "checkbox" not in gallery([cold])
    assert gallery([cold, hot]).count("<img") == 3
    assert gallery([cold, hot]).count("checkbox") == 1
