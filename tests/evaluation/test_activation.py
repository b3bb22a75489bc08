"""Class-activation maps, against the formula of CAM in float64 and a detector of known answer."""

import dataclasses

import numpy as np
import pytest
import torch

from residua.evaluation.activation import class_activation, class_evidence
from residua.networks.catalog import build, create_model, get_spec

CAM = ("resnet20", "resnet18", "densenet_40_12", "inception_time", "multiscale_resnet1d")


def made(name, **options):
    torch.manual_seed(0)
    network = create_model(name, **{"num_classes": 3, "in_chans": 2, "rank": 1, **options})
    for module in network.modules():  # statistics as after training, not 0 and 1
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def bump_detector():
    """resnet20 at rank 1 whose first convolution finds the bump 1, 2, 1, which later blocks let
    pass as it is, and whose class 1 is the mean of what it finds."""
    network = create_model("resnet20", num_classes=2, in_chans=1, rank=1).eval()
    for parameter in network.parameters():
        parameter.data.zero_()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.weight.data.fill_(1)
    network.conv1.weight.data[0, 0] = torch.tensor([1.0, 2.0, 1.0])
    network.bn1.bias.data.fill_(-3)  # more than flanks reach
    network.fc.weight.data[1, 0] = 1
    return network


@pytest.mark.parametrize("centre", [8, 40, 76])
def test_the_map_of_a_bump_detector_peaks_at_the_bump(centre):
    x = torch.zeros(1, 1, 96)
    x[0, 0, centre - 1 : centre + 2] = torch.tensor([1.0, 2.0, 1.0])
    (found,) = class_activation(bump_detector(), x, None, torch.tensor([1]))
    assert (found.shape, found.dtype) == ((96,), np.float32)
    assert found.argmax() == centre
    assert found.max() == 1
    assert (found[np.abs(np.arange(96) - centre) >= 4] == 0).all()


def test_what_speaks_for_nothing_is_nowhere():
    x = torch.zeros(1, 1, 96)
    x[0, 0, 39:42] = torch.tensor([1.0, 2.0, 1.0])
    assert (class_activation(bump_detector(), x, None, torch.tensor([0])) == 0).all()


@pytest.mark.parametrize("name", CAM)
@pytest.mark.parametrize("padded", [False, True])
def test_behind_an_average_it_is_the_weighted_sum_of_maps_and_adds_up_to_the_logit(name, padded):
    network = made(name).double()
    x, classes = torch.randn(3, 2, 70, dtype=torch.float64), torch.tensor([2, 0, 1])
    lengths = torch.tensor([70, 41, 64]) if padded else None
    found = class_evidence(network, x, lengths, classes)
    for i, label in enumerate(classes.tolist()):
        alone = x[i : i + 1, :, : int(lengths[i])] if padded else x[i : i + 1]
        with torch.no_grad():
            maps, logits = network.forward_features(alone)[0], network(alone)[0]
        n = maps.shape[-1]
        expected = network.get_classifier().weight[label].detach() @ maps / n
        torch.testing.assert_close(found.values[i, :n], expected, rtol=1e-9, atol=1e-12)
        assert (found.values[i, n:] == 0).all()
        total = found.values[i].sum() + network.get_classifier().bias[label]
        torch.testing.assert_close(total, logits[label], rtol=1e-9, atol=1e-12)


def test_pictures_have_it_along_both_axes():
    network = made("resnet20", in_chans=3, rank=2).double()
    x, classes = torch.randn(2, 3, 24, 32, dtype=torch.float64), torch.tensor([1, 2])
    found = class_evidence(network, x, None, classes)
    with torch.no_grad():
        maps, logits = network.forward_features(x), network(x)
    expected = torch.einsum("bk,bkhw->bhw", network.fc.weight[classes].detach(), maps) / (6 * 8)
    torch.testing.assert_close(found.values, expected, rtol=1e-9, atol=1e-12)
    total = found.values.sum((1, 2)) + network.fc.bias[classes]
    torch.testing.assert_close(total, logits.gather(1, classes[:, None])[:, 0])
    shown = class_activation(network, x, None, classes)
    assert shown.shape == (2, 24, 32)
    weights = network.fc.weight.detach()
    contrast = torch.einsum("bk,bkhw->bhw", weights[classes] - weights.mean(0), maps)
    positive = contrast.clamp(min=0)  # of the second sample nothing is
    positive = positive / positive.amax((1, 2), keepdim=True).clamp(min=1e-9)
    np.testing.assert_allclose(shown[:, ::4, ::4], positive.numpy(), atol=1e-6)


def test_what_is_added_to_all_logits_changes_no_map():
    network = made("resnet20")
    x, classes = torch.randn(3, 2, 64), torch.tensor([0, 1, 2])
    before = class_activation(network, x, None, classes)
    network.fc.weight.data.add_(torch.randn(1, 64))
    network.fc.bias.data.sub_(5)
    np.testing.assert_allclose(
        class_activation(network, x, None, classes), before, rtol=0, atol=1e-4
    )


def test_other_heads_have_gradients_for_weights():
    network = made("xresnet1d18").double()
    x, label = torch.randn(1, 2, 128, dtype=torch.float64), 1
    found = class_evidence(network, x, None, torch.tensor([label]))
    maps = network.forward_features(x).detach()
    step, slopes = 1e-6, []
    with torch.no_grad():
        for channel in range(maps.shape[1]):  # the mean gradient is the slope along all positions
            logits = []
            for sign in (1, -1):
                moved = maps.clone()
                moved[:, channel] += sign * step
                logits.append(network.forward_head(moved)[0, label])
            slopes.append((logits[0] - logits[1]) / (2 * step) / maps.shape[-1])
    expected = torch.stack(slopes) @ maps[0]
    torch.testing.assert_close(found.values[0], expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("crnn_small", {"rank": 2, "in_chans": 1}, (64, 50)),
        ("vgg11", {"rank": 2, "in_chans": 3}, (40, 48)),
        ("multiscale_resnet1d_2018", {}, (512,)),
        ("resnet1d_wang", {}, (90,)),
        ("inception_time_x5", {}, (64,)),
    ],
)
def test_padding_says_nothing_and_values_lie_between_0_and_1(name, options, size):
    # in float64: a rectifier of another sign within rounding would change gradients by steps
    network = made(name, **options).double()
    x = torch.randn(2, network.spec.in_chans, *size, dtype=torch.float64)
    short = size[-1] - size[-1] // 8
    lengths, classes = torch.tensor([size[-1], short]), torch.tensor([0, 1])
    both = class_activation(network, x, lengths, classes)
    (alone,) = class_activation(network, x[1:, ..., :short], None, classes[1:])
    assert both.shape == (2, *size)
    assert (both.min(), both.max()) == (0, 1)
    assert (both[1, ..., short:] == 0).all()
    np.testing.assert_allclose(both[1, ..., :short], alone, atol=1e-6)


def test_texts_have_it_byte_by_byte():
    torch.manual_seed(0)
    options = {"num_classes": 3, "in_chans": 8, "vocabulary": 257, "rank": 1}
    network = build(dataclasses.replace(get_spec("resnet20"), **options)).eval()
    tokens = torch.randint(1, 257, (2, 60))
    tokens[1, 40:] = 0
    found = class_activation(network, tokens, torch.tensor([60, 40]), torch.tensor([0, 2]))
    assert found.shape == (2, 60)
    assert (found[1, 40:] == 0).all()


def test_the_network_stays_as_it_is():
    network = made("resnet20")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    class_activation(network, torch.randn(1, 2, 40), None, torch.tensor([1]))
    assert all(before[name].equal(value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
