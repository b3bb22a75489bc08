"""What evaluate and predict cannot answer."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from tests.cli.bad_input.tools import Capture, fails, png_header, succeeds

from residua.cli.main import run_command
from residua.evaluation.results import Evaluation


def test_other_data_is_matched_by_class_names(
    capsys: Capture, finished: Path, pictures: Path, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    for name in ("rows", "columns"):
        shutil.copytree(pictures / name, some / name)
    out, _ = succeeds(capsys, "evaluate", finished, some, "--json")
    found = Evaluation.from_json(json.loads(out))
    assert [row.n for row in found.classes] == [24, 0, 24]
    all_of_it, _ = succeeds(capsys, "evaluate", finished, pictures, "--split", "all", "--json")
    confusion = Evaluation.from_json(json.loads(all_of_it)).confusion
    assert found.confusion == (confusion[0], (0, 0, 0), confusion[2])
    (some / "rows").rename(some / "zebra")
    words = "does not know 1 of the classes|columns, dots, rows|received zebra"
    fails(capsys, 1, words, "evaluate", finished, some)


def test_wrong_splits(capsys: Capture, finished: Path, pictures: Path) -> None:
    words = "unknown split 'tset'|Did you mean test?"
    fails(capsys, 2, words, "evaluate", finished, "--split", "tset")
    fails(capsys, 2, "unknown data set|'nodata'", "evaluate", finished, "nodata")


def test_predict_names_bad_files_and_answers_the_rest(
    capsys: Capture, finished: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "żółw ünï"
    folder.mkdir()
    for name in ("with space.png", "[odd].png", "λ.png"):
        shutil.copy(pictures / "rows" / "0.png", folder / name)
    (folder / "bad.png").write_text("no picture")
    (folder / "huge.png").write_bytes(png_header(100_000, 100_000))
    assert run_command(["predict", str(finished), str(folder), str(tmp_path / "gone.png")]) == 1
    out, err = capsys.readouterr()
    lines = dict(line.split("\t", 1) for line in out.splitlines())
    assert err == "residua: 3 of the inputs could not be read\n"
    assert lines[f"{folder}/bad.png"].startswith("error: cannot decode")
    assert "100,000" not in lines[f"{folder}/huge.png"]
    assert "claims more than" in lines[f"{folder}/huge.png"]
    assert lines[f"{tmp_path}/gone.png"].startswith("error: cannot be opened")
    good = {lines[f"{folder}/{name}"] for name in ("with space.png", "[odd].png", "λ.png")}
    assert len(good) == 1
    assert "error" not in good.pop()


def test_predict_of_nothing(
    capsys: Capture, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(capsys, 2, "nothing to classify|expected files, folders", "predict", finished)
    words = f"no pictures found|a folder with pictures|'{tmp_path}'|.png"
    fails(capsys, 1, words, "predict", finished, tmp_path)
    pattern = f"{tmp_path}/*.png"
    fails(capsys, 1, f"no pictures found|a pattern|{pattern}", "predict", finished, pattern)
    fails(capsys, 2, "wrong batch_size|>= 1", "predict", finished, "x.png", "--batch-size", 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert succeeds(capsys, "predict", finished, "-") == ("", "")
