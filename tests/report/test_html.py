"""The page: well-formed, self-contained, escaped, and complete for any number of classes."""

import base64
import dataclasses
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residua.report.contents import EpochRecord, ReportContents, SplitCounts
from residua.report.html import write_report

VOID = {"img", "meta", "source", "wbr"}
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects what the tests ask for and fails on tags that are not closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.raw = path.read_bytes()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.script = ""
        self.cells: list[str] = []
        self.feed(self.raw.decode("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.script += data
        elif "style" not in self.open:
            self.texts.append(data)
            if {"td", "th"} & set(self.open):
                self.cells[-1] += data

    def attribute(self, *names: str) -> list[str]:
        return [tag[name] for _, tag in self.tags for name in names if name in tag]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def anchors(self) -> set[str]:
        return {tag["id"] for name, tag in self.tags if name == "section"}


def written(contents: ReportContents, folder: Path) -> Page:
    return Page(write_report(contents, folder))


def without_plots(contents: ReportContents) -> ReportContents:
    """For what has nothing to do with plots, which take most of the time."""
    return dataclasses.replace(contents, history=(), test=None, validation=None)


@pytest.fixture(scope="module", params=[2, 10, 100])
def case(request, tmp_path_factory, make_contents):
    contents = make_contents(request.param, side=(28, 28) if request.param == 10 else (180, 120, 3))
    folder = tmp_path_factory.mktemp("report")
    return contents, folder, written(contents, folder)


def test_every_class_and_every_number_of_the_headline_is_there(case):
    contents, _, page = case
    assert set(contents.classes) <= set(page.cells)
    low, high = contents.test.accuracy_ci95
    assert f"{100 * contents.test.accuracy:.1f} %" in page.text
    assert f"[{100 * low:.1f}, {100 * high:.1f}]" in page.text
    assert f"{contents.test.n:,} test pictures of {contents.data}" in page.text
    assert contents.selection in page.text
    assert contents.command in page.text


def test_nothing_is_loaded_from_elsewhere(case):
    _, _, page = case
    for reference in page.attribute("src", "href", "srcset", "action", "data", "poster"):
        assert reference.startswith(("data:image/png;base64,", "#")), reference[:80]
    assert not re.search(rb"url\(|@import|https?://", page.raw)


def test_every_link_leads_to_a_section(case):
    _, _, page = case
    assert {target.removeprefix("#") for target in page.attribute("href")} == page.anchors
    assert page.anchors >= {"run", "curves", "scores", "confusion", "calibration", "classes"}
    assert page.anchors >= {"mistakes", "correct", "augmented", "data", "recipe", "environment"}


def test_every_image_is_a_png_with_a_description(case):
    contents, folder, page = case
    images = [tag for name, tag in page.tags if name == "img"]
    shown = len(contents.mistakes) + len(contents.correct) + len(contents.augmented)
    assert len(images) == shown + (2 if len(contents.classes) <= 20 else 3)
    for tag in images:
        assert tag["alt"]
        data = base64.b64decode(tag["src"].partition(",")[2], validate=True)
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "PNG"
            image.verify()
    files = sorted(path.name for path in (folder / "plots").iterdir())
    assert files == ["confusion.png", "curves.png", "reliability.png"]
    assert all((folder / "plots" / name).read_bytes().startswith(PNG) for name in files)


def test_the_page_is_of_moderate_size(case):
    _, _, page = case
    assert len(page.raw) < 3_000_000


def test_the_policy_allows_exactly_the_script_of_the_page(case):
    _, _, page = case
    (policy,) = (t["content"] for _, t in page.tags if t.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_confusion_counts_are_in_the_page(case):
    contents, _, page = case
    confusion = np.array(contents.test.confusion)
    if len(contents.classes) <= 20:
        expected = {f"{n:,}" for n in confusion[confusion > 0]}
    else:
        np.fill_diagonal(confusion, 0)
        expected = {f"{confusion.max()}"}
    assert expected <= set(page.cells)


def test_many_classes_come_worst_first_and_few_in_their_order(case):
    contents, _, page = case
    rows = [cell for cell in page.cells[page.cells.index("F1 [%]") + 1 :] if cell]
    firsts = rows[::7][: len(contents.classes)]
    scores = {c.name: c.f1 for c in contents.test.classes}
    if len(contents.classes) <= 20:
        assert firsts == list(contents.classes)
    else:
        assert sorted(firsts) == sorted(contents.classes)
        assert [scores[name] for name in firsts] == sorted(scores.values())


def test_same_contents_same_bytes(tmp_path, make_contents):
    first = write_report(make_contents(3, shown=2), tmp_path / "a")
    second = write_report(make_contents(3, shown=2), tmp_path / "b")
    for name in ("report.html", "plots/curves.png", "plots/confusion.png"):
        assert (first.parent / name).read_bytes() == (second.parent / name).read_bytes()


HOSTILE = (
    "<script>alert(1)</script>",
    "a\"b'&<img src=x onerror=y>",
    "雪人 ☃ $x_1$",
    "é\n|",
    "\udcff",
)


def test_names_cannot_become_markup(tmp_path, make_contents):
    contents = make_contents(5, epochs=0, classes=HOSTILE, shown=5)
    contents = dataclasses.replace(contents, title=HOSTILE[0], data=HOSTILE[1], command=HOSTILE[0])
    page = written(contents, tmp_path)
    assert [name for name, _ in page.tags].count("script") == 1
    assert not any(key.startswith("on") for _, tag in page.tags for key in tag)
    assert {*HOSTILE[:4], "\\udcff"} <= set(page.cells)


def test_one_epoch_without_validation(tmp_path, make_contents):
    page = written(make_contents(4, epochs=1, validation=False), tmp_path)
    assert "curves" in page.anchors
    assert "Validation" not in page.cells[:4]


def test_without_test_split_the_number_is_called_optimistic(tmp_path, make_contents):
    page = written(make_contents(4, epochs=0, test=False), tmp_path)
    assert "validation pictures of fashion-mnist" in page.text
    assert "No test split was scored" in page.text


def test_only_what_is_known_is_shown(tmp_path):
    contents = ReportContents(title="t", data="d", classes=("a", "b"))
    page = written(contents, tmp_path)
    assert "Not evaluated" in page.text
    assert page.anchors == {"run"}
    assert not (tmp_path / "plots").exists()


def test_missing_and_non_finite_values(tmp_path, make_contents):
    nan, inf = float("nan"), float("inf")
    contents = make_contents(3, shown=1)
    scores = dataclasses.replace(
        contents.test,
        loss=inf,
        macro_precision=nan,
        temperature=None,
        calibrated_error=None,
        classes=tuple(
            dataclasses.replace(c, precision=nan, recall=nan, f1=nan) for c in contents.test.classes
        ),
        confusion=((0, 0, 0), (5, 0, 0), (0, 0, 7)),
        n=12,
    )
    history = (
        EpochRecord(epoch=1, step=10, train_loss=nan, validation_accuracy=inf),
        EpochRecord(epoch=2, step=20),
    )
    contents = dataclasses.replace(contents, test=scores, history=history, mistakes=())
    page = written(contents, tmp_path)
    assert not re.search(r"\b(nan|inf)\b", page.text)
    assert "mistakes" not in page.anchors


def test_a_class_without_any_sample_and_splits_of_no_class(tmp_path, make_contents):
    splits = (SplitCounts(split="train", origin="drawn", counts=(3, 0)),)
    page = written(dataclasses.replace(without_plots(make_contents(2)), splits=splits), tmp_path)
    assert "drawn" in page.cells


def test_the_recipe_is_shown_by_its_groups(tmp_path, make_contents):
    page = written(without_plots(make_contents(2, shown=1)), tmp_path)
    assert "training · optimizer" in page.text
    at = page.cells.index("momentum")
    assert page.cells[at + 1] == "0.9"


def test_left_out_samples_are_named(tmp_path, make_contents):
    page = written(without_plots(make_contents(2, shown=1)), tmp_path)
    assert {"train/Coat/broken.jpg", "truncated JPEG"} <= set(page.cells)
