import numpy as np
import pytest

from residua.errors import LabelError
from residua.evaluation import calibration
from residua.evaluation.calibration import fit_temperature
from residua.evaluation.metrics import log_loss


def overconfident(scale: float, n: int = 4000, k: int = 5):
    """Labels drawn from softmax(z); the logits shown are ``scale`` times z."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, k)) * 2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    labels = (p.cumsum(1) < rng.random((n, 1))).sum(1)
    return (z * scale).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0, 10.0])
def test_finds_the_scale_that_was_put_in(scale):
    assert fit_temperature(*overconfident(scale)) == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_agrees_with_a_general_minimiser(scale):
    from scipy.optimize import minimize_scalar

    logits, labels = overconfident(scale)

    def loss(log_t: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_t)
        anything = np.mean([log_loss(scaled, np.full_like(labels, k)) for k in range(5)])
        return log_loss(scaled, labels) * len(labels) + anything

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    assert fit_temperature(logits, labels) == pytest.approx(np.exp(best.x), rel=1e-5)


def test_newton_leaves_its_start_even_when_that_is_flat():
    # Logits so large that all curvature at T = 1 underflows: only bisection can move.
    logits, labels = overconfident(1.0)
    assert fit_temperature(logits * 15.0, labels) == pytest.approx(15, rel=0.06)


def test_bounds_hold_where_no_minimum_exists():
    right = np.eye(3, dtype=np.float32)
    assert fit_temperature(right * 1e-3, np.arange(3)) == calibration.LOWEST
    assert fit_temperature(right, (np.arange(3) + 1) % 3) == calibration.HIGHEST
    assert fit_temperature(np.zeros((3, 3), np.float32), np.arange(3)) == calibration.HIGHEST


@pytest.mark.parametrize("n", [1, 2, 30, 1000])
def test_a_few_right_answers_make_no_certainty(n):
    """One more sample of any label: n samples of two classes are right with (n + 1/2) / (n + 1)."""
    labels = np.arange(n) % 2
    logits = np.where(np.arange(2) == labels[:, None], 4.0, -4.0).astype(np.float32)
    confidence = 1 / (1 + np.exp(-8 / fit_temperature(logits, labels)))
    assert confidence == pytest.approx((n + 0.5) / (n + 1), rel=1e-6)


def test_unlabelled_samples_are_left_out():
    logits, labels = overconfident(3.0)
    wrong = -np.abs(logits)
    both = np.concatenate([logits, wrong]), np.concatenate([labels, np.full(len(wrong), -1)])
    assert fit_temperature(*both) == fit_temperature(logits, labels)
    with pytest.raises(LabelError, match="labelled validation samples"):
        fit_temperature(logits, np.full(len(labels), -1))
