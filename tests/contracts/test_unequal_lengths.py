"""What holds for every network in the catalog where samples have unequal lengths.

The last axis is time. Each network gets weights with which its answers differ from sample to sample
and padding would show in them.
"""

import copy
import math
from dataclasses import replace

import pytest
import torch
from tests.contracts.thin import thin, unique_thin_names
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from residua.errors import InputShapeError
from residua.networks.catalog import build, get_spec
from residua.networks.padded import Padded, unpadded, with_lengths
from residua.networks.padded_ends import Ends
from residua.networks.specs.resnet import ResNetSpec

THIN = unique_thin_names()
RANKED = [(name, 1) for name in THIN]
RANKED += [(name, 2) for name in THIN if isinstance(get_spec(name), ResNetSpec)]

each_rank = pytest.mark.parametrize(
    ("name", "rank"), RANKED, ids=[f"{name}-{rank}d" for name, rank in RANKED]
)


def make(name, rank):
    """A thin network without chance, and three samples of unequal lengths."""
    torch.manual_seed(0)
    spec = thin(name, rank=rank)
    network = build(replace(spec, dropout=0.0) if isinstance(spec, ResNetSpec) else spec).double()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    least = max(17, network.min_size)
    other = (least,) if rank == 2 else ()
    lengths = (least + 23, least, least + 6)
    shape = (1, spec.in_chans, *other)
    return network, [torch.randn(*shape, n, dtype=torch.float64) for n in lengths]


def put_together(samples, size, garbage=math.nan):
    """All in one tensor of ``size`` steps, and their lengths."""
    x = torch.full((len(samples), *samples[0].shape[1:-1], size), garbage, dtype=torch.float64)
    for i, sample in enumerate(samples):
        x[i, ..., : sample.shape[-1]] = sample[0]
    return x, torch.tensor([sample.shape[-1] for sample in samples])


def wake(network, samples):
    """Weights and statistics with which the last feature map has about unit variance."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
    size = max(sample.shape[-1] for sample in samples)
    with torch.no_grad():
        network.train()(torch.cat([torch.randn(*s.shape[:-1], size).to(s) for s in samples]))
    return network.eval()


def answers(network, x, lengths=None):
    with torch.no_grad():
        return torch.stack(network(x, lengths=lengths, auxiliary=True))


@each_rank
def test_padding_changes_no_logit(name, rank):
    network, samples = make(name, rank)
    wake(network, samples)
    alone = torch.cat([answers(network, sample) for sample in samples], 1)
    size = max(sample.shape[-1] for sample in samples)
    x, lengths = put_together(samples, size)
    scale = alone.abs().max()
    assert (answers(network, x, lengths) - alone).abs().max() < 1e-12 * scale
    garbage, _ = put_together(samples, 2 * size, garbage=1e6)
    assert (answers(network, garbage, lengths) - alone).abs().max() < 1e-12 * scale
    naive = answers(network, x.nan_to_num(0.0))[:, 1]
    assert (naive - alone[:, 1]).abs().max() > 1e-4 * scale  # what lengths prevent
    network.float()
    single = answers(network, x.float(), lengths)
    one_by_one = torch.cat([answers(network, sample.float()) for sample in samples], 1)
    assert (single - one_by_one).abs().max() < 1e-5 * max(1.0, scale)


@each_rank
def test_padding_changes_no_gradient_and_no_statistics(name, rank):
    """Samples of one length, for which a plain batch says what is right."""
    network, samples = make(name, rank)
    size = min(sample.shape[-1] for sample in samples)
    if rank == 1:
        size += 9  # more than one position in the last feature map
    samples = [torch.randn(*sample.shape[:-1], size).to(sample) for sample in samples]
    plain, padded = wake(network, samples).train(), copy.deepcopy(network).train()
    x, lengths = put_together(samples, size + 11)
    expected = plain(torch.cat(samples), auxiliary=True)
    found = padded(x, lengths=lengths, auxiliary=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    weights = torch.randn_like(expected[0])
    sum((answer * weights).sum() for answer in expected).backward()
    sum((answer * weights).sum() for answer in found).backward()
    largest = max(p.grad.abs().max() for p in plain.parameters())
    for (key, a), b in zip(padded.named_parameters(), plain.parameters(), strict=True):
        assert (a.grad - b.grad).abs().max() < 1e-9 * largest, key
    for (key, a), b in zip(padded.named_buffers(), plain.named_buffers(), strict=True):
        torch.testing.assert_close(a, b[1], msg=key)


@pytest.mark.parametrize("name", THIN)
def test_recomputing_changes_nothing(name):
    plain, samples = make(name, 1)
    saving = copy.deepcopy(plain)
    saving.use_checkpointing("layers" if saving.recomputes_layers else "stages")
    x, lengths = put_together(samples, samples[0].shape[-1] + 3)
    for network in (plain, saving):
        sum(a.square().sum() for a in network(x, lengths=lengths, auxiliary=True)).backward()
    for (key, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), key
    for (key, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("name", THIN)
def test_feature_maps_know_their_lengths(name):
    network, samples = make(name, 1)
    network.eval()
    x, lengths = put_together(samples, samples[0].shape[-1] + 3)
    with torch.inference_mode():
        last, maps = network.forward_intermediates(with_lengths(x, lengths))
        assert torch.equal(network.forward_head(last), network(x, lengths=lengths))
        for i, sample in enumerate(samples):
            for padded, alone in zip(maps, network.forward_intermediates(sample)[1], strict=True):
                values, ends = unpadded(padded)
                assert ends is None or ends[i] == alone.shape[-1]
                torch.testing.assert_close(values[i, ..., : alone.shape[-1]], alone[0])


@pytest.mark.parametrize("name", THIN)
def test_bfloat16(name):
    network, samples = make(name, 1)
    network.float()
    x, lengths = put_together(samples, samples[0].shape[-1] + 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x.float(), lengths=lengths, auxiliary=True)
    sum(answer.float().sum() for answer in found).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), key


class NoWaiting(TorchDispatchMode):
    """Refuses what would make the processor wait for a value of the device."""

    WAITS = (torch.ops.aten._local_scalar_dense, torch.ops.aten.equal, torch.ops.aten.nonzero)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket not in self.WAITS, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [n for n in THIN if not n.startswith("crnn")])  # packs for LSTMs
def test_nothing_waits_for_the_device(name):
    """Lengths that lie on a device are never looked at: branches agree by how they came about."""
    network, samples = make(name, 1)
    x, lengths = put_together(samples, samples[0].shape[-1] + 3, garbage=0.0)
    padded = Padded(x, Ends(lengths, None), zeroed=True)
    with NoWaiting():
        found = network(padded, auxiliary=True)
        sum(answer.sum() for answer in found).backward()
    torch.testing.assert_close(found, copy.deepcopy(network)(x, lengths=lengths, auxiliary=True))


@pytest.mark.parametrize("name", [name for name in THIN if build(thin(name)).min_size > 1])
def test_a_sample_that_is_too_short_is_told_the_shortest_length(name):
    network, samples = make(name, 1)
    samples[1] = samples[1][..., : network.min_size - 1]
    x, lengths = put_together(samples, samples[0].shape[-1])
    with pytest.raises(InputShapeError, match=rf"at least {network.min_size} along"):
        network.eval()(x, lengths=lengths)
