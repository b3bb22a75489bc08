"""The picture: nothing overflows or overlaps, nothing is loaded, and it says what it shows."""

import re
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from PIL import ImageFont

from residua.networks.catalog import build, get_spec
from residua.networks.trace import trace
from residua.report.diagram import diagram
from residua.report.diagram_marks import INK, PAINTS, rounded
from residua.report.diagram_page import page
from residua.report.diagram_svg import svg

SVG = "{http://www.w3.org/2000/svg}"
NAMES = [
    "resnet50",
    "seresnet18",
    "densenet121",
    "googlenet",
    "alexnet_2012",
    "inception_resnet_v1",
]


@cache
def shown(name: str, title: str = ""):
    spec = get_spec(name)
    with torch.device("meta"):
        net = build(spec)
    shape = (spec.in_chans, spec.usual_size, spec.usual_size)
    traced = trace(net, shape, auxiliary=bool(net.auxiliary_names))
    return diagram(traced, title=title or name, subtitle="a & b")


@cache
def picture(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg(shown(name)))


@cache
def font(size: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which is wider than most system fonts."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def boxes(root: ElementTree.Element, kinds: set[str]) -> list[tuple[float, float, float, float]]:
    found = [r for r in root.iter(f"{SVG}rect") if r.get("class", "").removeprefix("d-") in kinds]
    return [tuple(float(r.attrib[k]) for k in ("x", "y", "width", "height")) for r in found]  # pyright: ignore[reportReturnType]


LAYERS = {"conv", "pool", "linear", "gate", "other"}


@pytest.mark.parametrize("name", NAMES)
def test_words_fit_their_boxes(name: str) -> None:
    marks = [mark for group in picture(name).iter(f"{SVG}g") for mark in group]
    checked = 0
    for box, words in pairwise(marks):
        kind = box.get("class", "").removeprefix("d-")
        if box.tag != f"{SVG}rect" or kind not in {*LAYERS, "join", "end"}:
            continue
        if words.get("text-anchor") != "middle":  # the swatches of the legend
            continue
        size = float(words.get("font-size", 12))
        assert font(size).getlength(words.text or "") <= float(box.attrib["width"]) - 4
        checked += 1
    assert checked > 8


@pytest.mark.parametrize("name", NAMES)
def test_layers_do_not_overlap_and_lie_inside(name: str) -> None:
    body = picture(name).findall(f"{SVG}g")[1]
    layers, groups = boxes(body, LAYERS), boxes(body, {"group"})
    for a, b in combinations(layers, 2):
        apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0]
        assert apart or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
    for a, b in combinations(groups, 2):
        assert a[0] + a[2] < b[0] or b[0] + b[2] < a[0] or a[1] + a[3] < b[1]
    for x, y, w, h in [*layers, *boxes(body, {"card"})]:
        assert any(
            x >= gx and y >= gy and x + w <= gx + gw and y + h <= gy + gh
            for gx, gy, gw, gh in groups
        )
    width, height = float(picture(name).attrib["width"]), float(picture(name).attrib["height"])
    assert all(x + w + 32 <= width and y + h + 96 <= height for x, y, w, h in groups)


def test_deep_networks_stay_small() -> None:
    root = picture("resnet1202")
    assert float(root.attrib["width"]) < 2000
    assert len(svg(shown("resnet1202"))) < 40_000
    assert "199 ×" in [text.text for text in root.iter(f"{SVG}text")]


def test_it_says_what_it_shows() -> None:
    root = picture("resnet50")
    assert root.findtext(f"{SVG}title") == "resnet50"
    description = root.findtext(f"{SVG}desc") or ""
    assert "3 × Bottleneck: 1×1 conv, 128 · 3×3 conv, 128 · 1×1 conv, 512" in description
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"56×56×256", "224×224×3", "identity shortcut", "projection shortcut"} <= words
    assert "auxiliary classifier, for training alone" not in words
    lines = {path.get("class") for path in root.iter(f"{SVG}path")}
    assert {"d-identity", "d-projection"} <= lines


def test_nothing_is_loaded_and_everything_escaped() -> None:
    text = svg(shown("resnet20", "<b>&"))
    assert ElementTree.fromstring(text).findtext(f"{SVG}title") == "<b>&"
    assert not re.search(r"(href|src|url\(|@import)", text)
    assert text.count("http") == 1  # the name space


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", PAINTS)
def test_words_stand_out_in_light_and_dark(kind: str) -> None:
    paint = PAINTS[kind]
    assert contrast(INK[0], paint.fill) >= 7
    assert contrast(INK[1], paint.dark_fill) >= 7
    if kind in LAYERS:  # boxes are told apart from their cards by their edges
        assert contrast(paint.stroke, PAINTS["card"].fill) >= 3
        assert contrast(paint.dark_stroke, PAINTS["card"].dark_fill) >= 3


def test_corners_are_round_and_ends_stay() -> None:
    assert rounded([(0, 0), (0, 20), (30, 20)]) == "M0 0L0 13Q0 20 7 20L30 20"
    assert rounded([(0, 0), (0, 0), (30, 0)]).endswith("L30 0")


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "densenet121"])
def test_blocks_of_the_page_open_to_their_layers(name: str) -> None:
    text = page(shown(name))
    body = text.partition("<body>")[2]
    targets = re.findall(r'<a href="#(block-[^"]+)"', body)
    ids = re.findall(r'<div id="(block-[^"]+)"', body)
    assert targets
    assert sorted(targets) == sorted(ids)
    assert len(set(ids)) == len(ids) == body.count("<details")
    assert "<script" not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    first = [call for group in shown(name).groups for b in group.blocks for call in b.calls[0]]
    plain = text.replace("<wbr>", "")
    for call in first:
        for inner in call.walk():
            if inner.parameters:
                assert f">{inner.name}</th>" in plain
                assert f">{inner.parameters:,}</td>" in plain


def test_folded_blocks_say_whom_they_stand_for() -> None:
    text = page(shown("resnet20"))
    assert "Equal to it: layer1.1 to layer1.2. The field grows from 7 to 15." in text
