"""Data to spoil, complete runs, and no report behind every training."""

from pathlib import Path

import pytest
from tests.cli.bad_series.tools import WHOLE, clips, pair, train

from residua.cli.main import run_command


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of training it takes as long as the rest."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pair(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, signals, sounds, pictures) -> dict[str, Path]:
    """A complete run of each kind of data."""
    folder = tmp_path_factory.mktemp("runs")
    found: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
        for name, data in (("signals", signals), ("sounds", sounds), ("pictures", pictures)):
            found[name] = folder / name
            command = train(data, found[name], *WHOLE)
            assert run_command([str(argument) for argument in command]) == 0
    return found
