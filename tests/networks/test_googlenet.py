"""GoogLeNets against their papers' tables, torchvision, and equations in float64."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.networks.peers import assert_same_state, from_one_seed
from torch import nn

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, create_model, get_spec, without_auxiliary
from residua.networks.googlenet import AveragePool4, Inception
from residua.networks.googlenet_compact import Downsample, SmallInception
from residua.training.transfer import freeze

FULL = ["googlenet", "googlenet_2014"]


def on_meta(spec):
    with torch.device("meta"):
        return build(spec)


def thin(name, **changes):
    return build(replace(get_spec(name), **{"width": 1 / 16, "num_classes": 5, **changes}))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "count", "with_auxiliary"),
    [("googlenet", 6_624_904, 13_004_888), ("googlenet_2014", 6_998_552, 13_378_280)],
)
def test_parameter_counts(name, count, with_auxiliary):
    spec = get_spec(name)
    assert sum(p.numel() for p in on_meta(spec).parameters()) == with_auxiliary
    assert sum(p.numel() for p in on_meta(without_auxiliary(spec)).parameters()) == count
    with torch.device("meta"):
        bare = create_model(name, aux=False)
    assert sum(p.numel() for p in bare.parameters()) == count


@pytest.mark.parametrize("name", FULL)
def test_shapes_are_those_of_table_1(name):
    expected = {
        "conv1": (64, 112),
        "maxpool1": (64, 56),
        "conv3": (192, 56),
        "maxpool2": (192, 28),
        "inception3a": (256, 28),
        "inception3b": (480, 28),
        "maxpool3": (480, 14),
        "inception4a": (512, 14),
        "inception4b": (512, 14),
        "inception4c": (512, 14),
        "inception4d": (528, 14),
        "inception4e": (832, 14),
        "maxpool4": (832, 7),
        "inception5a": (832, 7),
        "inception5b": (1024, 7),
    }
    network, found = on_meta(get_spec(name)), {}
    for key in (*expected, "aux1.pool", "aux2.pool", "aux1.conv", "aux1.fc1"):
        module = network.get_submodule(key)
        module.register_forward_hook(lambda _, x, y, key=key: found.update({key: y.shape[1:]}))
    network(torch.zeros(2, 3, 224, 224, device="meta"), auxiliary=True)
    assert found.pop("aux1.pool") == (512, 4, 4)
    assert found.pop("aux2.pool") == (528, 4, 4)
    assert found.pop("aux1.conv") == (128, 4, 4)
    assert found.pop("aux1.fc1") == (1024,)
    assert found == {key: (channels, size, size) for key, (channels, size) in expected.items()}


@pytest.fixture(scope="module")
def torchvision_pair():
    """Ours and torchvision's from the same seed, without dropout."""
    models = pytest.importorskip("torchvision").models
    spec = replace(get_spec("googlenet"), dropout=0.0, aux_dropout=0.0, num_classes=20)
    same = {"dropout": 0.0, "dropout_aux": 0.0, "num_classes": 20}
    return from_one_seed(lambda: build(spec), lambda: models.googlenet(init_weights=True, **same))


def test_initial_weights_are_torchvisions_draws(torchvision_pair):
    assert_same_state(*torchvision_pair)


def test_logits_and_gradients_are_torchvisions(torchvision_pair):
    network, peer = torchvision_pair
    for module in (network, peer):
        for key, value in module.state_dict().items():
            if "bn." in key and value.is_floating_point():
                value.copy_(1 + 0.2 * noise(*value.shape).clamp(-2, 2))
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.data *= 5  # torchvision's logits hardly depend on the picture at first
    x, targets = noise(2, 3, 64, 64), torch.tensor([3, 1])
    with torch.no_grad():
        ours, theirs = network.eval()(x), peer.eval()(x)
    assert theirs.std(0).max() > 1e-3
    assert torch.equal(ours, theirs)

    losses = network.train()(x, auxiliary=True)
    logits, aux2, aux1 = peer.train()(x)
    for ours, theirs in zip(losses, (logits, aux1, aux2), strict=True):
        assert torch.equal(ours, theirs)
    for answers in (losses, (logits, aux1, aux2)):
        weighted = zip((1, 0.3, 0.3), answers, strict=True)
        sum(weight * F.cross_entropy(answer, targets) for weight, answer in weighted).backward()
    theirs = dict(peer.named_parameters())
    for key, parameter in network.named_parameters():
        assert torch.equal(parameter.grad, theirs[key].grad), key


def test_state_dicts_load_both_ways(torchvision_pair):
    network, peer = torchvision_pair
    peer.load_state_dict(network.state_dict(), strict=True)
    network.load_state_dict(peer.state_dict(), strict=True)


def test_initialisation_with_batch_norm():
    torch.manual_seed(0)
    network = build(replace(get_spec("googlenet"), width=0.5))
    for key, value in network.state_dict().items():
        if value.ndim > 1:
            assert value.std() == pytest.approx(0.01, rel=8 / value.numel() ** 0.5), key
            assert value.abs().max() <= 0.1


def test_initialisation_without_batch_norm():
    torch.manual_seed(0)
    network = build(replace(get_spec("googlenet_2014"), width=0.5))
    for key, value in network.state_dict().items():
        if value.ndim > 1:
            variance = 1 / value[0].numel()
            assert value.var() == pytest.approx(variance, rel=8 / value.numel() ** 0.5), key
            assert value.abs().max() <= (3 * variance) ** 0.5
        else:
            last = key in ("fc.bias", "aux1.fc2.bias", "aux2.fc2.bias")
            assert (value == (0.0 if last else 0.2)).all(), key


@pytest.mark.parametrize(("kernel", "name"), [(3, "googlenet"), (5, "googlenet_2014")])
def test_an_inception_module_is_its_equation(kernel, name):
    torch.manual_seed(0)
    spec = replace(get_spec(name), batch_norm=False)
    block = Inception(spec, 6, (2, 3, 4, 5, 7, 8)).double()
    x = noise(2, 6, 9, 8).double()
    w = block.state_dict()

    def layer(y, key, size):
        y = F.conv2d(y, w[f"{key}.conv.weight"], w[f"{key}.conv.bias"], padding=size // 2)
        assert w[f"{key}.conv.weight"].shape[2:] == (size, size)
        return y.clamp(min=0)

    padded = F.pad(x, (1, 1, 1, 1), value=-torch.inf)
    pooled = padded.unfold(2, 3, 1).unfold(3, 3, 1).amax((-1, -2))
    expected = (
        layer(x, "branch1", 1),
        layer(layer(x, "branch2.0", 1), "branch2.1", 3),
        layer(layer(x, "branch3.0", 1), "branch3.1", kernel),
        layer(pooled, "branch4.1", 1),
    )
    assert [y.shape[1] for y in expected] == [2, 4, 7, 8]
    torch.testing.assert_close(block(x), torch.cat(expected, 1))


def test_the_stem_of_2014_normalises_local_responses():
    """Figure 3: pool, normalise, 1x1, 3x3, normalise, pool."""
    network = thin("googlenet_2014", width=0.25).double().eval()
    x = noise(1, 3, 33, 33).double() * 20

    def normalise(y):
        square = F.pad(y.square(), (0, 0, 0, 0, 2, 2))
        near = sum(square[:, i : i + y.shape[1]] for i in range(5))
        return y * (1 + 1e-4 / 5 * near) ** -0.75

    y = normalise(F.max_pool2d(network.conv1(x), 3, 2, ceil_mode=True))
    y = normalise(network.conv3(network.conv2(y)))
    torch.testing.assert_close(network.forward_intermediates(x)[1][1], y)
    assert not torch.allclose(y, network.conv3(network.conv2(network.maxpool1(network.conv1(x)))))


def test_auxiliary_maps_of_14_are_averaged_as_in_the_paper_and_others_adaptively():
    pool, x = AveragePool4(2), noise(2, 3, 14, 14).double()
    starts = (0, 3, 6, 9)
    expected = [[x[:, :, i : i + 5, j : j + 5].mean((2, 3)) for j in starts] for i in starts]
    expected = torch.stack([torch.stack(row, -1) for row in expected], -2)
    torch.testing.assert_close(pool(x), expected)
    assert not torch.allclose(expected, F.adaptive_avg_pool2d(x, 4))
    for shape in ((1, 1), (3, 7), (14, 15), (28, 28)):
        other = noise(2, 3, *shape).double()
        torch.testing.assert_close(pool(other), F.adaptive_avg_pool2d(other, 4))
    signal = AveragePool4(1)
    torch.testing.assert_close(signal(x[..., 0]), pool(x[..., :1].expand_as(x))[..., 0])


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", FULL)
def test_auxiliary_answers_come_from_4a_and_4d_and_only_when_asked_for(name, mode):
    network = thin(name, dropout=0.0, aux_dropout=0.0).train(mode)
    x, maps = noise(2, 3, 40, 36), {}
    for key in ("inception4a", "inception4d"):
        module = network.get_submodule(key)
        module.register_forward_hook(lambda _, x, y, key=key: maps.update({key: y.clone()}))
    logits, *answers = network(x, auxiliary=True)
    assert torch.equal(answers[0], network.aux1(maps["inception4a"]))
    assert torch.equal(answers[1], network.aux2(maps["inception4d"]))
    assert torch.equal(network(x), logits)


@pytest.mark.parametrize("name", FULL)
def test_without_auxiliary_classifiers_the_logits_are_the_same(name):
    whole = thin(name).eval()
    bare = build(without_auxiliary(whole.spec)).eval()
    assert not bare.spec.has_auxiliary
    assert bare.auxiliary_names == ()
    state = whole.state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith(("aux1.", "aux2."))}
    assert len(kept) < len(state)
    bare.load_state_dict(kept, strict=True)
    x = noise(2, 3, 33, 33)
    assert torch.equal(bare(x), whole(x))
    (logits,) = bare(x, auxiliary=True)
    assert torch.equal(logits, whole(x))


def test_resetting_the_classifier_resets_the_auxiliary_ones():
    network = thin("googlenet").double().eval()
    inner = network.aux1.fc1.weight.clone()
    network.reset_classifier(7)
    x = noise(2, 3, 20, 20).double()
    assert [a.shape for a in network(x, auxiliary=True)] == [(2, 7)] * 3
    assert torch.equal(network.aux1.fc1.weight, inner)
    network.reset_classifier(0)
    assert network.auxiliary_names == ()
    assert not [key for key in network.state_dict() if key.startswith("aux")]
    assert len(network(x, auxiliary=True)) == 1
    network.reset_classifier(3)
    assert network.auxiliary_names == ("aux1", "aux2")
    assert network.auxiliary_weight == 0.3
    assert not any(module.training for module in network.modules())
    assert [a.dtype for a in network(x, auxiliary=True)] == [torch.float64] * 3
    assert build(network.spec).state_dict().keys() == network.state_dict().keys()


def test_feature_extractors_have_no_auxiliary_classifiers():
    extractor = create_model("googlenet", features_only=True)
    assert not [key for key in extractor.state_dict() if ".aux" in key]
    assert [m.shape[1] for m in extractor(noise(1, 3, 64, 64))] == [64, 192, 480, 832, 1024]


def test_frozen_stages_and_recomputation_go_with_auxiliary_losses():
    network = thin("googlenet")
    freeze(network, 4)
    network.use_checkpointing()
    sum(answer.square().sum() for answer in network(noise(2, 3, 50, 50), auxiliary=True)).backward()
    learns = {key for key, p in network.named_parameters() if p.grad is not None}
    assert learns == {
        key
        for key, _ in network.named_parameters()
        if key.startswith(("aux1.", "aux2.", "inception5", "fc."))
    }


@pytest.mark.parametrize(
    ("name", "least", "largest"),
    [("googlenet", 15, 46), ("googlenet_2014", 31, 62), ("googlenet_compact", 1, 4)],
)
def test_sizes_at_the_edges(name, least, largest):
    network = on_meta(replace(get_spec(name), width=1 / 16))
    for size, expected in ((least, 1), (largest, 1), (largest + 1, 2)):
        maps = network.forward_features(torch.zeros(2, 3, size, size, device="meta"))
        assert maps.shape[2:] == (expected, expected)
    with (
        pytest.raises(InputShapeError, match=f"at least {least} along")
        if least > 1
        else (pytest.raises(InputShapeError))
    ):
        network(torch.zeros(2, 3, least - 1, 80, device="meta"))


@pytest.mark.parametrize(("name", "largest"), [("googlenet", 46), ("googlenet_compact", 4)])
def test_one_sample_of_one_last_pixel_cannot_be_learnt_from(name, largest):
    network = build(replace(get_spec(name), width=1 / 16))
    with pytest.raises(InputShapeError, match=f"two samples, or height, width above {largest}:?"):
        network(noise(1, 3, largest, largest))
    assert network(noise(1, 3, largest + 1, largest)).isfinite().all()


def test_dropouts_are_the_papers_unless_told():
    assert thin("googlenet").dropout.p == 0.2
    network = thin("googlenet_2014")
    assert (network.dropout.p, network.aux1.dropout.p, network.aux2.dropout.p) == (0.4, 0.7, 0.7)
    assert thin("googlenet_2014", drop_rate=0.1).dropout.p == 0.1
    assert isinstance(thin("googlenet", dropout=0.0).dropout, nn.Identity)


def test_signals_have_four_auxiliary_positions():
    network = thin("googlenet_2014", rank=1, in_chans=2, width=0.25)
    assert network.aux1.fc1.in_features == 32 * 4
    assert [a.shape for a in network(noise(3, 2, 224), auxiliary=True)] == [(3, 5)] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0.0},
        {"dropout": 1.0},
        {"aux_dropout": -0.1},
        {"drop_path_rate": 0.1},
    ],
)
def test_specs_refuse_what_cannot_be(wrong):
    with pytest.raises(UsageError, match=f"cannot have this {next(iter(wrong))}"):
        replace(get_spec("googlenet"), **wrong)


def test_the_compact_network_is_the_papers():
    """Figure 3 and table 1 of Zhang et al.: 1,649,402 parameters for CIFAR-10."""
    network = on_meta(get_spec("googlenet_compact"))
    assert sum(p.numel() for p in network.parameters()) == 1_649_402
    pairs = [
        (m.branch1.conv.out_channels, m.branch2.conv.out_channels)
        for m in network.modules()
        if isinstance(m, SmallInception)
    ]
    assert pairs == [
        *((32, 32), (32, 48)),
        *((112, 48), (96, 64), (80, 80), (48, 96)),
        *((176, 160), (176, 160)),
    ]
    maps = network.forward_intermediates(torch.zeros(2, 3, 28, 28, device="meta"))[1]
    assert [tuple(m.shape[1:]) for m in maps] == [(80, 28, 28), (144, 14, 14), (336, 7, 7)]


def test_modules_of_the_compact_network_are_their_equations():
    torch.manual_seed(0)
    x = noise(4, 5, 9, 8).double()
    for block, strides in ((SmallInception(2, 5, 6, 7), (1, 1)), (Downsample(2, 5, 6), (2,))):
        block, parts = block.double(), []
        for index, stride in enumerate(strides, 1):
            module = block.get_submodule(f"branch{index}")
            nn.init.normal_(module.bias)
            weight = module.conv.weight
            y = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
            mean, variance = y.mean((0, 2, 3)), y.var((0, 2, 3), unbiased=False)
            y = (y - mean[:, None, None]) / (variance[:, None, None] + 1e-3).sqrt()
            parts.append((y + module.bias[:, None, None]).clamp(min=0))
        if isinstance(block, Downsample):
            parts.append(F.max_pool2d(x, 3, 2, 1))
        torch.testing.assert_close(block(x), torch.cat(parts, 1))
