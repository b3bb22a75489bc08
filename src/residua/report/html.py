"""`write_report`: the contents of a report as one HTML file that needs nothing else, and its plots.

The page loads nothing: pictures are data URIs, style and script are in it, and its content security
policy forbids the rest. The same contents give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from residua.evaluation.results import Evaluation
from residua.files import write_atomically
from residua.report import facts, plots, scores
from residua.report.drawing import Plot, draw_plots, plot_element
from residua.report.gallery import gallery
from residua.report.learnt import learnt
from residua.report.markup import Html, element, join, plural

if TYPE_CHECKING:
    from residua.report.contents import ReportContents
    from residua.report.samples import Shown


def write_report(contents: ReportContents, folder: Path) -> Path:
    """Writes ``folder/report.html`` and returns its path; beside it, as far as there is something
    to plot, ``plots/{curves,confusion,reliability,filters,features}.png``.

    Raises:
        DiskFullError: There is no space left; an earlier report is then intact.
    """
    drawn = draw_plots(contents)
    for plot in drawn.values():
        write_atomically(folder / "plots" / f"{plot.name}.png", plot.png)
    page = folder / "report.html"
    # file names need not be valid Unicode; what UTF-8 cannot hold is shown as an escape
    write_atomically(page, _page(contents, drawn).encode("utf-8", "backslashreplace"))
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A heading with an anchor, and what stands below it."""

    anchor: str
    title: str
    body: Html


def _sections(contents: ReportContents, drawn: Mapping[str, Plot]) -> Iterator[_Section]:
    yield _Section(anchor="run", title="Run", body=facts.run(contents))
    if contents.history:
        body = join((plot_element(drawn["curves"]), facts.epoch_table(contents)))
        yield _Section(anchor="curves", title="Curves", body=body)
    yield from _score_sections(contents, drawn)
    yield from _sample_sections(contents)
    if contents.filters is not None or contents.responses:
        body = learnt(contents)
        yield _Section(anchor="learnt", title="What the network has learnt", body=body)
    if contents.splits or contents.problems:
        yield _Section(anchor="data", title="Data", body=facts.data_tables(contents))
    if contents.recipe:
        yield _Section(anchor="recipe", title="Recipe", body=facts.recipe_tables(contents.recipe))
    if contents.environment:
        body = facts.fact_list(contents.environment)
        yield _Section(anchor="environment", title="Environment", body=body)


def _score_sections(contents: ReportContents, drawn: Mapping[str, Plot]) -> Iterator[_Section]:
    scored = contents.headline
    if scored is None or not scored.n:
        return
    yield _Section(anchor="scores", title="Scores", body=scores.split_table(contents))
    if not isinstance(scored, Evaluation):
        if rows := scores.target_table(scored):
            yield _Section(anchor="targets", title="Targets", body=rows)
        return
    yield _Section(anchor="confusion", title="Confusion", body=_confusion(contents, drawn))
    text = element("div", {"class": "text"}, scores.calibration_text(scored))
    body = element("div", {"class": "beside"}, plot_element(drawn["reliability"]), text)
    yield _Section(anchor="calibration", title="Calibration", body=body)
    body = scores.class_table(contents, scored)
    yield _Section(anchor="classes", title="Classes", body=body)


def _confusion(contents: ReportContents, drawn: Mapping[str, Plot]) -> Html:
    scored = contents.headline
    assert isinstance(scored, Evaluation)
    legend = (
        "Rows are true classes, columns are answers. Blue are right answers, orange mistakes; the "
        "depth of colour is the square root of the share of the row."
    )
    if len(contents.classes) > plots.NAMED_CLASSES:
        legend += " The axes count the classes from 0, in their own order."
    words = element("p", {"class": "soft"}, legend)
    if len(contents.classes) <= plots.WRITTEN_CLASSES:
        return join((words, scores.confusion_table(scored, contents.classes)))
    pairs = scores.confused_pairs(scored, contents.classes)
    both = element("div", {"class": "beside"}, plot_element(drawn["confusion"]), pairs)
    return join((words, both))


def _sample_sections(contents: ReportContents) -> Iterator[_Section]:
    if contents.mistakes:
        words = element("p", {"class": "soft"}, _mistakes(contents))
        body = join((words, _heat(contents.mistakes), gallery(contents.mistakes)))
        yield _Section(anchor="mistakes", title="Mistakes", body=body)
    if contents.correct:
        body = join((_heat(contents.correct), gallery(contents.correct)))
        yield _Section(anchor="correct", title="Right answers", body=body)
    if contents.answered:
        words = f"{contents.noun.capitalize()} of the split, evenly drawn, and what was answered."
        body = join((element("p", {"class": "soft"}, words), gallery(contents.answered)))
        yield _Section(anchor="answered", title="Answers", body=body)
    if contents.augmented:
        words = f"Training {contents.noun} as the network saw them, after random changes."
        body = join((element("p", {"class": "soft"}, words), gallery(contents.augmented)))
        yield _Section(anchor="augmented", title="Augmented samples", body=body)


def _heat(samples: Sequence[Shown]) -> Html:
    """What the colour means, where there is any."""
    if all(sample.content.heat is None for sample in samples):
        return Html("")
    words = (
        "The stronger the amber, the more that part speaks for what the network answered, right or "
        "wrong (class-activation map, each scaled to its own maximum)."
    )
    return element("p", {"class": "soft"}, words)


def _mistakes(contents: ReportContents) -> str:
    scored, shown = contents.headline, len(contents.mistakes)
    end = "the most confident first. Below each: its true class, then what the network answered."
    if not isinstance(scored, Evaluation):
        return f"{plural(shown, 'mistakes')}, {end}"
    wrong = scored.n - sum(scored.confusion[i][i] for i in range(len(scored.confusion)))
    return f"{shown:,} of {plural(wrong, 'mistakes')} among {scored.n:,} {contents.noun}, {end}"


def _page(contents: ReportContents, drawn: Mapping[str, Plot]) -> str:
    sections = list(_sections(contents, drawn))
    here = files("residua.report")
    style = here.joinpath("style.css").read_text(encoding="utf-8")
    script = here.joinpath("script.js").read_text(encoding="utf-8")
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _policy(script)}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, _title(contents)),
        element("style", None, Html(style)),
    )
    links = (element("a", {"href": f"#{s.anchor}"}, s.title) for s in sections)
    header = element(
        "header",
        None,
        element("h1", None, contents.title),
        scores.headline(contents),
        element("nav", {"aria-label": "Sections"}, *links),
    )
    body = element(
        "body",
        None,
        header,
        element("main", None, *(_section_element(s) for s in sections)),
        element("footer", None, " · ".join(filter(None, ("Made by residua", contents.date)))),
        element("script", None, Html(script)),
    )
    return "<!doctype html>\n" + element("html", {"lang": "en"}, head, body) + "\n"


def _title(contents: ReportContents) -> str:
    scored = contents.headline
    return contents.title + (f": {scores.value(scored)}" if scored and scored.n else "")


def _section_element(section: _Section) -> Html:
    heading = element("h2", None, section.title)
    return element("section", {"id": section.anchor}, heading, section.body)


def _policy(script: str) -> str:
    """Only what is in the page, and of scripts only this one, whatever a file name contains."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    media = "img-src data:", "media-src data:"
    allowed = (*media, "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'")
    return "; ".join(("default-src 'none'", *allowed))
