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
