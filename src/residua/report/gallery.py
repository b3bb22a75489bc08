"""The parts of the page that show samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from residua.report.markup import Html, data_uri, element, name, percent
from residua.report.pictures import picture_png, shown_size

if TYPE_CHECKING:
    from residua.report.contents import Picture

_GUESSES = 3


def gallery(pictures: Sequence[Picture]) -> Html:
    """Cards in a grid; all frames are as high as the highest picture."""
    highest = max(shown_size(*p.values.shape[:2])[0] for p in pictures)
    style = {"class": "gallery", "style": f"--h:{highest}px"}
    return element("ul", style, *(element("li", None, card(p)) for p in pictures))


def card(picture: Picture) -> Html:
    """A picture with its class, what the network answered, and where it comes from."""
    caption = element(
        "figcaption",
        None,
        element("div", {"class": "name"}, name(picture.true)),
        _guesses(picture),
        element("div", {"class": "key"}, name(picture.key)),
    )
    return element("figure", None, element("div", {"class": "frame"}, _image(picture)), caption)


def _image(picture: Picture) -> Html:
    height, width, enlarged = shown_size(*picture.values.shape[:2])
    attributes = {
        "src": data_uri(picture_png(picture.values)),
        "alt": _description(picture),
        "width": str(width),
        "height": str(height),
        "class": "large" if enlarged else "",
        "loading": "lazy",
    }
    return element("img", attributes)


def _description(picture: Picture) -> str:
    words = [picture.key]
    if picture.true:
        words.append(f"true class {picture.true}")
    if picture.predicted is not None:
        words.append(f"predicted {picture.predicted} with {percent(picture.probability)}")
    return ", ".join(words)


def _guesses(picture: Picture) -> Html:
    """Bars of the most likely classes; the true one stands out."""
    if picture.predicted is None:
        return Html("")
    top = picture.top[:_GUESSES] or ((picture.predicted, picture.probability or 0.0),)

    def row(guess: str, probability: float) -> Html:
        bar = element("i", {"style": f"--p:{100 * probability:.1f}%"})
        kind = {"class": "true"} if guess == picture.true else None
        shown = element("span", {"class": "n"}, percent(probability))
        return element("li", kind, element("span", None, name(guess)), shown, bar)

    return element("ul", {"class": "guesses"}, *(row(*each) for each in top))
