"""What the system refuses, and interrupts."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.bad_input.tools import Capture, fails, succeeds, train

from residua.cli.main import main


def test_cache_that_cannot_be_written(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "file" / "cache"))
    words = f"cannot write the cache|{tmp_path / 'file'}|Set RESIDUA_CACHE"
    fails(capsys, 1, words, *train(own_pictures, tmp_path / "run"))
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "new" / "cache"))
    succeeds(capsys, *train(own_pictures, tmp_path / "run"))


def test_what_the_system_refuses_is_one_line(
    capsys: Capture, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copy / "report")
    (copy / "report").write_text("in the way")
    fails(capsys, 1, f"cannot go on|Not a directory|{copy / 'report'}", "report", copy)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(*_: object, **__: object) -> None:
    signal.raise_signal(signal.SIGINT)


def test_interrupt_while_decoding(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("residua.run.terminal.Terminal.progress", interrupt)
    err = fails(capsys, 130, "interrupted", *train(own_pictures, tmp_path / "run"))
    assert err == "residua: interrupted\n"
    assert not (tmp_path / "run").exists()


def test_termination_while_decoding(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("residua.run.terminal.Terminal.progress", terminate)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in train(own_pictures, tmp_path / "run")])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stop.value.code == 143
    assert capsys.readouterr().err == "residua: terminated\n"
    assert not list(tmp_path.glob("cache/*.decoded"))


def test_interrupt_while_scoring_can_be_resumed(
    capsys: Capture, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("residua.run.finish.fit_temperature", interrupt)
        words = f"interrupted and saved after step 4|residua resume {run}"
        fails(capsys, 130, words, *train(pictures, run))
    assert not (run / "summary.json").exists()
    succeeds(capsys, "resume", run, "--quiet")
    assert (run / "summary.json").exists()


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_reader_that_stops_reading(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "residua", *arguments],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(write)
    assert process.stderr == ""
    assert process.returncode in (0, 1)
