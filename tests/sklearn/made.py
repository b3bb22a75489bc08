"""Small data that a small network learns in a second."""

from typing import Any

import numpy as np

SMALL: dict[str, Any] = {
    "network": "resnet1d_wang",
    "epochs": 4,
    "batch_size": 16,
    "random_state": 0,
    "threads": 1,
}
"""Parameters of estimators of signals."""


def waves(count: int, *, seed: int = 0, steps: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """``[n, t]`` noisy waves, and what they are called: slow or fast."""
    generator = np.random.default_rng(seed)
    fast = np.arange(count) % 2
    phases = generator.uniform(0, 2 * np.pi, (count, 1))
    angles = np.arange(steps) * (0.2 + 0.6 * fast[:, None]) + phases
    values = np.sin(angles) + generator.normal(0, 0.2, (count, steps))
    return values, np.where(fast, "fast", "slow")


def stripes(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ``[n, 12, 12]`` pictures, and whether their stripes are upright."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:12, :12]
    upright = np.arange(count) % 2
    patterns = np.where(upright[:, None, None], x % 4 < 2, y % 4 < 2)
    noise = generator.normal(0, 20, patterns.shape)
    return np.clip(patterns * 150 + 50 + noise, 0, 255).astype(np.uint8), upright
