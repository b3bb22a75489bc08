"""Cross-entropy against float64 formulas, torch and scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from residua.errors import LabelError, UsageError
from residua.losses.classification import balanced_class_weights, cross_entropy


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, hard targets, soft targets, class weights."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(16, 5, generator=generator) * 3
    hard = torch.randint(5, (16,), generator=generator)
    soft = torch.rand(16, 5, generator=generator).softmax(-1)
    return logits, hard, soft, torch.tensor([0.3, 1.0, 2.0, 0.7, 5.0])


def formula(logits, target_rows, smoothing, weights):
    """-w sum_k t_k log p_k in float64, straight from the definition."""
    exponentials = np.exp(logits.double().numpy())
    probabilities = exponentials / exponentials.sum(-1, keepdims=True)
    rows = target_rows.double().numpy()
    smoothed = (1 - smoothing) * rows + smoothing / rows.shape[1]
    losses = -(smoothed * np.log(probabilities)).sum(-1)
    return losses if weights is None else losses * (rows * weights.double().numpy()).sum(-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_equals_the_definition(case, smoothing, weighted, kind):
    logits, hard, soft, weights = case
    weights = weights if weighted else None
    targets = hard if kind == "hard" else soft
    rows = F.one_hot(hard, 5) if kind == "hard" else soft
    losses = cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=weights)
    expected = formula(logits, rows, smoothing, weights)
    assert losses.shape == (16,)
    np.testing.assert_allclose(losses.numpy(), expected, rtol=2e-6, atol=1e-6)


def test_equals_torch_where_the_definitions_coincide(case):
    logits, hard, soft, weights = case
    for targets, smoothing in ((hard, 0.0), (hard, 0.2), (soft, 0.0), (soft, 0.2)):
        torch.testing.assert_close(
            cross_entropy(logits, targets, label_smoothing=smoothing),
            F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none"),
        )
    torch.testing.assert_close(
        cross_entropy(logits, hard, class_weights=weights),
        F.cross_entropy(logits, hard, weight=weights, reduction="none"),
    )


def test_hard_targets_equal_their_one_hot_rows(case):
    logits, hard, _, weights = case
    options = {"label_smoothing": 0.1, "class_weights": weights}
    torch.testing.assert_close(
        cross_entropy(logits, hard, **options),
        cross_entropy(logits, F.one_hot(hard, 5).float(), **options),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_computed_in_float32(case, dtype):
    logits, hard, soft, weights = case
    half = logits.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for targets in (hard, soft):
            losses = cross_entropy(half, targets, label_smoothing=0.1, class_weights=weights)
            exact = cross_entropy(
                half.double(), targets, label_smoothing=0.1, class_weights=weights
            )
            assert losses.dtype == torch.float32
            torch.testing.assert_close(losses.double(), exact, rtol=1e-6, atol=1e-6)


def test_gradient_equals_finite_differences(case):
    logits, hard, soft, weights = (tensor[:4] for tensor in case)
    weights = case[3].double()
    logits = logits.double().requires_grad_()
    for targets in (hard, soft.double()):
        torch.autograd.gradcheck(
            lambda x, t=targets: cross_entropy(x, t, label_smoothing=0.1, class_weights=weights),
            logits,
        )


def test_stays_finite_for_extreme_logits():
    logits = torch.tensor([[1e4, -1e4], [-float("inf"), 0.0]])
    losses = cross_entropy(logits, torch.tensor([0, 1]))
    assert losses.tolist() == [0.0, 0.0]


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=30).filter(any))
def test_balanced_weights_have_expectation_one(counts):
    counts = torch.tensor(counts)
    weights = balanced_class_weights(counts)
    mean = (weights.double() * counts).sum() / counts.sum()
    assert mean.item() == pytest.approx(1.0, rel=1e-6)
    # every class that has samples has the same say
    shares = (weights.double() * counts)[counts > 0]
    torch.testing.assert_close(shares, shares.mean().expand_as(shares), rtol=1e-6, atol=0)


def test_balanced_weights_equal_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], [5, 20, 75])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    weights = balanced_class_weights(torch.tensor([5, 20, 75]))
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)


def test_class_without_samples_weighs_one_and_does_not_dilute_the_others():
    assert balanced_class_weights(torch.tensor([10, 0, 30])).tolist() == [
        2.0,
        1.0,
        pytest.approx(2 / 3),
    ]
    with pytest.raises(LabelError, match="at least one"):
        balanced_class_weights(torch.tensor([0, 0]))


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), {}, "targets do not fit"),
        (torch.zeros(2, 3), {}, "targets do not fit"),
        (torch.zeros(2), {}, "targets do not fit"),
        (torch.zeros(2, 4, dtype=torch.int64), {}, "targets do not fit"),
        (torch.zeros(2, dtype=torch.int64), {"label_smoothing": 1.0}, "label_smoothing"),
        (torch.zeros(2, dtype=torch.int64), {"class_weights": torch.ones(3)}, "one weight"),
    ],
)
def test_misfits_are_named(targets, options, message):
    with pytest.raises(UsageError, match=message):
        cross_entropy(torch.zeros(2, 4), targets, **options)
