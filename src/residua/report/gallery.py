"""The parts of the page that show samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from residua.report.heat import heated
from residua.report.markup import Html, data_uri, element, join, name, percent
from residua.report.pictures import picture_png, shown_size
from residua.report.samples import Clip, Content, Picture, Pixels, Shown, Signal, Text
from residua.report.series import clip_drawing, signal_element
from residua.report.sound import player

_GUESSES = 3
_LEVELS = 5  # of heat behind characters


def gallery(samples: Sequence[Shown]) -> Html:
    """Cards in a grid; the frames of pictures are as high as the highest one."""
    heights = [_picture_height(sample.content) for sample in samples]
    style = {"class": "gallery wide"}
    if any(heights):
        style = {"class": "gallery", "style": f"--h:{max(heights)}px"}
    cards = element("ul", style, *(element("li", None, card(sample)) for sample in samples))
    return join((_switch(samples), cards))


def card(sample: Shown) -> Html:
    """A sample with its class, what the network answered, and where it comes from."""
    caption = element(
        "figcaption",
        None,
        element("div", {"class": "name"}, name(sample.true)),
        _guesses(sample),
        element("div", {"class": "key"}, name(sample.key)),
    )
    return element("figure", None, _content(sample), caption)


def _content(sample: Shown) -> Html:
    description = _description(sample)
    match sample.content:
        case Picture() as picture:
            shown = _image(picture.values, description)
            if picture.seen is None or picture.heat is None:
                return element("div", {"class": "frame"}, shown)
            warm = _image(heated(picture.seen, picture.heat), f"{description}; where it was found")
            return element("div", {"class": "frame heated"}, shown, warm)
        case Signal() as signal:
            return signal_element(signal, description)
        case Clip() as clip:
            drawing = clip_drawing(clip, description)
            heard = "" if clip.recording is None else player(clip.recording, sample.key)
            return join((drawing, heard))
        case Text() as text:
            return _text(text)


def _picture_height(content: Content) -> int:
    return shown_size(*content.values.shape[:2])[0] if isinstance(content, Picture) else 0


def _switch(samples: Sequence[Shown]) -> Html:
    """Changes between pictures and their heat, without a script."""
    if not any(isinstance(s.content, Picture) and s.content.heat is not None for s in samples):
        return Html("")
    box = element("input", {"type": "checkbox"})
    return element("label", {"class": "switch screen"}, box, " Show where the network looked")


def _image(pixels: Pixels, description: str) -> Html:
    height, width, enlarged = shown_size(*pixels.shape[:2])
    attributes = {
        "src": data_uri(picture_png(pixels)),
        "alt": description,
        "width": str(width),
        "height": str(height),
        "class": "large" if enlarged else "",
        "loading": "lazy",
    }
    return element("img", attributes)


def _text(text: Text) -> Html:
    """The characters, on a ground that is the stronger the more they count."""
    end = "…" if text.more else ""
    if text.heat is None:
        return element("p", {"class": "words"}, text.words, end)
    levels = [round(_LEVELS * float(each)) for each in text.heat]
    parts: list[Html | str] = []
    for level, run in groupby(zip(text.words, levels, strict=True), key=lambda pair: pair[1]):
        words = "".join(character for character, _ in run)
        style = {"style": f"--p:{100 * level // _LEVELS}%"}
        parts.append(element("mark", style, words) if level else words)
    return element("p", {"class": "words"}, *parts, end)


def _description(sample: Shown) -> str:
    words = [sample.key]
    if sample.true:
        words.append(f"true class {sample.true}")
    if sample.predicted is not None:
        with_share = "" if sample.probability is None else f" with {percent(sample.probability)}"
        words.append(f"predicted {sample.predicted}{with_share}")
    return ", ".join(words)


def _guesses(sample: Shown) -> Html:
    """Bars of the most likely classes; the true one stands out."""
    if sample.predicted is None:
        return Html("")
    if sample.probability is None:
        return element("div", None, "answered ", element("b", None, sample.predicted))
    top = sample.top[:_GUESSES] or ((sample.predicted, sample.probability),)

    def row(guess: str, probability: float) -> Html:
        bar = element("i", {"style": f"--p:{100 * probability:.1f}%"})
        kind = {"class": "true"} if guess == sample.true else None
        shown = element("span", {"class": "n"}, percent(probability))
        return element("li", kind, element("span", None, name(guess)), shown, bar)

    return element("ul", {"class": "guesses"}, *(row(*each) for each in top))
