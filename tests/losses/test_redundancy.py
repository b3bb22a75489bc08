"""VICReg's three terms against the paper's formulas, written as loops in float64."""

import pytest
import torch

from residua.errors import UsageError
from residua.losses.redundancy import covariance, invariance, variance


def rows(seed=0, n=6, d=4, scale=0.8, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(n, d, generator=generator, dtype=torch.float64)
    made = made @ torch.randn(d, d, generator=generator, dtype=torch.float64)  # correlated
    return (scale * made + 3).to(dtype).requires_grad_()


def variance_by_the_paper(z):
    n, d = z.shape
    total = 0
    for j in range(d):
        mean = sum(z[i, j] for i in range(n)) / n
        unbiased = sum((z[i, j] - mean) ** 2 for i in range(n)) / (n - 1)
        total = total + (1 - (unbiased + 1e-4).sqrt()).clamp(min=0)
    return total / d


def covariance_by_the_paper(z):
    n, d = z.shape
    mean = sum(z[i] for i in range(n)) / n
    matrix = sum(torch.outer(z[i] - mean, z[i] - mean) for i in range(n)) / (n - 1)
    return sum(matrix[j, k] ** 2 for j in range(d) for k in range(d) if j != k) / d


def relative(found, expected):
    gap = (found.double() - expected).abs().max() / expected.abs().max()
    return float(gap.detach())


@pytest.mark.parametrize("scale", [0.1, 0.4])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(variance, variance_by_the_paper), (covariance, covariance_by_the_paper)],
)
def test_values_and_gradients_are_the_papers(ours, theirs, scale):
    one, other = rows(scale=scale, dtype=torch.float32), rows(scale=scale)
    with torch.no_grad():
        other.copy_(one)  # the same numbers: what float32 lost of the offset is not ours to find
    found, expected = ours(one), theirs(other)
    assert float(expected.detach()) > 0
    assert relative(found, expected) < 1e-5
    found.backward()
    expected.backward()
    assert relative(one.grad, other.grad) < 1e-5


def test_invariance_is_the_mean_squared_difference():
    one, other = rows(0), rows(1)
    found = invariance(one, other)
    for i in range(6):
        expected = sum((one[i, j] - other[i, j]) ** 2 for j in range(4)) / 4
        torch.testing.assert_close(found[i], expected)
    found.sum().backward()
    torch.testing.assert_close(one.grad, (one - other).detach() / 2)


def test_lightly_agrees():
    lightly = pytest.importorskip("lightly.loss")
    one, other, mirrored = rows(0, n=8), rows(1, n=8), [rows(0, n=8), rows(1, n=8)]
    ours = 25 * (invariance(one, other).mean() + variance(one) + variance(other))
    ours = ours + covariance(one) + covariance(other)
    # lightly halves the variance term, as the authors' code does; the paper does not
    theirs = lightly.VICRegLoss(lambda_param=25, mu_param=50, nu_param=1)(*mirrored)
    torch.testing.assert_close(ours, theirs)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(one.grad, mirrored[0].grad)
    torch.testing.assert_close(other.grad, mirrored[1].grad)


@pytest.mark.parametrize("term", [variance, covariance])
def test_rows_that_are_no_samples_count_nothing(term):
    samples = rows(scale=0.1).detach()
    padded = torch.cat([samples[:2], torch.full((1, 4), 7.0), samples[2:], torch.zeros(1, 4)])
    padded.requires_grad_()
    found = term(padded, valid=torch.tensor([1, 1, 0, 1, 1, 1, 1, 0.0]))
    torch.testing.assert_close(found, term(samples))
    found.backward()
    assert torch.equal(padded.grad[[2, 7]], torch.zeros(2, 4, dtype=torch.float64))


def test_collapsed_and_spread_embeddings():
    point = torch.ones(5, 3)
    assert float(variance(point)) == pytest.approx(1 - 1e-2)
    assert float(covariance(point)) == 0
    assert float(variance(10 * rows().detach())) == 0


def test_autocast_does_not_round_them():
    one = rows(dtype=torch.float32).detach()
    plain = [variance(one), covariance(one)]
    with torch.autocast("cpu", torch.bfloat16):
        assert [variance(one), covariance(one)] == plain
        assert covariance(one.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("term", [variance, covariance])
def test_one_sample_has_no_variance(term):
    with pytest.raises(UsageError, match="variances need several samples"):
        term(torch.ones(1, 3))


def test_views_of_other_shapes():
    with pytest.raises(UsageError, match="do not fit together"):
        invariance(torch.ones(2, 3), torch.ones(3, 3))
