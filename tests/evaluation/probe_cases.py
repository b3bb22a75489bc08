"""Features for probes."""

import numpy as np
import torch

from residua.errors import LabelError, NetworkError
from residua.evaluation.embed import Features


def make(n, *, d=12, k=4, seed=0, labels=None, values=None):
    """Features in clouds, one a class, with channels of very different size."""
    generator = np.random.default_rng(seed)
    if labels is None:
        labels = generator.integers(0, k, n)
    centres = np.random.default_rng(99).normal(size=(max(k, 1), d))
    clouds = 0.6 * centres[labels] + generator.normal(size=(n, d))
    if values is None:
        values = (clouds * np.geomspace(0.1, 10, d) + 1).astype(np.float32)
    return Features(
        keys=tuple(f"{i}.png" for i in range(n)),
        rows=np.arange(n) + 5,
        labels=np.asarray(labels, dtype=np.int64),
        values=values,
        seconds=1.5,
        device="cpu",
    )


def shares(logits):
    return torch.from_numpy(logits).double().softmax(dim=1).numpy()


def broken_cases():
    """Bank, queries, the error and its words."""
    good, broken = make(20), make(20)
    broken.values[3, 2] = np.nan
    return [
        (make(20, labels=np.full(20, -1)), good, LabelError, "no labels to probe with"),
        (make(20, labels=np.full(20, 2)), good, LabelError, "labels of at least two classes"),
        (broken, good, NetworkError, r"not numbers for 1 of 20 samples: .* in 3\.png"),
        (good, broken, NetworkError, r"not numbers for 1 of 20 samples: .* in 3\.png"),
    ]
