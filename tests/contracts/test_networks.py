"""What holds for every network in the catalog.

What must be computed is computed on each row cut down to one thin block a stage, which keeps all
that is special about it and costs little.
"""

import copy
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.contracts.thin import inputs, thin, unique_thin_names

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import (
    FACTS,
    build,
    get_spec,
    list_models,
    spec_from_json,
    spec_to_json,
)
from residua.networks.specs.crnn import CRNNSpec
from residua.networks.specs.inception_resnet import InceptionResNetSpec
from residua.networks.specs.resnet import ResNetSpec
from residua.networks.weights import load_state

NAMES = list_models()
THIN = unique_thin_names()
SIGNALS_ALONE = [name for name in THIN if get_spec(name).rank == 1]
RANKED = [(name, rank) for name in THIN for rank in (1, 2)[: get_spec(name).rank]]

each_rank = pytest.mark.parametrize(
    ("name", "rank"), RANKED, ids=[f"{name}-{rank}d" for name, rank in RANKED]
)


def through(network, x):
    """The chain without its check of inputs."""
    for stage in network.stages():
        x = stage(x)
    return x


@pytest.mark.parametrize("name", NAMES)
def test_spec_survives_json(name):
    spec = replace(get_spec(name), num_classes=3, drop_rate=0.25)
    assert spec_from_json(spec_to_json(spec)) == spec


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_its_facts_and_its_paper(name):
    with torch.device("meta"):
        network = build(get_spec(name))
    facts, spec = FACTS[name], get_spec(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == facts.parameters
    assert (facts.top1 is None) == (facts.source == "")
    assert facts.top1 is None or 0 < facts.top1 < 100
    assert spec.outline
    assert spec.usual_size >= network.min_size
    assert spec.reference


def test_facts_are_of_networks_that_exist():
    assert list(FACTS) == NAMES


@pytest.mark.parametrize("name", THIN)
def test_stages_cover_every_parameter_once(name):
    network = build(thin(name))
    stages = network.stages()
    assert [stage.name for stage in stages] == [*(r.name for r in network.feature_info), "head"]
    found = [p for stage in stages for module in stage.modules for p in module.parameters()]
    for auxiliary in network.auxiliary_names:
        found += network.get_submodule(auxiliary).parameters()
    assert bool(network.auxiliary_names) == network.spec.has_auxiliary
    assert (network.auxiliary_weight > 0) == network.spec.has_auxiliary
    assert len(found) == len({id(p) for p in found}) == len(list(network.parameters()))
    assert stages[-1].modules[-1] is network.get_classifier()
    assert network.get_submodule(network.input_name).weight.shape[1] == network.spec.in_chans


@pytest.mark.parametrize("in_chans", [1, 3, 5])
@each_rank
def test_forward_and_backward(name, rank, in_chans):
    torch.manual_seed(0)
    spec = thin(name, rank=rank, in_chans=in_chans, drop_rate=0.1, drop_path_rate=0.1)
    network = build(spec)
    answers = network(inputs(network, batch=4), auxiliary=True)
    assert [answer.shape for answer in answers] == [(4, 4)] * (1 + len(network.auxiliary_names))
    target = torch.tensor([0, 1, 2, 3])
    sum(torch.nn.functional.cross_entropy(answer, target) for answer in answers).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@each_rank
def test_features_and_head(name, rank):
    torch.manual_seed(0)
    network = build(thin(name, rank=rank)).eval()
    x = inputs(network)
    features = network.forward_features(x)
    assert torch.equal(network.forward_head(features), network(x))
    pre_logits = network.forward_head(features, pre_logits=True)
    assert torch.equal(network.get_classifier()(pre_logits), network(x))
    last, maps = network.forward_intermediates(x, [-1, 0])
    assert torch.equal(last, features)
    assert torch.equal(maps[1], features)
    assert len(maps) == 2
    for row, feature in zip(network.feature_info, network.forward_intermediates(x)[1], strict=True):
        assert feature.shape[:2] == (2, row.channels)
        first = -1 if isinstance(network.spec, CRNNSpec) else 2  # which folds frequency away
        for size, found in zip(x.shape[first:], feature.shape[first:], strict=True):
            padded = isinstance(network.spec, ResNetSpec)
            assert found == math.ceil(size / row.reduction) if padded else True
            unpadded = isinstance(network.spec, InceptionResNetSpec)
            assert abs(found - size / row.reduction) < (5 if unpadded else 1.5)
    assert pre_logits.shape[:2] == (2, network.num_features)  # a map where logits are averages
    extractor = network.features_only([1])
    assert [m.shape[1] for m in extractor(x)] == [network.feature_info[1].channels]
    with pytest.raises(UsageError, match="no such stage"):
        network.forward_intermediates(x, [len(network.feature_info)])


@pytest.mark.parametrize("name", THIN)
def test_head_reset(name):
    network = build(thin(name)).double().eval()
    network.reset_classifier(7)
    assert network.spec.num_classes == 7
    x = inputs(network).double()
    assert network(x).shape == (2, 7)
    network.reset_classifier(0)
    assert network(x).shape == (2, network.num_features)
    pre_logits = network.forward_head(network.forward_features(x), pre_logits=True)
    assert torch.equal(network(x), network.get_classifier()(pre_logits))
    assert not list(network.get_classifier().parameters())
    assert build(network.spec).state_dict().keys() == network.state_dict().keys()


@each_rank
def test_save_and_load(name, rank, tmp_path):
    torch.manual_seed(0)
    network = build(thin(name, rank=rank))
    x = inputs(network, batch=4)
    network(x)  # batch statistics that are not those of a new network
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    again = build(spec_from_json(spec_to_json(network.spec)))
    load_state(again, load_file(tmp_path / "model.safetensors"), where="file")
    assert torch.equal(again.eval()(x), network.eval()(x))


@pytest.mark.parametrize("name", THIN)
def test_checkpointing_changes_nothing(name):
    torch.manual_seed(0)
    plain = build(thin(name, drop_rate=0.3, drop_path_rate=0.3))
    saving = copy.deepcopy(plain)
    saving.use_checkpointing()
    x = inputs(plain, batch=4)
    for network in (plain, saving):
        torch.manual_seed(1)
        sum(answer.square().sum() for answer in network(x, auxiliary=True)).backward()
    for (key, a), b in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), key
    for (key, a), b in zip(plain.named_buffers(), saving.buffers(), strict=True):
        assert torch.equal(a, b), key


@each_rank
def test_inference_does_not_depend_on_the_batch_or_change_the_input(name, rank):
    torch.manual_seed(0)
    network = build(thin(name, rank=rank)).double().eval()
    x = inputs(network, batch=3).double()
    before = x.clone()
    whole = network(x)
    assert torch.equal(x, before)
    torch.testing.assert_close(torch.cat([network(sample[None]) for sample in x]), whole)


@each_rank
def test_the_smallest_size_works_and_none_below_does(name, rank):
    network = build(thin(name, rank=rank)).eval()
    least = network.min_size
    assert network(inputs(network, sizes=(least, least))).isfinite().all()
    if least > 1:
        small = inputs(network, sizes=(least - 1, least + 9)[:rank])
        with pytest.raises(InputShapeError, match=f"at least {least} along"):
            network(small)
        with pytest.raises(RuntimeError):
            through(network, small)


@each_rank
def test_wrong_inputs_say_what_was_expected(name, rank):
    network = build(thin(name, rank=rank))
    sizes = tuple(inputs(network).shape[2:])
    channels = network.spec.in_chans
    shape = (2, channels, *sizes)
    wrong = {
        "channels": torch.zeros(2, channels + 1, *sizes),
        "rank": torch.zeros(*shape, 5),
        "unbatched": torch.zeros(shape[1:]),
        "integers": torch.zeros(shape, dtype=torch.uint8),
        "empty": torch.zeros(2, channels, *(0, 4)[:rank]),
    }
    for x in wrong.values():
        with pytest.raises(InputShapeError) as caught:
            network(x)
        assert str(list(x.shape)) in str(caught.value)


@pytest.mark.parametrize("name", SIGNALS_ALONE)
def test_networks_for_signals_alone_refuse_pictures(name):
    with pytest.raises(UsageError, match="cannot have this rank: expected 1, for signals"):
        thin(name, rank=2)
