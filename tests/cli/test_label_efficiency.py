"""`residua label-efficiency` as a user calls it; runs are written down instead of trained."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.run.label_fakes import fake_run

from residua.cli.label_efficiency import parse
from residua.cli.main import run_command
from residua.recipes.presets import audio, fast
from residua.recipes.recipe import Recipe
from residua.report.label_curve import Curve
from residua.run import label_efficiency
from residua.run.folder import RunFolder
from residua.run.terminal import Terminal

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """What would have been trained."""
    found: list[Recipe] = []

    def completed(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
        if not RunFolder(folder).summary.exists():
            found.append(recipe)
            accuracy = None if recipe.pretrain.active else 0.5 + 0.01 * len(found)
            fake_run(folder, accuracy, recipe=recipe)
        return RunFolder(folder)

    def drawn(folder: Path, curves: Sequence[Curve], **texts: str) -> None:
        (folder / "curve.svg").write_text(repr((curves, texts)))

    monkeypatch.setattr(label_efficiency, "completed", completed)
    monkeypatch.setattr(label_efficiency, "fitted", completed)
    monkeypatch.setattr(label_efficiency, "write_label_curve", drawn)
    return found


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = run_command(["label-efficiency", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_lines_then_the_table(capsys: Capture, pictures: Path, tmp_path: Path) -> None:
    arguments = pictures, "--labels-per-class", 2, 4, "--arms", "scratch,full", "--seeds", 2
    code, out, err = call(capsys, *arguments, "--out", tmp_path)
    assert code == 0
    lines = err.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("[1/6] scratch, 2 labels a class, seed 0: 51.0 % of 200")
    assert lines[-1] == "[6/6] full, all labels, seed 1: 56.0 % of 200"
    heading, *rows = out.splitlines()
    assert heading.split()[:2] == ["arm", "labels"]
    assert [row.split()[0] for row in rows[1:4]] == ["scratch", "scratch", "full"]
    assert str(tmp_path / "table.md") in out
    again = call(capsys, *arguments, "--out", tmp_path)
    assert again == (0, out, "")


def test_json_has_the_rows_and_nothing_else(
    capsys: Capture, pictures: Path, tmp_path: Path
) -> None:
    code, out, _ = call(
        capsys, pictures, "--labels-per-class", 2, "--arms", "scratch,ssl", "--seeds", 3,
        "--out", tmp_path, "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert (code, found["complete"], found["missing"]) == (0, True, [])
    assert [(row["arm"], row["labels"], row["seeds"]) for row in found["rows"]] == [
        ("scratch", 2, 3),
        ("ssl", 2, 3),
    ]
    low, high = found["rows"][1]["difference_low"], found["rows"][1]["difference_high"]
    assert low <= found["rows"][1]["difference"] <= high


def test_one_seed_is_told_to_have_no_interval(
    capsys: Capture, pictures: Path, tmp_path: Path
) -> None:
    code, out, _ = call(
        capsys, pictures, "--labels-per-class", 2, "--arms", "scratch", "--seeds", 1,
        "--out", tmp_path, "--quiet",
    )  # fmt: skip
    assert code == 0
    assert "there are no intervals" in out
    assert " to " not in out.split("\n")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--arms", "scratch,sll"], 2, "unknown arm 'sll'. Did you mean"),
        (["--arms", ","], 2, "no arms: expected scratch"),
        (["--labels-per-class", "1", "999"], 1, "fewer labelled samples than asked for"),
        (["--seeds", "0"], 2, "--seeds does not fit: expected at least 1, received 0"),
        (["--epochs", "3"], 2, "--epochs"),
        (["--network", "resnet21", "--arms", "scratch"], 2, "unknown network 'resnet21'"),
        (["--schedule", "plateau"], 2, "validation does not steer"),
        (["--semi", "none"], 2, "--semi"),
    ],
)
def test_bad_input_is_one_line(
    capsys: Capture,
    pictures: Path,
    tmp_path: Path,
    made: list[Recipe],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    out = tmp_path / "out"
    found, printed, err = call(capsys, pictures, *arguments, "--out", out)
    assert (found, printed, made, out.exists()) == (code, "", [], False)
    assert message in err
    assert err.count("\n") == 1


def test_options_of_training_are_options_here() -> None:
    command = parse(["digits", "--labels-per-class", "3", "--lr", "0.3", "--updates", "70"])
    usual = fast()
    assert command.labels_per_class == (3,)
    assert command.config.training.updates == 70
    optimizer = replace(usual.training.optimizer, lr=0.3)
    assert command.config.training == replace(usual.training, updates=70, optimizer=optimizer)
    assert command.config.method == usual.method
    assert (
        parse(["digits", "--recipe", "audio"]).config.training.updates == audio().training.updates
    )


def test_methods_are_those_asked_for(
    capsys: Capture, pictures: Path, tmp_path: Path, made: list[Recipe]
) -> None:
    call(
        capsys, pictures, "--labels-per-class", 2, "--arms", "semi,ssl", "--seeds", 1,
        "--ssl", "vicreg", "--ssl-mode", "probe", "--semi", "fixmatch", "--pretrain-updates", 33,
        "--out", tmp_path, "--quiet",
    )  # fmt: skip
    features, ssl, semi = made
    assert features.pretrain.pretrain == "vicreg"
    assert features.training.updates == 33
    assert features.augment.jitter_probability > 0
    assert (ssl.semi.semi, ssl.network.freeze > 0) == ("none", True)
    assert (semi.semi.semi, semi.training.updates) == ("fixmatch", 1000)
