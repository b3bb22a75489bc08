"""Losses of labels and quantities, against scikit-learn and numpy in float64."""

import numpy as np
import pytest
import torch

from residua.errors import UsageError
from residua.losses.targets import binary_cross_entropy, squared_error


def test_binary_cross_entropy_is_the_mean_over_known_labels() -> None:
    from sklearn.metrics import log_loss

    torch.manual_seed(0)
    logits, targets = torch.randn(5, 4), torch.randint(0, 2, (5, 4)).float()
    found = binary_cross_entropy(logits, targets)
    p = torch.sigmoid(logits.double()).numpy()
    for row in range(5):
        expected = np.mean([log_loss([t], [[1 - q, q]], labels=[0, 1]) for t, q in
                            zip(targets[row].tolist(), p[row], strict=True)])  # fmt: skip
        assert found[row].item() == pytest.approx(expected, rel=1e-5)
    holes = targets.clone()
    holes[0, 1:] = torch.nan
    holes[1] = torch.nan
    found = binary_cross_entropy(logits, holes)
    alone = log_loss([targets[0, 0]], [[1 - p[0, 0], p[0, 0]]], labels=[0, 1])
    assert found[0].item() == pytest.approx(alone, rel=1e-5)
    assert found[1].item() == 0


def test_gradients_of_unknown_targets_are_zero() -> None:
    for loss in (binary_cross_entropy, squared_error):
        outputs = torch.randn(2, 3, requires_grad=True)
        targets = torch.tensor([[1.0, torch.nan, 0.0], [torch.nan] * 3])
        loss(outputs, targets).sum().backward()
        assert outputs.grad is not None
        assert (outputs.grad == 0).tolist() == [[False, True, False], [True] * 3]


def test_squared_error_is_computed_in_float32() -> None:
    outputs = torch.tensor([[1.0, 3.0]], dtype=torch.bfloat16)
    targets = torch.tensor([[1.5, 2.0]])
    found = squared_error(outputs, targets)
    assert found.dtype == torch.float32
    assert found.tolist() == [0.625]
    assert squared_error(outputs, torch.tensor([[torch.nan, 2.0]])).tolist() == [1.0]


def test_shapes_that_do_not_fit() -> None:
    for targets in (torch.zeros(2), torch.zeros(2, 4), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises(UsageError, match="do not fit"):
            binary_cross_entropy(torch.zeros(2, 3), targets)
