"""Best so far, signals, records."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from residua.errors import FormatError, UsageError
from residua.training.distributed import choose_device
from residua.training.meter import Meter, Scores
from residua.training.precision import choose_arithmetic
from residua.training.record import EpochRecord, MetricsFile
from residua.training.stopping import Best, StopRequest


def scores(accuracy: float | None, loss: float = 1.0) -> Scores:
    return Scores(loss=loss, score=accuracy, n=10)


def test_best_goes_by_accuracy_then_loss() -> None:
    best = Best().after(1, scores(0.5)).after(2, scores(0.4)).after(3, scores(0.5, loss=2.0))
    assert (best.step, best.stale) == (1, 2)
    assert best.after(4, scores(0.5, loss=0.9)) == Best(step=4, scores=scores(0.5, loss=0.9))


def test_a_score_that_is_not_defined_is_worse_than_any() -> None:
    best = Best().after(1, scores(None)).after(2, scores(-3.0)).after(3, scores(None, loss=0.1))
    assert best.step == 2
    assert Best().after(1, scores(None)).after(2, scores(None, loss=0.5)).step == 2


def test_first_signal_is_remembered_the_second_breaks_off() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before


def record(epoch: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch, step=10 * epoch, lr=0.1, train=scores(0.1 * epoch), validation=None,
        seconds=1.5, samples_per_second=3.0, peak_memory_bytes=4,
    )  # fmt: skip


def test_metrics_survive_a_cut_line_and_go_back(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    assert file.read() == []
    for epoch in (1, 2, 3):
        file.append(record(epoch))
    with file.path.open("a") as out:
        out.write(json.dumps({"epoch": 4})[:5])
    assert file.read() == [record(1), record(2), record(3)]
    file.keep_until(20)
    assert file.read() == [record(1), record(2)]
    file.path.write_text("nonsense\n" + file.path.read_text())
    with pytest.raises(FormatError, match="line 1"):
        file.read()


def test_scores_stand_under_their_names() -> None:
    for found in (scores(0.5), Scores(loss=1.0, score=None, n=3, name="auc")):
        value = json.loads(json.dumps(found.to_json()))
        assert value[found.name] == found.score
        assert Scores.from_json(value) == found
    assert Scores(loss=1.0, score=-0.25, n=3, name="r2").text == "R2 -0.250"
    assert scores(0.5).text == "acc  50.0%"
    for bad in ({"loss": 1, "n": 2}, {"loss": 1, "n": 2, "taste": 3}):
        with pytest.raises(ValueError, match=r"no score|not enough"):
            Scores.from_json(bad)


def test_meter_sums_over_batches_of_any_size() -> None:
    meter = Meter(torch.device("cpu"))
    meter.add(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    meter.add(torch.tensor([6.0]), torch.tensor([1.0]))
    assert meter.scores() == Scores(loss=3.0, score=2 / 3, n=3)
    meter.reset()
    assert meter.scores() == Scores(loss=0.0, score=0.0, n=0)


def test_devices_and_arithmetic_that_cannot_be() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="unknown device"):
        choose_device("toaster")
    with pytest.raises(UsageError, match="fp16"):
        choose_arithmetic("fp16", torch.device("cpu"))
    assert choose_arithmetic("float32", torch.device("cpu")).dtype == torch.float32
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no GPU"):
            choose_device("cuda")
