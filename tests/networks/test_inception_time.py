"""InceptionTime against its formula in float64; the ensemble against networks trained alone."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.inception_time import InceptionTime, Vote
from residua.networks.specs.inception_time import InceptionTimeSpec
from residua.networks.summary import summarize

SMALL = {"width": 3, "bottleneck": 2, "num_classes": 4}


def make(name: str = "inception_time", **changes: object) -> InceptionTime:
    torch.manual_seed(0)
    spec = get_spec(name)
    assert isinstance(spec, InceptionTimeSpec)
    network = build(replace(spec, **{**SMALL, **changes})).double()
    assert isinstance(network, InceptionTime)
    return network


def signals(channels: int = 1, length: int = 50, batch: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, length, generator=generator, dtype=torch.float64)


def norm(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    mean, var, scale, shift = (
        state[f"{key}.{part}"][:, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-3).sqrt() * scale + shift


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_its_formula(channels: int) -> None:
    network = make(in_chans=channels).eval()
    state, x = network.state_dict(), signals(channels)
    for key, value in state.items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, dtype=torch.float64)
            value.copy_(noise + 0.5 if key.endswith("var") else noise - 0.45)
    y, expected_input = x, x
    for group in (1, 2):
        for module in (1, 2, 3):
            key = f"group{group}.module{module}."
            has_bottleneck = y.shape[1] > 1  # left out where the input has one channel
            assert (f"{key}bottleneck.weight" in state) == has_bottleneck
            z = F.conv1d(y, state[f"{key}bottleneck.weight"]) if has_bottleneck else y
            parts = [
                F.conv1d(F.pad(z, (kernel // 2 - 1, kernel // 2)), state[f"{key}branch{i}.weight"])
                for i, kernel in enumerate((40, 20, 10), start=1)
            ]
            pooled = F.max_pool1d(y, 3, 1, 1)
            parts.append(F.conv1d(pooled, state[f"{key}branch_pool.1.weight"]))
            y = norm(torch.cat(parts, 1), state, f"{key}bn").relu()
        h = F.conv1d(expected_input, state[f"group{group}.downsample.0.weight"])
        y = (y + norm(h, state, f"group{group}.downsample.1")).relu()
        expected_input = y
    expected = y.mean(2) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(network(x), expected)


def test_parameters_are_the_sums_over_the_papers_layers() -> None:
    first = 32 * (40 + 20 + 10) + 32 + 2 * 128
    others = 128 * 32 + 32 * 32 * (40 + 20 + 10) + 128 * 32 + 2 * 128
    shortcuts = 1 * 128 + 2 * 128 + 128 * 128 + 2 * 128
    alone = first + 5 * others + shortcuts + 128 * 2 + 2
    for name, members in (("inception_time", 1), ("inception_time_x5", 5)):
        with torch.device("meta"):
            network = build(get_spec(name))
        assert sum(parameter.numel() for parameter in network.parameters()) == members * alone


def test_nothing_shortens_and_the_field_is_that_of_six_long_kernels() -> None:
    with torch.device("meta"):
        rows = {
            row.name: row for row in summarize(build(get_spec("inception_time")), (1, 300)).rows
        }
    assert rows["group2"].output_shape == (128, 300)
    assert rows["group2"].field == (6 * 39 + 1,)


@pytest.mark.parametrize("channels", [1, 2])
def test_members_answer_as_networks_alone(channels: int) -> None:
    ensemble, x = make("inception_time_x5", in_chans=channels), signals(channels)
    ensemble(x)  # statistics that are not those of a new network
    ensemble.eval()
    voted, *answers = ensemble(x, auxiliary=True)
    alone = [ensemble.member(i)(x) for i in range(5)]
    for answer, expected in zip(answers, alone, strict=True):
        torch.testing.assert_close(answer, expected)
    mean = torch.stack([logits.softmax(1) for logits in alone]).mean(0)
    torch.testing.assert_close(ensemble(x).exp(), mean)
    torch.testing.assert_close(voted, ensemble(x))
    assert not torch.allclose(alone[0], alone[1])


@pytest.mark.parametrize("channels", [1, 2])
def test_members_learn_as_networks_alone(channels: int) -> None:
    """Three updates with momentum: gradients, weights and running statistics stay the same."""
    ensemble, target = make("inception_time_x5", in_chans=channels), torch.tensor([0, 3, 1, 1])
    alone = [ensemble.member(i) for i in range(5)]
    optimizers = [
        torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-3)
        for network in (ensemble, *alone)
    ]
    for step in range(3):
        x = signals(channels, length=20 + step)
        voted, *answers = ensemble(x, auxiliary=True)
        assert not voted.requires_grad
        assert ensemble.auxiliary_weight == 1
        sum(F.cross_entropy(answer, target) for answer in answers).backward()
        for network in alone:
            F.cross_entropy(network(x), target).backward()
        for i, network in enumerate(alone):
            gradients = {key: p.grad for key, p in network.named_parameters()}
            for key, p in ensemble.named_parameters():
                parts = p.grad if key.startswith("fc.") else p.grad.chunk(5)
                torch.testing.assert_close(parts[i], gradients[key], msg=key)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for i, network in enumerate(alone):
        for key, value in ensemble.member(i).state_dict().items():
            torch.testing.assert_close(value, network.state_dict()[key], msg=key)


def test_votes_are_their_formulas() -> None:
    answers = 3 * torch.randn(5, 6, 4, dtype=torch.float64)
    for vote, expected in (
        ("softmax", answers.softmax(2).mean(0).log()),
        ("sigmoid", answers.sigmoid().mean(0).logit()),
        ("mean", answers.mean(0)),
    ):
        layer = make("inception_time_x5", vote=vote).fc
        assert isinstance(layer, Vote)
        torch.testing.assert_close(layer.vote(answers), expected)
    certain = 200 * torch.eye(4, dtype=torch.float64).expand(5, 4, 4)
    for vote in ("softmax", "sigmoid"):
        layer = make("inception_time_x5", vote=vote).fc
        assert isinstance(layer, Vote)
        assert layer.vote(certain).isfinite().all()


def test_first_weights_differ_and_are_drawn_as_for_one_network() -> None:
    torch.manual_seed(0)
    network = build(get_spec("inception_time_x5"))
    for key, fans in (
        ("group1.module1.branch1", 40 * (1 + 32)),
        ("group2.module1.branch2", 20 * (32 + 32)),
        ("group2.downsample.0", 128 + 128),
        ("group1.module2.bottleneck", 128 + 32),
    ):
        parts = network.get_submodule(key).weight.detach().chunk(5)
        bound = (6 / fans) ** 0.5
        assert all(0.99 * bound < part.abs().max() <= bound for part in parts)
        assert len({float(part.sum()) for part in parts}) == 5
    weight = network.get_parameter("fc.weight").detach()
    assert weight.shape == (5, 2, 128)
    assert weight.abs().max() <= (6 / 130) ** 0.5


def test_padding_changes_no_logit() -> None:
    network = make("inception_time_x5", in_chans=2).eval()
    lengths = torch.tensor([50, 1, 17, 43])
    x = signals(2)
    found = network(x, lengths=lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(found[i : i + 1], network(x[i : i + 1, :, :length]))


def test_members_go_and_come_back_with_the_classes() -> None:
    network = make("inception_time_x5")
    network.reset_classifier(0)
    assert network.auxiliary_names == ()
    assert network(signals()).shape == (4, 5 * 12)
    assert len(network(signals(), auxiliary=True)) == 1
    network.reset_classifier(3)
    voted, *answers = network(signals(), auxiliary=True)
    assert [a.shape for a in answers] == [(4, 3)] * 5
    torch.testing.assert_close(voted.exp().sum(1), torch.ones(4, dtype=torch.float64))


def test_impossible_specs_are_refused() -> None:
    for changes, message in (
        ({"rank": 2}, "rank: expected 1, for signals"),
        ({"depth": 4}, "depth: expected a multiple of 3"),
        ({"members": 0}, "members: expected at least 1"),
        ({"kernels": ()}, "kernels: expected positive sizes"),
        ({"drop_path_rate": 0.1}, "no residuals to drop"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(get_spec("inception_time"), **changes)
