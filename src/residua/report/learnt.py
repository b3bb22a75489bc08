"""The part of the page that shows what the network has learnt to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from residua.report.filters import are_tiles, filter_pictures, map_pictures, strips_png
from residua.report.gallery import card
from residua.report.markup import Html, data_uri, element, join, plural
from residua.report.pictures import picture_png
from residua.report.samples import Picture, Pixels
from residua.report.series import filter_drawing

if TYPE_CHECKING:
    from residua.evaluation.features import Filters, StageMaps
    from residua.report.contents import ReportContents, Response


def learnt(contents: ReportContents) -> Html:
    """Filters and feature maps, as far as ``contents`` has them."""
    parts: list[Html] = []
    if contents.filters is not None:
        parts += [element("h3", None, "First filters"), filter_words(contents.filters)]
        if are_tiles(contents.filters):
            parts.append(filter_tiles(contents.filters))
        else:
            parts.append(filter_lines(contents.filters))
    if contents.responses:
        words = element("p", {"class": "soft"}, _RESPONSES)
        parts += [element("h3", None, "Feature maps"), words, responses(contents.responses)]
    return join(parts)


def filter_tiles(filters: Filters) -> Html:
    """All filters as a grid of enlarged pictures; what is not square keeps its form."""
    pictures = filter_pictures(filters.values)
    height, width = pictures[0].shape[:2]
    style = {"class": "tiles"}
    if height != width:
        style = {"class": "tiles oblong", "style": f"--form:{width}/{height}"}
    tiles = (
        _tile(picture, f"filter {position} of {filters.layer}")
        for picture, position in zip(pictures, filters.shown, strict=True)
    )
    return element("div", style, *tiles)


def filter_lines(filters: Filters) -> Html:
    """All filters of ``[n, c, k]`` as small drawings."""
    drawings = (
        filter_drawing(each, f"filter {position} of {filters.layer}")
        for each, position in zip(filters.values, filters.shown, strict=True)
    )
    return element("div", {"class": "lines"}, *drawings)


def filter_words(filters: Filters) -> Html:
    """What the filters are, and how their pictures are to be read."""
    n, channels, *kernel = filters.values.shape
    of = "of the first convolution"
    which = f"The {plural(n, 'filters')} {of}"
    if n < filters.total:
        which = f"Of the {filters.total} filters {of} the {n} with the largest weights"
    size = " × ".join(str(side) for side in kernel)
    words = f"{which} ({filters.layer}): {size} weights"
    words += f" for each of {channels} channels. " if channels > 1 else ". "
    words += "Each filter is scaled to its own largest weight"
    if not are_tiles(filters):
        words += "." if channels == 1 else "; a line is a channel."
        return element("p", {"class": "soft"}, words)
    words += ": mid-grey is zero, brighter adds, darker takes away"
    if len(kernel) == 1:
        words += "; a row is a channel, time runs to the right."
    else:
        words += "; colours are those of the channels." if channels == 3 else "."
        words += " Shown is the mean over the channels." if channels not in (1, 3) else ""
    return element("p", {"class": "soft"}, words)


_RESPONSES = (
    "For each stage the channels that respond most strongly, the strongest first, with their "
    "numbers. Brighter is more, each scaled to its own maximum; where a stage has negative values "
    "mid-grey is zero."
)


def responses(shown: Sequence[Response]) -> Html:
    """A block for each sample: the sample, and a row of maps for each stage."""
    return element("div", {"class": "responses"}, *(_response(each) for each in shown))


def _response(response: Response) -> Html:
    rows = (
        join((element("h4", None, _stage_title(stage)), _stage_tiles(stage)))
        for stage in response.stages
    )
    is_right = response.sample.predicted == response.sample.true
    title = element("h4", None, "A right answer" if is_right else "A mistake")
    is_picture = isinstance(response.sample.content, Picture)
    kind = {"class": "gallery" if is_picture else "gallery single"}
    return element("div", None, title, element("div", kind, card(response.sample)), *rows)


def _stage_title(stage: StageMaps) -> Html:
    size = " × ".join(str(side) for side in stage.values.shape[1:])
    about = element("span", {"class": "soft"}, f" {size}, {plural(stage.total, 'channels')}")
    return join((stage.stage, about))


def _stage_tiles(stage: StageMaps) -> Html:
    if stage.values.ndim == 2:
        return _stage_strips(stage)
    pictures = zip(map_pictures(stage.values), stage.shown, strict=True)
    tiles = (
        element(
            "figure",
            None,
            _tile(picture, f"{stage.stage}, channel {channel}"),
            element("figcaption", None, str(channel)),
        )
        for picture, channel in pictures
    )
    return element("div", {"class": "maps"}, *tiles)


def _stage_strips(stage: StageMaps) -> Html:
    """Maps along time as strips below one another, so that moments stand above each other."""
    names = (element("span", None, str(channel)) for channel in stage.shown)
    channels = ", ".join(map(str, stage.shown))
    alt = f"{stage.stage}, channels {channels}"
    image = {"src": data_uri(strips_png(stage.values)), "alt": alt, "loading": "lazy"}
    size = {"class": "strips", "style": f"--n:{len(stage.shown)}"}
    return element("div", size, element("div", None, *names), element("img", image))


def _tile(pixels: Pixels, alt: str) -> Html:
    attributes = {"src": data_uri(picture_png(pixels)), "alt": alt, "title": alt}
    return element("img", {**attributes, "loading": "lazy"})
