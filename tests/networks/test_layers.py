"""Layers whose behaviour is not torch's own."""

import pytest
import torch

from residua.networks.layers import StochasticDepth, conv


def test_stochastic_depth_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = StochasticDepth(0.25)
    y = layer(torch.ones(4000, 3, 2))
    per_sample = y.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    assert per_sample[:, 0].unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert y.mean() == pytest.approx(1, abs=0.03)
    x = torch.randn(5, 2)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_convolutions_keep_the_size(rank, kernel):
    x = torch.randn(1, 4, *(9, 8)[:rank])
    assert conv(rank, 4, 4, kernel)(x).shape == x.shape
    strided = conv(rank, 4, 2, kernel, stride=2, groups=2)(x)
    assert strided.shape == (1, 2, *(5, 4)[:rank])


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize(("rank", "size"), [(1, (1,)), (2, (1, 1)), (2, (3, 1))])
def test_strided_convolutions_of_one_column_have_gradients_in_bf16(rank, size, kernel):
    """torch leaves uninitialised memory there: as it may hold anything, it is filled first."""
    torch.manual_seed(0)
    layer = conv(rank, 32, 64, kernel, stride=2)
    x = torch.randn(4, 32, *size)
    y = layer(x)
    (expected,) = torch.autograd.grad(y.square().sum(), layer.weight)
    for _ in range(8):
        for count in (3_000_000, 300_000):
            torch.full((count,), torch.nan)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = layer(x)
        assert low.shape == y.shape
        (found,) = torch.autograd.grad(low.float().square().sum(), layer.weight)
        torch.testing.assert_close(found, expected, atol=0.02 * float(expected.max()), rtol=0)
