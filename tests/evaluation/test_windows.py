"""Windows of a recording through a network: the same answers as one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from residua.batch import Batch, Modality, Schema, Task
from residua.data.dataset import Problem
from residua.data.open_recording import open_recording
from residua.data.recordings import POSITION, Recording
from residua.data.signal_preprocess import SignalPreprocess
from residua.errors import FormatError, UsageError
from residua.evaluation.windows import channels_for, predict_windows

STEPS, RATE = 1000, 100
SIGNAL = np.random.default_rng(0).normal(size=(2, STEPS)).astype(np.float32)


class Network(nn.Module):
    """Three numbers of a window, whatever its length."""

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        assert not self.training
        assert lengths is None
        each = [inputs.amax(dim=-1).sum(1), inputs.amin(dim=-1).sum(1), inputs[:, :, 0].sum(1)]
        return torch.stack(each, dim=1)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    np.save(tmp_path / "r.npy", SIGNAL)
    return open_recording(tmp_path / "r.npy", rate=RATE)


def predict(recording: Recording, preprocess: SignalPreprocess, task: Task, **options):
    return list(
        predict_windows(
            Network(),
            recording,
            preprocess=preprocess,
            task=task,
            length=100,
            step=60,
            device=torch.device("cpu"),
            **options,
        )
    )


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.MULTILABEL])
def test_answers_are_those_of_single_windows(recording: Recording, task: Task) -> None:
    preprocess = SignalPreprocess(channels=2, rate=RATE)
    found = predict(recording, preprocess, task, batch_size=4, temperature=2.0)
    assert [start for start, _ in found] == [*range(0, 900, 60), 900]
    for start, probabilities in found:
        window = torch.from_numpy(SIGNAL[:, start : start + 100].copy())[None]
        unknown = torch.zeros(1, dtype=torch.int64)
        batch = preprocess.on_device(Batch(inputs=window, targets=unknown, ids=unknown))
        logits = Network().eval()(batch.inputs)[0].double() / 2
        wanted = logits.softmax(0) if task is Task.CLASSIFICATION else logits.sigmoid()
        np.testing.assert_allclose(probabilities, wanted.numpy(), atol=1e-6)


def test_windows_are_resampled_to_the_rate_of_the_network(recording: Recording) -> None:
    lengths: list[int] = []

    class Watching(Network):
        def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
            seen.append(inputs.shape[-1])
            return super().forward(inputs, lengths)

    seen = lengths
    preprocess = SignalPreprocess(channels=2, rate=RATE / 2, source_rate=360)
    list(
        predict_windows(
            Watching(),
            recording,
            preprocess=preprocess,
            task=Task.CLASSIFICATION,
            length=100,
            step=100,
            device=torch.device("cpu"),
        )
    )
    assert set(lengths) == {50}


def test_a_window_without_values_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    broken = SIGNAL.copy()
    broken[:, 120:220] = np.nan
    np.save(tmp_path / "r.npy", broken)
    told: list[Problem] = []
    recording = open_recording(tmp_path / "r.npy", rate=RATE)
    preprocess = SignalPreprocess(channels=2, rate=RATE)
    found = predict(recording, preprocess, Task.CLASSIFICATION, told=told.append)
    assert [problem.key for problem in told] == ["r.npy@120"]
    assert 120 not in [start for start, _ in found]
    assert len(found) == 15


def test_a_regression_has_no_events(recording: Recording) -> None:
    with pytest.raises(UsageError, match="classes"):
        predict(recording, SignalPreprocess(channels=2), Task.REGRESSION)


def test_channels_are_found_by_name(recording: Recording) -> None:
    def schema(*names: str) -> Schema:
        return Schema(modality=Modality.SIGNAL, channels=len(names), channel_names=names)

    picked = channels_for(recording, schema("channel 2"))
    np.testing.assert_array_equal(picked.read(0, 9), SIGNAL[1:, :9])
    assert channels_for(recording, schema("I", "II")) == recording  # as many, by position
    with pytest.raises(FormatError, match="other channels"):
        channels_for(recording, schema("I"))


def test_a_network_of_beats_is_told_where_in_the_window_to_look(recording: Recording) -> None:
    schema = Schema(modality=Modality.SIGNAL, channels=3, channel_names=("I", "II", POSITION))
    assert channels_for(recording, schema) == recording
    seen: list[Tensor] = []

    class Watching(Network):
        def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
            seen.append(inputs)
            return super().forward(inputs, lengths)

    answers = predict_windows(
        Watching(),
        recording,
        preprocess=SignalPreprocess(channels=3, rate=RATE, standardise="none"),
        task=Task.CLASSIFICATION,
        length=100,
        step=100,
        before=0.6,
        device=torch.device("cpu"),
    )
    assert len(list(answers)) == 10
    np.testing.assert_allclose(seen[0][0, 2], np.arange(-60, 40) / RATE, atol=1e-6)
