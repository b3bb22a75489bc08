"""A run that was stopped ends as one that was not; what is damaged is noticed."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from residua.cli.main import run_command

OPTIONS = [
    "--network", "resnet20", "--epochs", "2", "--batch-size", "16", "--padding", "1",
    "--threads", "1", "--quiet",
]  # fmt: skip
EVERY_STEP = ["--checkpoint-minutes", "0.00001"]
# all that has a state of its own: average, mixing, stochastic depth, plateau
STATEFUL = [
    "--ema", "0.9", "--mixup", "0.2", "--drop-path-rate", "0.1", "--optimizer", "adamw",
    "--schedule", "plateau", "--patience", "1",
]  # fmt: skip


def train(pictures: Path, run: Path, *options: str) -> int:
    return run_command(["train", str(pictures), "--run", str(run), *OPTIONS, *options])


def start(pictures: Path, run: Path, *options: str, **settings) -> subprocess.Popen:
    command = [sys.executable, "-m", "residua", "train", str(pictures), "--run", str(run)]
    return subprocess.Popen(
        [*command, *OPTIONS, *options], stderr=subprocess.PIPE, text=True, **settings
    )


def wait_for_checkpoints(run: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while len(list(run.glob("checkpoints/step-*"))) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def same_weights(one: Path, two: Path) -> bool:
    a, b = (load_file(run / "checkpoints/final/model.safetensors") for run in (one, two))
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def records(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: line[key] for key in ("step", "lr", "train", "validation")} for line in lines]


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert train(pictures, run, *STATEFUL) == 0
    return run


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_run_ends_with_the_same_bits(
    pictures: Path, whole: Path, tmp_path: Path, workers: int
) -> None:
    run = tmp_path / "run"
    streaming = ["--cache", "never", "--workers", str(workers)]
    process = start(pictures, run, *STATEFUL, *EVERY_STEP, *streaming)
    wait_for_checkpoints(run, 2, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (run / "summary.json").exists()
    assert run_command(["resume", str(run), "--quiet"]) == 0
    assert same_weights(run, whole)
    assert records(run) == records(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_exit(
    pictures: Path, whole: Path, tmp_path: Path, number: int, code: int
) -> None:
    run = tmp_path / "run"
    process = start(pictures, run, *STATEFUL, *EVERY_STEP)
    wait_for_checkpoints(run, 1, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code, errors
    assert errors.count("\n") == 1
    assert f"residua resume {run}" in errors
    assert run_command(["resume", str(run), "--quiet"]) == 0
    assert same_weights(run, whole)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flipped bit":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["flipped bit", "truncated", "missing"])
@pytest.mark.parametrize("file", ["checkpoint.json", "model.safetensors", "training.safetensors"])
def test_damaged_checkpoint_gives_way_to_the_one_before(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, file: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints/final")
    (run / "summary.json").unlink()
    newest = max(run.glob("checkpoints/step-*"))
    damage(newest / file, how)
    assert run_command(["resume", str(run), "--quiet"]) == 0
    assert newest.name in capsys.readouterr().err
    assert same_weights(run, whole)
    assert records(run) == records(whole)


def test_complete_run_is_left_alone(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (whole / "summary.json").stat().st_mtime_ns
    assert run_command(["resume", str(whole)]) == 0
    assert "complete" in capsys.readouterr().out
    assert (whole / "summary.json").stat().st_mtime_ns == before


def test_changed_data_is_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pictures, data)
    assert train(data, run, "--epochs", "1") == 0
    (run / "summary.json").unlink()
    shutil.copy(data / "dots/0.png", data / "dots/new.png")
    assert run_command(["resume", str(run), "--quiet"]) == 1
    assert "not what this run was trained on" in capsys.readouterr().err


def test_full_disk_keeps_the_old_checkpoint(pictures: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk: the first checkpoint fits, the next not."""
    run = tmp_path / "run"
    assert train(pictures, run, "--epochs", "1") == 0
    (run / "summary.json").unlink()
    shutil.rmtree(run / "checkpoints/final")
    recipe = json.loads((run / "recipe.json").read_text())
    recipe["training"]["epochs"] = 2
    (run / "recipe.json").write_text(json.dumps(recipe))
    kept = {path.name for path in run.glob("checkpoints/step-*")}
    process = subprocess.run(
        [sys.executable, "-m", "residua", "resume", str(run), "--quiet"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.returncode == 1
    assert "no space left" in process.stderr
    assert process.stderr.count("\n") == 1
    assert {path.name for path in run.glob("checkpoints/step-*")} == kept
    assert not list(run.glob("checkpoints/.step*"))
    assert run_command(["resume", str(run), "--quiet"]) == 0


def test_diverging_run_stops_before_the_update(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(pictures, run, "--lr", "1e30", "--warmup-epochs", "0") == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "not finite" in message
    assert ".png" in message  # the samples by name
    for checkpoint in run.glob("checkpoints/*/model.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(checkpoint).values())
