"""The part of the page that shows what the network has learnt to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from residua.report.drawing import Plot, plot_element
from residua.report.filters import Pixels, filter_pictures, map_pictures
from residua.report.gallery import card
from residua.report.markup import Html, data_uri, element, join, plural
from residua.report.pictures import picture_png

if TYPE_CHECKING:
    from residua.evaluation.features import Filters, StageMaps
    from residua.report.contents import ReportContents, Response


def learnt(contents: ReportContents, drawn: Mapping[str, Plot]) -> Html:
    """Filters and feature maps, as far as ``contents`` has them."""
    parts: list[Html] = []
    if contents.filters is not None:
        parts += [element("h3", None, "First filters"), filter_words(contents.filters)]
        if contents.filters.values.ndim == 4:
            parts.append(filter_tiles(contents.filters))
        else:
            parts.append(plot_element(drawn["filters"]))
    if contents.responses:
        words = element("p", {"class": "soft"}, _RESPONSES)
        parts += [element("h3", None, "Feature maps"), words, responses(contents.responses)]
    return join(parts)


def filter_tiles(filters: Filters) -> Html:
    """All filters of ``[n, c, k, k]`` as a grid of enlarged pictures."""
    pictures = filter_pictures(filters.values)
    tiles = (
        _tile(picture, f"filter {position} of {filters.layer}")
        for picture, position in zip(pictures, filters.shown, strict=True)
    )
    return element("div", {"class": "tiles"}, *tiles)


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
    if len(kernel) == 2:
        words += ": mid-grey is zero, brighter adds, darker takes away"
        words += "; colours are those of the channels." if channels == 3 else "."
        words += " Shown is the mean over the channels." if channels not in (1, 3) else ""
    else:
        words += "." if channels == 1 else "; a line is a channel."
    return element("p", {"class": "soft"}, words)


_RESPONSES = (
    "For each stage the channels that respond most strongly, the strongest first, with their "
    "numbers. Brighter is more, each scaled to its own maximum; where a stage has negative values "
    "mid-grey is zero."
)


def responses(shown: Sequence[Response]) -> Html:
    """A block for each sample: the picture, and a row of maps for each stage."""
    return element("div", {"class": "responses"}, *(_response(each) for each in shown))


def _response(response: Response) -> Html:
    rows = (
        join((element("h4", None, _stage_title(stage)), _stage_tiles(stage)))
        for stage in response.stages
    )
    is_right = response.picture.predicted == response.picture.true
    title = element("h4", None, "A right answer" if is_right else "A mistake")
    sample = element("div", {"class": "gallery"}, card(response.picture))
    return element("div", None, title, sample, *rows)


def _stage_title(stage: StageMaps) -> Html:
    size = " × ".join(str(side) for side in stage.values.shape[1:])
    about = element("span", {"class": "soft"}, f" {size}, {plural(stage.total, 'channels')}")
    return join((stage.stage, about))


def _stage_tiles(stage: StageMaps) -> Html:
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


def _tile(pixels: Pixels, alt: str) -> Html:
    attributes = {"src": data_uri(picture_png(pixels)), "alt": alt, "title": alt}
    return element("img", {**attributes, "loading": "lazy"})
