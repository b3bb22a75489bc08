"""The SimCLR step: two views, projections, NT-Xent; and what all methods of two views share."""

from dataclasses import replace

import pytest
import torch
from tests.methods.two_views_tools import draws, learn, network, noisy, part, samples

from residua.errors import UsageError
from residua.losses.contrastive import nt_xent
from residua.methods.config import PretrainConfig
from residua.methods.pretrain import check_batch, pretrain_method_for
from residua.methods.simclr import SimClr
from residua.methods.two_views import Embeddings, agreement
from residua.networks.catalog import create_model


def method(**options):
    net = network()
    torch.manual_seed(1)
    return SimClr(net, views=(noisy, noisy), projection=(32, 16), **options)


@pytest.mark.parametrize("decoupled", [False, True])
def test_losses_are_those_of_the_projections(decoupled):
    step, batch = method(temperature=0.2, decoupled=decoupled), samples(8)
    found = step(batch, draws(batch))
    first = noisy(batch, draws(batch)).inputs
    second = noisy(batch, draws(batch).view(1)).inputs
    assert (first - second).abs().max() > 0.5  # the views draw independently
    z = [step.projector(step.network(view)) for view in (first, second)]
    expected = nt_xent(*z, temperature=0.2, decoupled=decoupled)
    torch.testing.assert_close(found.losses, expected)
    assert found.losses.requires_grad
    assert not found.correct.requires_grad


def test_negatives_of_the_same_group():
    step, batch = method(negatives="group"), samples(8)
    groups = torch.tensor([0, 1, 0, 1, 2, 2, 0, 1])
    found = step(replace(batch, groups=groups), draws(batch))
    views = [noisy(batch, each).inputs for each in (draws(batch), draws(batch).view(1))]
    z = [step.projector(step.network(view)) for view in views]
    torch.testing.assert_close(found.losses, nt_xent(*z, temperature=0.5, groups=groups))
    assert (found.losses < nt_xent(*z, temperature=0.5)).all()
    with pytest.raises(UsageError, match=r"which group.*received None"):
        step(replace(batch, groups=None), draws(batch))


def test_it_learns_to_match_views():
    step, data = method(), samples(64)
    some = part(data, slice(32))
    before = step(some, draws(some, 99)).losses.mean()
    for _ in learn(step, data, 25):
        pass
    assert step(some, draws(some, 99)).losses.mean() < before - 0.3
    measures = step.measures(torch.clone)
    assert set(measures) == {"embedding_std", "effective_rank"}
    assert measures["embedding_std"] > 0.5
    assert step.measures(torch.clone) == {}  # since it was asked last


def test_all_that_learns_is_in_the_state():
    step, other = method(), method()
    batch = samples(8)
    step(batch, draws(batch)).losses.sum().backward()
    assert all(p.grad is not None for p in step.parameters())
    other.load_state_dict(step.state_dict())
    assert other.measures(torch.clone) == step.measures(torch.clone) != {}


def test_passes_without_gradient_are_not_watched():
    step, batch = method(), samples(8)
    with torch.no_grad():
        step(batch, draws(batch))
    assert step.measures(torch.clone) == {}


def test_under_autocast_losses_are_float32():
    step, batch = method(), samples(8)
    with torch.autocast("cpu", torch.bfloat16):
        found = step(batch, draws(batch))
    assert found.losses.dtype == found.correct.dtype == torch.float32
    found.losses.sum().backward()
    assert all(p.grad.isfinite().all() for p in step.parameters())


@pytest.mark.parametrize(
    ("name", "shape"), [("crnn_small", (64, 40)), ("multiscale_resnet1d", (64,))]
)
def test_lengths_reach_the_network(name, shape):
    inputs = torch.randn(4, 1, *shape)
    lengths = torch.tensor([shape[-1], 40, 36, 30])
    batch = replace(samples(4), inputs=inputs, lengths=lengths)
    spoilt = inputs.clone()
    for row, length in zip(spoilt, lengths.tolist(), strict=True):
        row[..., length:] = 1e3
    torch.manual_seed(0)
    net = create_model(name, num_classes=0, in_chans=1)
    step = SimClr(net, views=(lambda b, _: b,) * 2, projection=(8, 4)).eval()
    found = step(batch, draws(batch)).losses
    torch.testing.assert_close(step(replace(batch, inputs=spoilt), draws(batch)).losses, found)


def test_agreement_counts_both_directions():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.1]])
    second = torch.tensor([[2.0, 0.1], [0.9, 0.8], [-3.0, 0.0]])
    # cosines: first 1 prefers second 1; second 1 prefers first 0
    whole = Embeddings(first=first, second=second, own=slice(0, 3), valid=None)
    assert agreement(whole).tolist() == [1.0, 0.5, 1.0]
    padded = Embeddings(
        first=torch.cat([first[:2], torch.zeros(1, 2), first[2:]]),
        second=torch.cat([second[:2], torch.full((1, 2), 9.0), second[2:]]),
        own=slice(3, 4),
        valid=torch.tensor([1, 1, 0, 1.0]),
    )
    assert agreement(padded).tolist() == [1.0]


def test_config_decides_the_method():
    config = PretrainConfig(pretrain="simclr", temperature=0.3, decoupled=True, negatives="group")
    made = pretrain_method_for(network(), views=(noisy, noisy), config=config)
    assert isinstance(made, SimClr)
    assert (made.temperature, made.decoupled, made.negatives) == (0.3, True, "group")
    assert [m.out_features for m in made.projector if hasattr(m, "out_features")] == [512, 128]


def test_what_cannot_be_learnt_from():
    batch = samples(1)
    with pytest.raises(UsageError, match="two samples a step"):
        method()(batch, draws(batch))
    torch.manual_seed(0)
    classifier = network()
    classifier.reset_classifier(3)
    for net, config, message in (
        (classifier, PretrainConfig(pretrain="simclr"), "without classifier"),
        (network(), PretrainConfig(), "no pre-training method"),
        (network(), PretrainConfig(pretrain="simclr", temperature=0), "wrong temperature"),
        (network(), PretrainConfig(pretrain="byol", negatives="group"), "--method simclr"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            pretrain_method_for(net, views=(noisy, noisy), config=config)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "samples", "accumulate", "ranks", "message"),
    [
        ("simclr", 64, 2, 1, "--accumulate 1"),
        ("vicreg", 64, 2, 1, "--accumulate 1"),
        ("simclr", 1, 1, 1, "at least 2 samples"),
        ("byol", 7, 2, 2, "at least 8 samples"),
    ],
)
def test_updates_that_cannot_be_divided(name, samples, accumulate, ranks, message):
    config = PretrainConfig(pretrain=name)
    with pytest.raises(UsageError, match=message) as caught:
        check_batch(config, samples=samples, accumulate=accumulate, ranks=ranks)
    assert "\n" not in str(caught.value)


def test_updates_that_can_be_divided():
    check_batch(PretrainConfig(pretrain="byol"), samples=8, accumulate=2, ranks=2)
    check_batch(PretrainConfig(pretrain="simclr"), samples=2, accumulate=1, ranks=1)
    check_batch(PretrainConfig(), samples=1, accumulate=4, ranks=1)
