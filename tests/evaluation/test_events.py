"""Events from the answers to windows: against a plain reading of the rules, and as they come."""

import csv
import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.errors import UsageError
from residua.evaluation.events import Event, EventRules, find_events, write_events

CLASSES = ("N", "S", "V")


def answers(labels: str, *, step: int, sure: float = 0.9) -> list[tuple[int, np.ndarray]]:
    """One window a letter; "." is no class for sure."""
    rest = (1 - sure) / (len(CLASSES) - 1)
    found = []
    for position, label in enumerate(labels):
        probabilities = np.full(len(CLASSES), 1 / len(CLASSES))
        if label != ".":
            probabilities[:] = rest
            probabilities[CLASSES.index(label)] = sure
        found.append((position * step, probabilities))
    return found


def spans(events: Iterator[Event]) -> list[tuple[str, float, float]]:
    return [(event.label, event.start, event.end) for event in events]


def find(labels: str, *, step: int = 10, length: int = 10, steps: int | None = None, **rules):
    return find_events(
        answers(labels, step=step),
        classes=CLASSES,
        rate=10,
        length=length,
        steps=steps or (len(labels) - 1) * step + length,
        rules=EventRules(**rules),
    )


def test_windows_side_by_side_become_one_event() -> None:
    assert spans(find("NNVV.S")) == [("N", 0, 2), ("V", 2, 4), ("S", 5, 6)]


def test_overlapping_windows_speak_for_what_is_nearest() -> None:
    """Windows of 30 steps every 10: those in the middle speak for 10 steps around their middle."""
    assert spans(find("NNVVNN", length=30)) == [("N", 0, 3), ("V", 3, 5), ("N", 5, 8)]


def test_the_last_window_ends_with_the_recording() -> None:
    assert spans(find("V", length=100, steps=40)) == [("V", 0, 4)]
    shifted = [(0, [0, 0, 1]), (10, [0, 0, 1]), (13, [0, 0, 1])]
    found = find_events(
        [(start, np.array(p)) for start, p in shifted], classes=CLASSES, rate=1, length=10, steps=23
    )
    assert spans(found) == [("V", 0, 23)]


def test_a_gap_without_windows_ends_an_event() -> None:
    kept = [each for each in answers("VVVV", step=10) if each[0] != 10]
    found = find_events(kept, classes=CLASSES, rate=1, length=10, steps=40)
    assert spans(found) == [("V", 0, 10), ("V", 20, 40)]


def test_probability_is_the_mean_over_the_windows() -> None:
    given_answers = [(0, np.array([0.1, 0.0, 0.9])), (10, np.array([0.3, 0.0, 0.7]))]
    (event,) = find_events(given_answers, classes=CLASSES, rate=1, length=10, steps=20)
    assert event.probability == pytest.approx(0.8)
    assert event.windows == 2


def test_an_event_goes_on_down_to_its_release() -> None:
    values = [0.9, 0.4, 0.4, 0.2, 0.4]
    some = [(10 * i, np.array([(1 - v) / 2, (1 - v) / 2, v])) for i, v in enumerate(values)]

    def found(release: float | None) -> list[tuple[str, float, float]]:
        rules = EventRules(threshold=0.8, release=release)
        events = find_events(some, classes=CLASSES, rate=10, length=10, steps=50, rules=rules)
        return spans(events)

    assert found(0.35) == [("V", 0, 3)]
    assert found(None) == [("V", 0, 1)]


def test_another_class_ends_an_event_that_would_go_on() -> None:
    some = [(0, np.array([0.0, 0.1, 0.9])), (10, np.array([0.0, 0.6, 0.4]))]
    rules = EventRules(threshold=0.5, release=0.3)
    found = find_events(some, classes=CLASSES, rate=10, length=10, steps=20, rules=rules)
    assert spans(found) == [("V", 0, 1), ("S", 1, 2)]


def test_classes_of_multi_label_data_are_by_themselves() -> None:
    some = [(0, np.array([0.9, 0.9, 0.0])), (10, np.array([0.0, 0.9, 0.9]))]
    rules = EventRules(exclusive=False)
    found = find_events(some, classes=CLASSES, rate=10, length=10, steps=20, rules=rules)
    assert spans(found) == [("N", 0, 1), ("S", 0, 2), ("V", 1, 2)]


def test_short_and_ignored_events_are_dropped() -> None:
    assert spans(find("NVNNVV", at_least=1.5, ignore=("N",))) == [("V", 4, 6)]


@pytest.mark.parametrize(
    "rules",
    [
        {"threshold": 0.0},
        {"threshold": 1.2},
        {"threshold": 0.5, "release": 0.6},
        {"at_least": -1.0},
        {"ignore": ("X",)},
    ],
)
def test_wrong_rules_are_refused(rules: dict) -> None:
    with pytest.raises(UsageError):
        list(find("N", **rules))


@given(st.text("NSV.", min_size=1, max_size=40), st.integers(1, 10), st.integers(0, 9))
def test_sure_answers_are_covered_once_and_unsure_ones_not_at_all(
    labels: str, step: int, more: int
) -> None:
    """Where each step of the recording goes, by the nearest middle of a window."""
    length = step + more
    steps = (len(labels) - 1) * step + length
    owner = ["?"] * steps
    middles = [i * step + length / 2 for i in range(len(labels))]
    for position in range(steps):
        gaps = [abs(position + 0.5 - middle) for middle in middles]
        owner[position] = labels[int(np.argmin(gaps))]
        if gaps.count(min(gaps)) > 1:
            owner[position] = "?"  # the border falls into the step
    covered = ["."] * steps
    found = find_events(
        answers(labels, step=step), classes=CLASSES, rate=1, length=length, steps=steps
    )
    for event in found:
        for position in range(int(np.ceil(event.start)), int(event.end)):
            assert covered[position] == "."
            covered[position] = event.label
    for ours, wanted in zip(covered, owner, strict=True):
        assert wanted == "?" or ours == wanted


def test_an_event_comes_with_the_first_window_that_ends_it() -> None:
    taken: list[int] = []

    def watched() -> Iterator[tuple[int, np.ndarray]]:
        for each in answers("NNVVVV", step=10):
            taken.append(each[0])
            yield each

    events = find_events(watched(), classes=CLASSES, rate=1, length=10, steps=60)
    assert next(events).label == "N"
    assert taken == [0, 10, 20]


def test_events_are_written_as_they_come() -> None:
    file = io.StringIO()
    seen: list[str] = []

    def watched() -> Iterator[Event]:
        for event in find("NNVV"):
            yield event
            seen.append(file.getvalue())

    assert write_events(watched(), file) == 2
    assert seen[0].count("\n") == 2
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [row["label"] for row in rows] == ["N", "V"]
    assert float(rows[1]["start_seconds"]) == 2.0
    assert float(rows[1]["probability"]) == pytest.approx(0.9)


def test_json_lines_hold_the_same() -> None:
    file = io.StringIO()
    assert write_events(find("V"), file, "jsonl") == 1
    line = json.loads(file.getvalue())
    assert line == {"start_seconds": 0.0, "end_seconds": 1.0, "label": "V", "probability": 0.9}


def test_no_windows_no_events() -> None:
    assert list(find_events([], classes=CLASSES, rate=1, length=1, steps=0)) == []
