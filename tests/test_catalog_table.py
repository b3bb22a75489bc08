"""docs/catalog.md is what scripts/catalog_table.py writes today."""

from pathlib import Path
from types import ModuleType

import pytest
from tests.scripts import load_script

from residua.networks.catalog import FACTS, SPECS, get_spec
from residua.run.comparison import costs, usual_input

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(ROOT / "scripts" / "catalog_table.py")


@pytest.fixture(scope="module")
def table() -> dict[str, list[str]]:
    """The cells of docs/catalog.md by network."""
    lines = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): [cell.strip() for cell in row] for row in rows}


def test_every_network_has_its_row_with_what_is_known(
    script: ModuleType, table: dict[str, list[str]]
) -> None:
    assert sorted(table) == sorted(SPECS)
    for name, spec in SPECS.items():
        known = [*script.static_cells(spec), *script.published_cells(spec)]
        assert table[name][:4] + table[name][6:] == known, "run python scripts/catalog_table.py"


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "resnet20", "densenet_bc_100_12", "nin_bn"]
)
def test_costs_are_up_to_date(script: ModuleType, table: dict[str, list[str]], name: str) -> None:
    row = costs(get_spec(name), usual_input(get_spec(name)))
    assert row.parameters == FACTS[name].parameters
    assert table[name][4:6] == script.cost_cells(row), "run python scripts/catalog_table.py"


def test_papers_are_links(script: ModuleType) -> None:
    reference = (
        "He et al., 2016a, Deep Residual Learning for Image Recognition, arXiv:1512.03385, 4"
    )
    assert script.paper(reference) == "He et al., 2016a, arXiv:1512.03385"
    link = script.link("He et al., 2016a, arXiv:1512.03385")
    assert link == "He et al., 2016a, [arXiv:1512.03385](https://arxiv.org/abs/1512.03385)"
    assert script.paper("torchvision V1") == "torchvision V1"
