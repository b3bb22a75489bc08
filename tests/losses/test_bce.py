"""Binary cross-entropy of classes against float64 formulas, timm's among them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from residua.errors import UsageError
from residua.losses.classification import binary_cross_entropy_of_classes as bce
from residua.methods.config import SupervisedConfig

K = 5


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, hard targets, and targets of two classes each."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(16, K, generator=generator) * 4
    hard = torch.randint(K, (16,), generator=generator)
    share = torch.linspace(0, 1, 16)[:, None]
    eye = torch.eye(K)
    return logits, hard, share * eye[hard] + (1 - share) * eye[(hard + 1) % K]


def formula(logits: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Mean over classes of -t log p - (1 - t) log(1 - p), in float64 from the definition."""
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    return -(rows * np.log(p) + (1 - rows) * np.log(1 - p)).mean(-1)


def dense(targets: torch.Tensor) -> np.ndarray:
    return (torch.eye(K)[targets] if targets.ndim == 1 else targets).double().numpy()


@pytest.mark.parametrize("kind", ["hard", "mixed"])
@pytest.mark.parametrize("threshold", [None, 0.2, 0.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_definition(case, kind, threshold, smoothing):
    logits, hard, mixed = case
    targets = hard if kind == "hard" else mixed
    rows = dense(targets)
    if threshold is not None:
        rows = np.where(rows > threshold, 1.0, 0.0)
    rows = rows * (1 - smoothing) + smoothing / K
    losses = bce(logits, targets, label_smoothing=smoothing, threshold=threshold)
    assert losses.shape == (16,)
    np.testing.assert_allclose(losses.numpy(), formula(logits, rows), rtol=1e-5, atol=1e-6)


def test_the_gradient_is_that_of_the_formula(case):
    logits, _, mixed = case
    exact = logits.double().requires_grad_()
    bce(exact, mixed, threshold=0.3, label_smoothing=0.1).sum().backward()
    rows = np.where(dense(mixed) > 0.3, 1.0, 0.0) * 0.9 + 0.1 / K
    expected = (1 / (1 + np.exp(-exact.detach().numpy())) - rows) / K
    np.testing.assert_allclose(exact.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


def timm_formula(logits, targets, *, smoothing, threshold):
    """timm's BinaryCrossEntropy, written out in float64 with numpy: classes are smoothed to
    ``1 - s + s/k`` and ``s/k``, dense targets are not, and a threshold comes last."""
    if targets.ndim == 1:
        rows = np.full((len(targets), K), smoothing / K)
        rows[np.arange(len(targets)), targets.numpy()] = 1 - smoothing + smoothing / K
    else:
        rows = targets.double().numpy()
    if threshold is not None:
        rows = (rows > threshold).astype(np.float64)
    return formula(logits, rows).mean()


@pytest.mark.parametrize(
    ("kind", "smoothing", "threshold"),
    [
        ("hard", 0.1, None),  # mixed targets timm smooths elsewhere, where it mixes
        ("hard", 0.0, 0.2),
        ("mixed", 0.0, 0.2),
        ("mixed", 0.0, None),
    ],
)
def test_equals_timm_where_the_definitions_coincide(case, kind, smoothing, threshold):
    logits, hard, mixed = case
    targets = hard if kind == "hard" else mixed
    mean = bce(logits, targets, label_smoothing=smoothing, threshold=threshold).mean()
    expected = timm_formula(logits, targets, smoothing=smoothing, threshold=threshold)
    assert float(mean) == pytest.approx(expected, rel=1e-5)


@given(share=st.floats(0.21, 0.79), at=st.permutations(range(K)))
def test_above_the_threshold_both_classes_of_a_mixture_count_alike(share, at):
    logits = torch.linspace(-2, 2, K)[None, list(at)]
    one, other, both = (torch.zeros(1, K) for _ in range(3))
    one[0, 0], one[0, 1] = share, 1 - share
    other[0, 0], other[0, 1] = 1 - share, share
    both[0, :2] = 1
    losses = bce(logits, one, threshold=0.2)
    assert losses.equal(bce(logits, other, threshold=0.2))
    np.testing.assert_allclose(losses.numpy(), formula(logits, dense(both)), rtol=1e-5)


def test_weights_are_those_of_the_classes_before_the_threshold(case):
    logits, hard, mixed = case
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0, 0.1])
    for targets in (hard, mixed):
        plain = bce(logits, targets, threshold=0.2).double().numpy()
        found = bce(logits, targets, threshold=0.2, class_weights=weights)
        expected = plain * (dense(targets) * weights.double().numpy()).sum(1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_is_computed_in_float32_and_finite_for_huge_logits():
    logits = torch.tensor([[300.0, -300.0]], dtype=torch.bfloat16)
    losses = bce(logits, torch.tensor([1]))
    assert losses.dtype == torch.float32
    assert losses.item() == pytest.approx(300, rel=0.01)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"threshold": 1.0}, "threshold"), ({"label_smoothing": 1.0}, "label_smoothing")],
)
def test_values_out_of_range_are_named(options, word):
    with pytest.raises(UsageError, match=word):
        bce(torch.zeros(2, 3), torch.tensor([0, 1]), **options)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(UsageError, match="targets do not fit"):
        bce(torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (SupervisedConfig(loss="bce", bce_threshold=1.5), "bce_threshold"),
        (SupervisedConfig(bce_threshold=0.2), "another loss"),
    ],
)
def test_options_that_do_not_fit_are_one_line(config, word):
    with pytest.raises(UsageError, match=word) as caught:
        config.check()
    assert "\n" not in str(caught.value)
