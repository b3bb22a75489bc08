"""Run folders, weights and checkpoints that are taken, damaged or of another kind."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.bad_input.tools import Capture, fails, succeeds, train

from residua.cli.main import run_command


def test_run_folder_that_is_taken_or_cannot_be(
    capsys: Capture, pictures: Path, finished: Path, tmp_path: Path
) -> None:
    words = f"{finished} already holds a run|Choose another --run|residua resume"
    fails(capsys, 2, words, *train(pictures, finished))
    (tmp_path / "file").write_text("")
    words = "a run needs a folder|received the file"
    fails(capsys, 2, words, *train(pictures, tmp_path / "file"))
    words = "cannot be made|Not a directory|Choose another --run"
    fails(capsys, 2, words, *train(pictures, tmp_path / "file" / "run"))


def test_a_run_that_fails_before_it_begins_leaves_its_folder_free(
    capsys: Capture, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    fails(capsys, 2, "drop_rate", *train(pictures, run, "--drop-rate", 2))
    assert not run.exists()
    succeeds(capsys, *train(pictures, run))


@pytest.mark.parametrize("verb", ["resume", "report", "evaluate", "predict"])
def test_no_run(capsys: Capture, pictures: Path, tmp_path: Path, verb: str) -> None:
    inputs = [pictures] if verb == "predict" else []
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Malicious(tmp_path)))
    pairs = ((pictures, ""), (tmp_path / "nowhere", "folder"), (tmp_path / "weights.pth", "a file"))
    for path, word in pairs:
        fails(capsys, 1, f"run|{path}|{word}", verb, path, *inputs)
    assert not (tmp_path / "executed").exists()


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder / "executed"),)


def test_the_malicious_pickle_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(tmp_path)))
    assert (tmp_path / "executed").is_dir()


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_pickles_are_never_executed(
    capsys: Capture, pictures: Path, copy: Path, tmp_path: Path, writer: str
) -> None:
    weights = tmp_path / "weights.pth"
    if writer == "pickle":
        weights.write_bytes(pickle.dumps({"conv1.weight": Malicious(tmp_path)}))
    else:
        torch.save({"conv1.weight": Malicious(tmp_path)}, weights)
    words = f"pickled objects|expected tensors only|{weights}|safetensors"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", "--start", weights))
    for path in copy.rglob("model.safetensors"):
        shutil.copy(weights, path)
    assert run_command(["predict", str(copy), str(pictures)]) == 1
    _, err = capsys.readouterr()
    assert "does not match its checksum" in err
    assert "no usable checkpoint" in err.splitlines()[-1]
    assert not (tmp_path / "executed").exists()


def test_weights_that_do_not_fit(
    capsys: Capture, pictures: Path, finished: Path, tmp_path: Path
) -> None:
    other = ["--start", finished, "--network", "resnet32"]
    words = "another network|expected resnet32, received resnet20|--network resnet20"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", *other))
    model = finished / "checkpoints" / "final" / "model.safetensors"
    other = ["--start", model, "--network", "resnet32"]
    words = "do not fit network 'resnet32'|missing|layer1.3"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", *other))
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    (tmp_path / "text.pth").write_text("weights")
    for start, words in (
        (tmp_path / "x.safetensors", "do not fit|unexpected: x"),
        (tmp_path / "text.pth", "not a file of weights|expected safetensors"),
        (tmp_path / "nowhere.pth", "no such file|nowhere.pth"),
        (pictures, f"not a checkpoint|checkpoint.json|{pictures}"),
    ):
        fails(capsys, 1, words, *train(pictures, tmp_path / "run", "--start", start))


def edit(path: Path, **changes: object) -> None:
    """Changes of a JSON file: ``training__epochs=3``."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        part, _, field = name.rpartition("__")
        (content[part] if part else content)[field] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("code", "words", "changes"),
    [
        (1, "recipe|expected int|training.epochs", {"training__epochs": "many"}),
        (1, "recipe|extra fields found (epoch)", {"training__epoch": 3}),
        (1, "recipe|erasing: expected a probability", {"augment__erasing": 7}),
        (1, "no such file or folder|/nowhere", {"data__path": "/nowhere/data"}),
        (2, "wrong epochs|received -3", {"training__epochs": -3}),
        (2, "unknown network 'resnet21'|resnet20", {"network__network": "resnet21"}),
        (
            1,
            "started with another network.network|expected resnet20, received resnet32|recipe.json",
            {"network__network": "resnet32"},
        ),
        (1, "started with another training.ema|received 0.5", {"training__ema": 0.5}),
        (1, "started with another training.seed|expected 0, received 1", {"training__seed": 1}),
    ],
)
def test_resume_after_the_recipe_was_edited(
    capsys: Capture, copy: Path, code: int, words: str, changes: dict[str, object]
) -> None:
    edit(copy / "recipe.json", **changes)
    (copy / "summary.json").unlink()
    fails(capsys, code, words, "resume", copy, "--quiet")


def test_resume_may_compute_elsewhere(capsys: Capture, copy: Path) -> None:
    edit(copy / "recipe.json", training__threads=1, data__cache="never", data__workers=0)
    (copy / "summary.json").unlink()
    succeeds(capsys, "resume", copy, "--quiet")


@pytest.mark.parametrize("content", ["{nonsense", "[1, 2]", "null", ""])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recipe.json", "recipe"),
        ("summary.json", "damaged summary|residua resume"),
        ("evaluation/test.json", "damaged evaluation|Without it"),
    ],
)
def test_report_of_damaged_files(
    capsys: Capture, copy: Path, content: str, name: str, words: str
) -> None:
    (copy / name).write_text(content)
    fails(capsys, 1, f"{words}|{copy / name}", "report", copy)


@pytest.mark.parametrize("name", ["evaluation/test.safetensors", "metrics.jsonl"])
def test_report_without_what_it_can_do_without(capsys: Capture, copy: Path, name: str) -> None:
    (copy / "report" / "report.html").unlink()
    (copy / name).write_bytes(b"junk")
    _, err = succeeds(capsys, "report", copy)
    assert "Traceback" not in err
    assert ("no samples" in err) == (name != "metrics.jsonl")
    assert (copy / "report" / "report.html").is_file()


def test_report_when_the_data_has_changed(
    capsys: Capture, own_pictures: Path, tmp_path: Path
) -> None:
    succeeds(capsys, *train(own_pictures, tmp_path / "run"))
    shutil.rmtree(own_pictures / "rows")
    _, err = succeeds(capsys, "report", tmp_path / "run")
    assert "warning: the report shows no samples: the data is not what was evaluated" in err


@pytest.mark.parametrize("content", ["{}", "[]", "{half", '{"checksum": "0"}'])
def test_checkpoints_that_are_none(
    capsys: Capture, copy: Path, pictures: Path, content: str
) -> None:
    for path in copy.rglob("checkpoint.json"):
        path.write_text(content)
    final = copy / "checkpoints" / "final"
    fails(capsys, 1, f"{final / 'checkpoint.json'}", "predict", final, pictures)
    assert run_command(["evaluate", str(copy)]) == 1
    _, err = capsys.readouterr()
    assert err.splitlines()[-1] == f"residua: {copy} has no usable checkpoint. Train again"
