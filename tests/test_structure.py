"""The source is what docs/architecture.md says, in files and functions of readable size."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "src").rglob("*.py"))


def test_map_of_files_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "map_files.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, node.name


def test_light_imports_stay_light() -> None:
    """The command line must answer before torch, torchvision or matplotlib are loaded."""
    code = (
        "import sys, residua, residua.cli.main, residua.cli.list, residua.recipes.presets;"
        "from residua.networks.catalog import list_models; list_models();"
        "heavy = {'torch', 'torchvision', 'matplotlib', 'sklearn', 'pyarrow', 'scipy'};"
        "sys.exit(','.join(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stderr.strip() == ""
