"""Rows of an own table, run end to end on made pictures."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from residua.cli.main import run_command
from residua.data.config import DataConfig
from residua.errors import FormatError, InterruptedRunError, UsageError
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.recipes.rows import Row, Short
from residua.report.reproduction import load_record
from residua.run import reproduce as module
from residua.run.deadline import Deadline
from residua.run.folder import RunFolder
from residua.run.reproduce import Place, copy_of, estimated_hours, hardware, processor, reproduce
from residua.run.terminal import Terminal
from residua.training.config import OptimizerConfig, TrainingConfig

ROW = Row(
    name="patterns-resnet20",
    recipe=Recipe(
        data=DataConfig(path="patterns"),
        network=NetworkConfig(network="resnet20"),
        training=TrainingConfig(
            epochs=2, batch_size=16, keep="last", optimizer=OptimizerConfig(lr=0.02)
        ),
    ),
    samples=54,
    input=(1, 16, 16),
    short=Short(epochs=1, limit=8),
    published=(0.99,),
    source="nobody",
)


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


@pytest.fixture
def place(pictures: Path, tmp_path: Path) -> Place:
    results = tmp_path / "docs" / "reproduction"
    return Place(out=tmp_path / "runs", results=results, data=str(pictures), threads=1)


def run_row(place: Place, *seeds: int, row: Row = ROW, **options):
    return reproduce(row, place, seeds=seeds, terminal=Terminal(quiet=True), **options)


def test_a_row_is_run_stored_and_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run_row(place, 0, 1)
    (found,) = record.measurements
    summaries = [
        json.loads((place.out / ROW.name / f"seed-{seed}" / "summary.json").read_text())
        for seed in (0, 1)
    ]
    assert [each.value for each in found.seeds] == [each["test"]["accuracy"] for each in summaries]
    assert [each.n for each in found.seeds] == [each["test"]["n"] for each in summaries]
    assert found.metric == "test accuracy"
    assert found.hardware == hardware(summaries[0]["device"])
    assert processor() in found.hardware
    assert (
        Recipe.from_json(found.recipe, where="") == ROW.recipe
    )  # no path, seed or device of this machine
    assert str(place.data) not in (place.results / f"{ROW.name}.json").read_text()
    assert load_record(place.results / f"{ROW.name}.json") == record
    page = (place.results.parent / "reproduction.md").read_text()
    assert f"| `{ROW.name}` | `resnet20` | patterns | test accuracy | 99 % |" in page

    def refuse(*arguments: object) -> RunFolder:
        raise AssertionError("trained again")

    monkeypatch.setattr("residua.run.completed.train", refuse)
    monkeypatch.setattr("residua.run.completed.resume", refuse)
    assert run_row(place, 0, 1) == record
    assert (place.results.parent / "reproduction.md").read_text() == page


def test_results_of_an_older_release_are_continued(place: Place) -> None:
    """An option that did not exist when the result was stored has its default."""
    path = place.results / f"{ROW.name}.json"
    run_row(place, 0)
    content = json.loads(path.read_text())
    del content["measurements"][0]["recipe"]["training"]["ema"]
    path.write_text(json.dumps(content))
    (found,) = run_row(place, 0).measurements
    assert len(found.seeds) == 1
    content["measurements"][0]["recipe"]["training"]["gone"] = 1
    path.write_text(json.dumps(content))
    assert len(run_row(place, 0).measurements) == 2


def test_short_versions_lie_apart(place: Place) -> None:
    record = run_row(place, 0, short=True)
    assert (place.out / ROW.name / "short-seed-0" / "summary.json").exists()
    (found,) = record.measurements
    assert (found.variant, found.changes) == ("short", "1 epochs, 8 a class")
    page = (place.results.parent / "reproduction.md").read_text()
    assert "99 %" not in page


def test_an_interrupted_row_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from residua.training.stopping import StopRequest

    def stop(self: StopRequest) -> StopRequest:
        self.signal = 2
        return self

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__enter__", stop)
        with pytest.raises(InterruptedRunError, match="Go on with the same command"):
            run_row(place, 0)
    run = RunFolder(place.out / ROW.name / "seed-0")
    assert run.recipe.exists()
    assert not run.summary.exists()
    assert not place.results.exists()
    (found,) = run_row(place, 0).measurements
    assert found.seeds[0].passes == 2 * 54  # of both halves together


def test_time_that_is_up_stops_a_run_and_saves_it(place: Place) -> None:
    long = replace(ROW, recipe=replace(ROW.recipe, training=TrainingConfig(epochs=2000)))
    with (
        pytest.raises(InterruptedRunError, match="Go on with the same command"),
        Deadline(0.05) as deadline,
    ):
        run_row(place, 0, row=long, deadline=deadline)
    with pytest.raises(InterruptedRunError):
        deadline.check()


def test_no_limit_never_ends() -> None:
    with Deadline(None) as deadline:
        deadline.check()


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_limits_are_above_zero(minutes: float) -> None:
    with pytest.raises(UsageError, match="wrong minutes"):
        Deadline(minutes)


def test_a_changed_row_does_not_take_up_old_runs(place: Place) -> None:
    run_row(place, 0)
    changed = replace(
        ROW, recipe=replace(ROW.recipe, training=replace(ROW.recipe.training, ema=0.5))
    )
    with pytest.raises(UsageError, match=r"another training\.ema") as caught:
        run_row(place, 0, row=changed)
    assert "\n" not in str(caught.value)


def test_a_run_of_another_command_is_not_taken_for_the_row(place: Place) -> None:
    run_row(place, 0)
    (place.out / ROW.name / "seed-0" / "asked.json").unlink()
    with pytest.raises(UsageError, match="another command made"):
        run_row(place, 0)


def test_a_score_that_is_not_there_is_named(place: Place) -> None:
    """Training as usual has no kNN accuracy, but an accuracy; without test split there is none."""
    untested = replace(ROW.recipe, data=replace(ROW.recipe.data, test_fraction=0.0))
    with pytest.raises(FormatError, match="no score on its test split"):
        run_row(place, 0, row=replace(ROW, recipe=untested))


def write_parquet(folder: Path, kind: str) -> Path:
    folder.mkdir()
    cells, labels = [], []
    for number in range(12):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(buffer, kind)
        cells.append({"bytes": buffer.getvalue(), "path": ""})
        labels.append(number % 2)
    table = pa.table({"image": cells, "label": labels})
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize(("kind", "copy"), [("JPEG", "jpeg"), ("PNG", "original")])
def test_copies_are_told_by_their_bytes(tmp_path: Path, kind: str, copy: str) -> None:
    data = write_parquet(tmp_path / "data", kind)
    assert copy_of(Recipe(data=DataConfig(path=str(data)))) == copy


def test_signals_and_arrays_are_originals() -> None:
    assert copy_of(Recipe(data=DataConfig(path="digits"))) == "original"


def test_estimates() -> None:
    """resnet20 at 32 pixels takes 40.6 M multiply-adds (docs/catalog.md); 3,125 batches of 16."""
    row = replace(ROW, input=(3, 32, 32), samples=50_000)
    computing = 3 * 40.6e6 * 2 * 50_000 / module.CORES_MACS
    expected = computing + 2 * 3125 * module.UPDATE_SECONDS
    assert estimated_hours(row) == pytest.approx(expected / 3600, rel=0.01)


def test_command_line(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("residua.recipes.row_table.ROWS", (ROW,))
    options = [
        *("--seeds", "0", "--short", "--threads", "1", "--quiet", "--data", str(place.data)),
        *("--out", str(place.out), "--results", str(place.results)),
    ]
    assert run_command(["reproduce", "patterns*", *options, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["name"] == ROW.name
    assert record["measurements"][0]["seeds"][0]["seed"] == 0
    assert run_command(["reproduce", "--list"]) == 0
    assert "patterns-resnet20" in capsys.readouterr().out
    assert run_command(["reproduce", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["published"] == [0.99]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no row was named"),
        (["nothing"], "unknown row 'nothing'"),
        (["cifar10-resnet20", "--seeds", "1", "1"], "wrong seeds"),
        (["cifar10-resnet20", "--minutes", "0"], "wrong minutes"),
        (["cifar10-resnet20", "--data", "nowhere/at/all"], "no such file"),
    ],
)
def test_bad_arguments_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["reproduce", *arguments]) != 0
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.rglob("*.json"))
