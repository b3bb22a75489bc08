"""Shared by the tests of networks."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def snapshots() -> ModuleType:
    """make_snapshots.py, for its deterministic weights and picture."""
    path = Path(__file__).with_name("make_snapshots.py")
    spec = importlib.util.spec_from_file_location("make_snapshots", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
