"""Batch normalisation of unequal lengths learns from valid steps alone."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.distributed as dist
from tests.networks.padded_tools import LENGTHS, signals, together
from torch import nn

from residua.errors import InputShapeError
from residua.networks.layers import batch_norm, conv
from residua.networks.padded import Padded, with_lengths
from residua.networks.padded_norm import normalise
from residua.training.sync_norm import SyncBatchNorm, synchronise_norms


def end_to_end(samples):
    """All valid steps as one sample: ``[1, c, sum of lengths]``."""
    return torch.cat(samples, -1)


@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"momentum": None}, {"momentum": 0.3}])
def test_batch_norm_learns_from_valid_steps_alone(rows, options):
    kind = nn.BatchNorm1d if rows is None else nn.BatchNorm2d
    torch.manual_seed(0)
    norm, expected = kind(4, **options).double(), kind(4, **options).double()
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    expected.load_state_dict(norm.state_dict())
    for shift in (0.0, 3.0):  # twice, as momentum None averages over batches
        samples = [sample + shift for sample in signals(rows=rows)]
        leaves = [sample.clone().requires_grad_() for sample in samples]
        alone = expected(end_to_end(leaves)).split(LENGTHS, -1)
        x = together(samples).data.clone().requires_grad_()
        made = norm(with_lengths(x, torch.tensor(LENGTHS)))
        weights = torch.randn_like(x)
        loss, reference = torch.zeros(()), torch.zeros(())
        for i, n in enumerate(LENGTHS):
            torch.testing.assert_close(made.data[i, ..., :n], alone[i][0])
            reference = reference + (alone[i][0] * weights[i, ..., :n]).sum()
        loss = (made * weights).sum(tuple(range(1, x.ndim))).sum()
        for module, value in ((norm, loss), (expected, reference)):
            module.zero_grad()
            value.backward()
        for i, (leaf, n) in enumerate(zip(leaves, LENGTHS, strict=True)):
            torch.testing.assert_close(x.grad[i, ..., :n], leaf.grad[0])
            assert not x.grad[i, ..., n:].any()
        for (key, a), b in zip(
            norm.state_dict().items(), expected.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(a, b, msg=key)
        for a, b in zip(norm.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)


def test_batch_norm_without_running_statistics():
    norm = nn.BatchNorm1d(4, track_running_stats=False).double().eval()
    made = norm(together(signals()))
    expected = norm(end_to_end(signals())).split(LENGTHS, -1)
    for i, n in enumerate(LENGTHS):
        torch.testing.assert_close(made.data[i, :, :n], expected[i][0])


def test_batch_norm_cannot_learn_from_one_value():
    with pytest.raises(InputShapeError, match="one value a channel"):
        nn.BatchNorm1d(4)(together(signals((1,), dtype=torch.float32)))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layers = nn.Sequential(
        conv(1, 2, 3, 3),
        batch_norm(1, 3),
        nn.Tanh(),
        nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        conv(1, 3, 2, 5, bias=True),
        batch_norm(1, 2),
        nn.AdaptiveAvgPool1d(2),
    ).double()
    lengths = torch.tensor([7, 3, 5])
    x = torch.randn(3, 2, 8, dtype=torch.float64, requires_grad=True)
    parameters = tuple(layers.parameters())

    def run(x, *parameters):
        return layers(with_lengths(x, lengths))

    assert torch.autograd.gradcheck(run, (x, *parameters))


def in_two_threads(work):
    """``work(rank, total)`` on two ranks that are threads, whose sums wait for each other."""
    barrier, parts = threading.Barrier(2, timeout=20), [torch.zeros(())] * 2

    def run(rank):
        def total(values):
            parts[rank] = values
            barrier.wait()
            both = parts[0] + parts[1]
            barrier.wait()
            return both

        return work(rank, total)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_two_ranks_compute_what_one_does():
    """One of them has samples of one length, thus a plain tensor."""
    samples = signals((11, 4, 9, 9))
    weight, bias = torch.rand(2, 4, dtype=torch.float64)
    scale = torch.randn(4, 4, 11, dtype=torch.float64)

    def step(part, scale, total):
        x = together(part, size=part[0].shape[-1])
        data, valid = (x.data, x.valid) if isinstance(x, Padded) else (x, None)
        leaf = data.clone().requires_grad_()
        normal, found = normalise(leaf, valid, weight, bias, eps=1e-5, total=total)
        valid = torch.ones_like(data) if valid is None else valid
        (normal * scale * valid).sum().backward()
        return normal.detach() * valid, leaf.grad, found

    def on_rank(rank, total):
        size = (11, 9)[rank]
        return step(samples[2 * rank :][:2], scale[2 * rank :][:2, :, :size], total)

    first, second = in_two_threads(on_rank)
    normal, gradient, found = step(samples, scale, torch.clone)
    torch.testing.assert_close(first[:2], (normal[:2], gradient[:2]))
    torch.testing.assert_close(second[:2], (normal[2:, :, :9], gradient[2:, :, :9]))
    assert second[0].abs().min() > 0
    torch.testing.assert_close(first[2], found)
    torch.testing.assert_close(second[2], found)


def test_synchronised_norms_take_unequal_lengths(tmp_path):
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "s"), 1), rank=0, world_size=1
    )
    try:
        torch.manual_seed(0)
        plain = nn.Sequential(conv(1, 4, 3, 3), batch_norm(1, 3)).double()
        synchronised = copy.deepcopy(plain)
        synchronise_norms(synchronised, torch.device("cpu"))
        assert isinstance(synchronised[1], SyncBatchNorm)
        x = together(signals())
        torch.testing.assert_close(synchronised(x).zeroed(), plain(x).zeroed())
        for a, b in zip(synchronised.buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(a, b)
        synchronise_norms(plain, torch.device("cuda"), unequal=True)
        assert isinstance(plain[1], SyncBatchNorm)
    finally:
        dist.destroy_process_group()
