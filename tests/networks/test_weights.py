"""Loading: files, layouts, mismatches, adaptation."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from tests.networks.peers import has_state

from residua.errors import CheckpointError, UsageError, WeightsError
from residua.networks.catalog import create_model
from residua.networks.weights import LoadResult, load_state, load_weights, read_state


@pytest.fixture
def network():
    return create_model("resnet20", num_classes=10)


@pytest.fixture
def state():
    torch.manual_seed(1)
    return create_model("resnet20", num_classes=10).state_dict()


def test_safetensors_file_and_folder(tmp_path, network, state):
    save_file(state, tmp_path / "model.safetensors")
    for source in (tmp_path / "model.safetensors", str(tmp_path)):
        fresh = create_model("resnet20", num_classes=10)
        assert load_weights(fresh, source) == LoadResult(where=str(source))
        assert not LoadResult(where=str(source)).notes
        assert has_state(fresh, state)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_torch_files_with_wrappers_and_prefixes(tmp_path, network, state, wrapper, prefix):
    content = {prefix + key: value for key, value in state.items()}
    torch.save({wrapper: content, "epoch": 3} if wrapper else content, tmp_path / "a.pth")
    load_weights(network, tmp_path / "a.pth")
    assert has_state(network, state)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_pickles_are_refused_without_running(tmp_path, network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(WeightsError, match="pickled objects") as caught:
            load_weights(network, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_weights(tmp_path, network):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    (tmp_path / "b.pt").write_bytes(b"")
    (tmp_path / "c.pt").write_bytes(b"PK\x03\x04 truncated")
    for name in ("a.safetensors", "b.pt", "c.pt"):
        with pytest.raises(WeightsError, match=name):
            load_weights(network, tmp_path / name)
    torch.save([torch.zeros(1)], tmp_path / "d.pt")
    torch.save({"epoch": 3}, tmp_path / "e.pt")
    for name in ("d.pt", "e.pt"):
        with pytest.raises(WeightsError, match="no state dict"):
            load_weights(network, tmp_path / name)


def test_absent_sources(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.pt"):
        read_state(tmp_path / "gone.pt")
    with pytest.raises(CheckpointError, match=r"received resnet50\. Published .* torchvision/"):
        read_state("resnet50")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        read_state(tmp_path)
    with pytest.raises(UsageError, match="not on this machine"):
        read_state("https://a.b/c.pth")


def test_mismatch_counts_names_and_leaves_the_network_alone(network, state):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    del state["conv1.weight"]
    state["extra.weight"] = torch.zeros(1)
    state["bn1.bias"] = torch.zeros(3)
    with pytest.raises(WeightsError) as caught:
        load_state(network, state, where="here.pt")
    line = str(caught.value)
    assert "1 missing: conv1.weight" in line
    assert "1 unexpected: extra.weight" in line
    assert "1 of another shape: bn1.bias [3] instead of [16]" in line
    assert "here.pt" in line
    assert has_state(network, before)


def test_many_missing_keys_are_cut(network):
    with pytest.raises(WeightsError, match=r"\d+ missing: (\S+, ){5}\.\.\.;"):
        load_state(network, {"a": torch.zeros(1)}, where="x")


def test_other_class_count_needs_adapt(state):
    network = create_model("resnet20", num_classes=3)
    fresh = network.fc.weight.clone()
    with pytest.raises(WeightsError, match="adapt=True"):
        load_state(network, state, where="x")
    result = load_state(network, state, where="x", adapt=True)
    assert result.fresh == ("fc.weight", "fc.bias")
    assert torch.equal(network.fc.weight, fresh)
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_headless_networks_and_states(state):
    headless = create_model("resnet20", num_classes=0)
    result = load_state(headless, state, where="x", adapt=True)
    assert (result.fresh, result.dropped) == ((), ("fc.weight", "fc.bias"))
    network = create_model("resnet20", num_classes=3)
    result = load_state(network, headless.state_dict(), where="x", adapt=True)
    assert result.fresh == ("fc.weight", "fc.bias")


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 6])
def test_other_channels_respond_alike_to_gray(state, channels):
    gray = torch.randn(2, 1, 8, 8)
    three = create_model("resnet20", num_classes=10).eval()
    load_state(three, state, where="x")
    other = create_model("resnet20", num_classes=10, in_chans=channels).eval()
    result = load_state(other, state, where="x", adapt=True)
    assert result.adapted == ("conv1.weight",)
    assert result.channels == (3, channels)
    how = "summed" if channels == 1 else "repeated and rescaled"
    assert result.notes == (f"fitted to the channels (3 to {channels}, {how}): conv1.weight",)
    if channels in (1, 6):  # whole copies of the three filters: exactly the same response
        torch.testing.assert_close(
            other(gray.expand(-1, channels, -1, -1)), three(gray.expand(-1, 3, -1, -1))
        )
    else:
        expected = state["conv1.weight"].repeat(1, 2, 1, 1)[:, :channels] * (3 / channels)
        torch.testing.assert_close(other.conv1.weight.data, expected)


def test_adapt_does_not_hide_another_network(state):
    with pytest.raises(WeightsError, match="missing"):
        load_state(create_model("resnet32", num_classes=10), state, where="x", adapt=True)


def test_old_files_without_batch_counters(network, state):
    old = {key: value for key, value in state.items() if "num_batches" not in key}
    load_state(network, old, where="x")
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_other_precision_is_converted(network, state):
    load_state(network, {k: v.bfloat16() for k, v in state.items()}, where="x")
    assert network.conv1.weight.dtype == torch.float32


def hugging_face_key(key):
    """The key as transformers 4 has it in ResNetForImageClassification."""
    if key.startswith("fc."):
        return key.replace("fc.", "classifier.1.")
    kinds = {"conv": "convolution", "bn": "normalization"}
    first, *rest = key.split(".")
    if not first.startswith("layer"):
        return f"resnet.embedder.embedder.{kinds[first[:-1]]}.{rest[0]}"
    block, part, end = rest[0], rest[1], rest[-1]
    place = f"resnet.encoder.stages.{int(first[5:]) - 1}.layers.{block}"
    if part == "downsample":
        return f"{place}.shortcut.{('convolution', 'normalization')[int(rest[2])]}.{end}"
    return f"{place}.layer.{int(part[-1]) - 1}.{kinds[part[:-1]]}.{end}"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_transformers_layout(name):
    with torch.device("meta"):
        network = create_model(name)
    theirs = [hugging_face_key(key) for key in network.state_dict()]
    assert "resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var" in theirs
    assert [network.translate_key(key) for key in theirs] == list(network.state_dict())
    assert [network.translate_key(key) for key in network.state_dict()] == list(
        network.state_dict()
    )


# ---- auxiliary classifiers ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def aux_state():
    with torch.device("meta"):
        return create_model("googlenet", num_classes=10).state_dict()


def load_meta(state, **options):
    adapt = options.pop("adapt", False)
    with torch.device("meta"):
        network = create_model("googlenet", **{"num_classes": 10, **options})
    return load_state(network, state, where="x", adapt=adapt)


def aux_keys(state):
    return {key for key in state if key.startswith("aux")}


def test_auxiliary_classifiers_may_be_absent_on_either_side(aux_state):
    assert load_meta(aux_state).notes == ()
    dropped = load_meta(aux_state, aux=False)
    assert set(dropped.dropped) == aux_keys(aux_state)
    assert not dropped.fresh
    without = {key: value for key, value in aux_state.items() if not key.startswith("aux")}
    fresh = load_meta(without)
    counters = {key for key in aux_state if key.endswith("num_batches_tracked")}
    assert set(fresh.fresh) == aux_keys(aux_state) - counters
    assert not fresh.dropped
    assert "new: aux1 (" in fresh.notes[0]
    assert "fc.weight" not in fresh.notes[0]
    assert load_meta(without, aux=False).notes == ()


def test_half_an_auxiliary_classifier_is_a_mistake(aux_state):
    del (state := dict(aux_state))["aux1.fc1.weight"]
    with pytest.raises(WeightsError, match=r"1 missing: aux1\.fc1\.weight"):
        load_meta(state)


def test_auxiliary_classifiers_are_freed_with_the_last_one(aux_state):
    ends = [
        f"{name}.{part}" for name in ("fc", "aux1.fc2", "aux2.fc2") for part in ("weight", "bias")
    ]
    assert sorted(load_meta(aux_state, num_classes=3, adapt=True).fresh) == sorted(ends)
    with torch.device("meta"):
        network = create_model("googlenet", num_classes=10)
    result = load_state(network, aux_state, where="x", adapt=True, keep_classifier=False)
    assert sorted(result.fresh) == sorted(ends)


# ---- the likely network -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("resnet34", {}, "They fit resnet34: use that network (--network resnet34)"),
        ("resnet50", {"num_classes": 7, "in_chans": 1}, "They fit resnet50 or resnet50_v1"),
        ("vgg16_bn", {"num_classes": 3}, "vgg16_bn"),
        ("densenet121", {"num_classes": 3}, "densenet121"),
        ("googlenet", {"aux": False, "num_classes": 3}, "googlenet"),
        ("wrn_28_10", {"num_classes": 100}, "wrn_28_10"),
        ("preact_resnet164", {}, "preact_resnet164"),
        ("inception_resnet_v2", {"num_classes": 5}, "inception_resnet_v2"),
        ("resnet18", {"rank": 1}, ""),
    ],
)
def test_the_likely_network_is_named(network, name, options, expected):
    with torch.device("meta"):
        state = create_model(name, **options).state_dict()
    with pytest.raises(WeightsError, match="do not fit network 'resnet20'") as caught:
        load_state(network, state, where="x", adapt=True)
    assert ("They fit" in str(caught.value)) == bool(expected)
    assert expected in str(caught.value)


def test_weights_of_no_known_network_get_no_advice(network):
    with pytest.raises(WeightsError) as caught:
        load_state(network, {"a": torch.zeros(1000, 2000)}, where="x")
    assert "They fit" not in str(caught.value)
