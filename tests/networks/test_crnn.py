"""The CRNN as a whole: sizes, padding, heads."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, get_spec, list_models, spec_from_json, spec_to_json
from residua.networks.crnn import CRNN
from residua.networks.sequences import Sequences
from residua.networks.specs.crnn import CRNNSpec
from residua.networks.summary import summarize

NAMES = list_models("crnn*")


def tiny(**changes) -> CRNN:
    spec = get_spec("crnn_small")
    assert isinstance(spec, CRNNSpec)
    torch.manual_seed(0)
    sizes = {"widths": (4, 4, 8), "inner": 4, "branch_width": 4, "hidden": 6, "num_classes": 4}
    network = build(replace(spec, **{"dropout": 0.0, **sizes, **changes}))
    assert isinstance(network, CRNN)
    for term in (m for key, m in network.named_modules() if ".terms." in key):
        torch.nn.init.normal_(term.weight, std=0.1)  # else higher powers do not show
    return network


def on_meta(name, **changes):
    with torch.device("meta"):
        return build(replace(get_spec(name), **changes))


def count(spec):
    """Parameters, from the sizes in the spec."""
    a, b, c = spec.widths
    stem = 41 * 11 * spec.in_chans * a + 21 * 11 * (a * b + b * c) + 2 * (a + b + c)
    hidden = max(1, c // spec.gate_reduction)
    gate = 2 * c * hidden + hidden + c
    block = 2 * spec.degree * c * spec.inner + 9 * spec.inner**2 + 4 * spec.inner + 2 * c + gate
    gated = len(spec.branches) * spec.branch_width
    inputs = c * -(-spec.bands // 8)
    time = sum(2 * spec.branch_width * (inputs * kernel + 1) for kernel in spec.branches)
    h = spec.hidden
    recurrent = sum(2 * 4 * h * (size + h + 2) for size in (gated, *(2 * h,) * (spec.layers - 1)))
    head = (2 * h + 1) * spec.num_classes
    return stem + spec.blocks * block + time + 2 * gated + recurrent + head


@pytest.mark.parametrize("name", NAMES)
def test_parameter_counts(name):
    for changes in ({}, {"bands": 161}, {"head": "ctc", "num_classes": 30, "degree": 3}):
        network = on_meta(name, **changes)
        assert sum(p.numel() for p in network.parameters()) == count(network.spec)


def test_the_middle_one_has_five_layers_of_1024():
    network = on_meta("crnn")
    layers = network.get_submodule("recurrent.layers")
    assert [layer.hidden_size for layer in layers] == [1024] * 5
    assert all(layer.bidirectional for layer in layers)


def test_table_of_a_spectrogram():
    rows = summarize(on_meta("crnn", bands=161), (1, 161, 200)).rows
    assert [(row.type, row.output_shape, row.detail) for row in rows if row.type] == [
        ("SpeechStem", (96, 21, 100), "[41×11, 32 · 21×11, 32 · 21×11, 96]"),
        ("3 × GatedResidualBlock", (96, 21, 100), "[1×1, 48 · 3×3, 48 · 1×1, 96]"),
        ("FoldBands", (2016, 100), ""),
        ("GatedTimeConv", (768, 100), "[3, 512 | 7, 512 | 11, 512]"),
        ("BatchNorm1d", (768, 100), ""),
        ("BiLSTM", (2048, 100), "5 × 2×1024"),
        ("AdaptiveAvgPool1d", (2048, 1), ""),
        ("Flatten", (2048,), ""),
        ("Linear", (10,), "2048 → 10"),
    ]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("head", ["clip", "ctc"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_padding_changes_no_logit(head, rank, data):
    network = tiny(head=head, rank=rank, bands=24).eval()
    bands = (data.draw(st.sampled_from([24, 40])),) if rank == 2 else ()
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=2, max_size=4))
    t = max(lengths) + data.draw(st.integers(0, 5))
    clips = [torch.randn(1, *bands, length) for length in lengths]
    garbage = data.draw(st.sampled_from([float("nan"), 1e30, -3.0]))
    x = torch.full((len(lengths), 1, *bands, t), garbage)
    for row, clip in zip(x, clips, strict=True):
        row[..., : clip.shape[-1]] = clip
    with torch.no_grad():
        together = network(x, lengths=torch.tensor(lengths))
        for i, clip in enumerate(clips):
            alone = network(clip[None])
            if head == "clip":
                torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=0)
            else:
                steps = alone.logits.shape[-1]
                assert together.lengths[i] == alone.lengths[0] == steps == -(-lengths[i] // 2)
                logits = together.logits[i, :, :steps]
                torch.testing.assert_close(logits, alone.logits[0], atol=1e-5, rtol=0)
    assert (together if head == "clip" else together.logits).isfinite().all()


@pytest.mark.parametrize("head", ["clip", "ctc"])
def test_padding_changes_no_gradient_and_no_statistics(head):
    x, lengths = torch.randn(3, 1, 24, 20).double(), torch.tensor([14, 5, 9])
    results = []
    for more in (0, 6):
        network = tiny(head=head, bands=24, drop_rate=0.0).double()
        garbage = torch.full((3, 1, 24, more), float("nan"), dtype=torch.float64)
        given = torch.cat((x[..., :14], garbage), -1)
        answer = network(given, lengths=lengths)
        logits = answer if head == "clip" else answer.logits[..., :7]
        steps = torch.arange(logits.shape[-1]) < -(-lengths // 2)[:, None, None]
        (logits if head == "clip" else logits * steps).square().sum().backward()
        found = {key: p.grad for key, p in network.named_parameters()}
        results.append({**found, **dict(network.named_buffers())})
    for key, value in results[0].items():
        torch.testing.assert_close(value, results[1][key], msg=key)


@pytest.mark.parametrize("rank", [1, 2])
def test_transcription_head(rank):
    network = tiny(head="ctc", rank=rank, num_classes=11, bands=24)
    x = torch.randn(2, 1, *(24, 21)[-rank:])
    answer = network(x)
    assert isinstance(answer, Sequences)
    assert answer.logits.shape == (2, 11, 11)
    assert answer.lengths.tolist() == [11, 11]
    assert answer.lengths.dtype == torch.int64
    assert network.spec.steps_out(21) == 11
    answer.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert spec_from_json(spec_to_json(network.spec)) == network.spec


def test_transcription_head_reset():
    network = tiny(head="ctc", bands=24).double().eval()
    network.reset_classifier(7)
    x = torch.randn(2, 1, 24, 10).double()
    assert network(x).logits.shape == (2, 7, 5)
    network.reset_classifier(0)
    assert network(x).logits.shape == (2, network.num_features, 5)
    assert build(network.spec).state_dict().keys() == network.state_dict().keys()


def test_recomputing_stages_changes_nothing_with_lengths():
    gradients = []
    for what in ("none", "stages"):
        network = tiny(bands=24, dropout=0.3, drop_path_rate=0.2)
        network.use_checkpointing(what)
        x = torch.randn(3, 1, 24, 20, generator=torch.Generator().manual_seed(1))
        torch.manual_seed(2)
        network(x, lengths=torch.tensor([20, 7, 12])).square().sum().backward()
        found = {key: p.grad for key, p in network.named_parameters()}
        gradients.append({**found, **dict(network.named_buffers())})
    for key, value in gradients[0].items():
        assert value.equal(gradients[1][key]), key


def test_any_number_of_bands_with_the_same_weights():
    network = tiny(bands=64).eval()
    for bands in (1, 40, 64, 80, 161):
        assert network(torch.randn(2, 1, bands, 12)).isfinite().all()


def test_batches_of_one_value_a_channel_are_refused():
    network = tiny(bands=24)
    with pytest.raises(InputShapeError, match="one value a channel"):
        network(torch.randn(1, 1, 24, 2))
    assert network(torch.randn(1, 1, 24, 3)).isfinite().all()
    assert network(torch.randn(2, 1, 24, 2)).isfinite().all()
    assert network.eval()(torch.randn(1, 1, 24, 2)).isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (4, 4)},
        {"degree": 0},
        {"branches": (3, 4)},
        {"branches": ()},
        {"layers": 0},
        {"hidden": 0},
        {"dropout": 1.0},
        {"head": "ctc", "num_classes": 1},
        {"blocks": 0, "drop_path_rate": 0.1},
    ],
)
def test_wrong_fields(wrong):
    with pytest.raises(UsageError, match="network 'crnn_small' cannot have this"):
        replace(get_spec("crnn_small"), **wrong)


def test_it_runs_in_half_precision():
    network = tiny(bands=24)
    x = torch.randn(3, 1, 24, 20)
    for lengths in (None, torch.tensor([20, 7, 12])):
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(x, lengths=lengths)
        assert answer.dtype == torch.bfloat16
        assert (answer.float() - network(x, lengths=lengths)).abs().max() < 0.05
