"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

# one thread a test process: several run side by side, and torch reads this when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip without it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets (../shared/data) are not at hand")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of decoded pictures stay out of the user's, those of shared fixtures too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESIDUA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


def make_pictures(root: Path, per_class: int = 24, size: int = 16) -> Path:
    """A small data set that trains in a second.

    ``root/CLASS/*.png``: horizontal stripes, vertical stripes, dots, each with noise.
    """
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    patterns = {"rows": y % 4 < 2, "columns": x % 4 < 2, "dots": (x % 4 < 2) & (y % 4 < 2)}
    for name, pattern in patterns.items():
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            noise = generator.normal(0, 40, (size, size))
            values = np.clip(pattern * 180 + 30 + noise, 0, 255).astype(np.uint8)
            Image.fromarray(values).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("data") / "patterns")
