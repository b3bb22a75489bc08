"""A complete run, copies to spoil, and no report behind every training."""

import shutil
from pathlib import Path

import pytest
from tests.cli.bad_input.tools import train

from residua.cli.main import run_command


@pytest.fixture(scope="session")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert run_command([str(argument) for argument in train(pictures, run)]) == 0
    return run


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of training it takes as long as the rest; the verb report writes it still."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A complete run to damage."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def own_pictures(pictures: Path, tmp_path: Path) -> Path:
    """Pictures to spoil."""
    return Path(shutil.copytree(pictures, tmp_path / "pictures"))
