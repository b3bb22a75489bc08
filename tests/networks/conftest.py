"""Shared by the tests of networks."""

from pathlib import Path
from types import ModuleType

import pytest
from tests.scripts import load_script


@pytest.fixture(scope="session")
def snapshots() -> ModuleType:
    """make_snapshots.py, for its deterministic weights and picture."""
    return load_script(Path(__file__).with_name("make_snapshots.py"))
