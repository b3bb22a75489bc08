"""The page is a function of the stored results, and its numbers are those of the seeds."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from residua.errors import FormatError
from residua.recipes.recipe import Recipe
from residua.report.reproduction import (
    Measurement,
    Record,
    SeedResult,
    load_record,
    load_records,
    save_record,
)
from residua.report.reproduction_page import page, write_page

VALUES = (0.912, 0.915, 0.9093)


def seeds(*values: float) -> tuple[SeedResult, ...]:
    return tuple(
        SeedResult(
            seed=seed,
            value=value,
            n=10_000,
            minutes=10.0 + seed,
            passes=9_100_000,
            peak_memory_bytes=10**9,
            torch="2.11.0",
        )
        for seed, value in enumerate(values)
    )


WHOLE = Measurement(
    variant="full",
    changes="",
    copy="original",
    metric="test accuracy",
    higher_is_better=True,
    percent=True,
    hardware="cpu, 2 threads, bf16 (AMD EPYC)",
    recipe=json.loads(json.dumps(Recipe().to_json())),
    seeds=seeds(*VALUES),
)
SHORT = replace(WHOLE, variant="short", changes="2 epochs", seeds=seeds(0.5))
JPEG = replace(WHOLE, copy="jpeg", seeds=seeds(0.81, 0.82))
RECORD = Record(
    name="cifar10-resnet20",
    network="resnet20",
    data="cifar10",
    published=(0.9125,),
    source="arXiv 1512.03385",
    note="As published.",
    measurements=(WHOLE, SHORT, JPEG),
)


def sections(text: str) -> dict[str, str]:
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_mean_and_deviation() -> None:
    assert WHOLE.mean == pytest.approx(np.mean(VALUES))
    assert WHOLE.deviation == pytest.approx(np.std(VALUES, ddof=1))
    assert SHORT.deviation is None
    assert WHOLE.minutes == pytest.approx(11.0)


def test_published_figures_stand_beside_whole_rows_on_the_original_only() -> None:
    found = sections(page([RECORD], folder="reproduction"))
    mean, spread = 100 * np.mean(VALUES), 100 * np.std(VALUES, ddof=1)
    assert f"| 91.25 % | {mean:.2f} % ± {spread:.2f} | 3 | 11.0 |" in found["Whole rows"]
    assert "91.25" not in found["Short versions"]
    assert "| 2 epochs | 50.00 % | 1 |" in found["Short versions"]
    jpeg = found["On pictures that were compressed with loss"]
    assert "| (91.25 %, not comparable) | 81.50 % ± 0.71 | 2 |" in jpeg
    assert "- `cifar10-resnet20`: As published." in found["Notes"]


def test_a_short_version_on_a_jpeg_copy_says_both() -> None:
    both = replace(SHORT, copy="jpeg")
    found = sections(page([replace(RECORD, measurements=(both,))], folder="reproduction"))
    assert "2 epochs, JPEG copy" in found["Short versions"]
    assert found["Whole rows"].strip() == "None yet."


def test_page_does_not_depend_on_the_order_of_files() -> None:
    records = [replace(RECORD, name=f"row-{number}") for number in range(6)]
    expected = page(records, folder="reproduction")
    for seed in range(3):
        random.Random(seed).shuffle(records)
        assert page(records, folder="reproduction") == expected


def test_scores_that_are_no_shares_are_told_as_they_are() -> None:
    plain = replace(WHOLE, percent=False)
    text = page([replace(RECORD, published=(0.5, 0.75), measurements=(plain,))], folder="r")
    assert "| 0.5 to 0.75 | 0.9121 ± 0.0029 |" in text


def test_files_come_back(tmp_path: Path) -> None:
    path = save_record(tmp_path / "reproduction", RECORD)
    assert load_record(path) == RECORD
    assert load_records(tmp_path / "reproduction") == [RECORD]
    written = write_page(tmp_path / "reproduction")
    assert written == tmp_path / "reproduction.md"
    assert written.read_text(encoding="utf-8") == page([RECORD], folder="reproduction")


def test_no_results_are_a_page_too(tmp_path: Path) -> None:
    assert write_page(tmp_path / "reproduction").read_text().count("None yet.") == 3


def test_new_seeds_join_what_they_continue() -> None:
    new = replace(WHOLE, seeds=(replace(seeds(0.9)[0], seed=7),))
    grown = RECORD.with_measurement(new)
    assert len(grown.measurements) == 3
    assert [each.seed for each in grown.measurements[0].seeds] == [0, 1, 2, 7]
    assert grown.with_measurement(new) == grown


@pytest.mark.parametrize(
    "other",
    [
        {"hardware": "NVIDIA H200, bf16"},
        {"recipe": {"another": 1}},
        {"variant": "short"},
        {"copy": "jpeg"},
    ],
    ids=["hardware", "recipe", "variant", "copy"],
)
def test_other_runs_are_never_averaged_with_them(other: dict) -> None:
    alone = replace(RECORD, measurements=(WHOLE,))
    assert len(alone.with_measurement(replace(WHOLE, **other)).measurements) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"name": 1}', '{"name": "x", "colour": 1}'])
def test_damaged_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "row.json").write_text(content)
    with pytest.raises(FormatError, match=r"row\.json") as caught:
        load_records(tmp_path)
    assert "\n" not in str(caught.value)
