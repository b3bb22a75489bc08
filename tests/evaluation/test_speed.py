"""Measured speeds: what is counted, in which order, and what the ratios are. No test of times."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from residua.evaluation import speed
from residua.evaluation.speed import Rounds, Spread, Subject, measure, speeds
from residua.networks.catalog import build, get_spec


def subject(name: str = "resnet20", batch: int = 2, **fields: object) -> Subject:
    spec = replace(get_spec(name), **fields)
    size = spec.usual_size
    return Subject(network=build(spec), inputs=torch.randn(batch, spec.in_chans, size, size))


def test_every_network_computes_once_a_round_and_each_begins_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def counted(watch: speed._Stopwatch) -> tuple[float, float]:
        calls.append(watch.network.spec.name)
        return 1.0, 2.0

    monkeypatch.setattr(speed._Stopwatch, "round", counted)
    done: list[int] = []
    subjects = [subject("resnet20"), subject("resnet32"), subject("plain20")]
    found = measure(subjects, rounds=3, dtype=torch.float32, progress=done.append)
    warm_up, rounds = calls[:6], calls[6:]
    assert warm_up == ["resnet20"] * 2 + ["resnet32"] * 2 + ["plain20"] * 2
    assert rounds[:3] == ["resnet20", "resnet32", "plain20"]
    assert rounds[3:6] == ["resnet32", "plain20", "resnet20"]
    assert rounds[6:] == ["plain20", "resnet20", "resnet32"]
    assert done == [0, 1, 2, 3]
    assert found == [Rounds(batch=2, forward=(1.0,) * 3, training=(2.0,) * 3)] * 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_backward_reaches_all_weights_and_leaves_no_gradients(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(speed, "_SHORTEST", 0.0)
    measured = subject()
    before = [parameter.clone() for parameter in measured.network.parameters()]
    reached = set[int]()
    for index, parameter in enumerate(measured.network.parameters()):
        parameter.register_hook(lambda gradient, i=index: reached.add(i))
    (found,) = measure([measured], rounds=2, dtype=dtype)
    assert reached == set(range(len(before)))
    assert all(parameter.grad is None for parameter in measured.network.parameters())
    assert all(map(torch.equal, before, measured.network.parameters()))
    assert len(found.forward) == len(found.training) == 2
    assert min(*found.forward, *found.training) > 0


def test_auxiliary_classifiers_train_and_are_not_called_in_evaluation() -> None:
    network = build(replace(get_spec("googlenet"), num_classes=3))
    watch = speed._Stopwatch(
        Subject(network=network, inputs=torch.randn(2, 3, 96, 96)), torch.float32
    )
    modes: list[bool] = []
    head = network.get_submodule(network.auxiliary_names[0])
    head.register_forward_hook(lambda module, args, output: modes.append(module.training))
    watch.round()
    assert modes == [True]


times = st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=9)


@given(times, st.floats(0.1, 10), st.integers(1, 64))
def test_ratios_compare_within_rounds(seconds: list[float], factor: float, batch: int) -> None:
    """A network that always takes ``factor`` times as long has that ratio, however noisy rounds
    are, and the first one has 1."""
    slower = tuple(factor * value for value in seconds)
    first = Rounds(batch=batch, forward=tuple(seconds), training=slower)
    second = Rounds(batch=batch, forward=slower, training=tuple(seconds))
    one, other = speeds([first, second])
    assert one.forward_ratio == Spread(median=1, low=1, high=1)
    for spread, ratio in ((other.forward_ratio, 1 / factor), (other.training_ratio, factor)):
        assert (spread.low, spread.median, spread.high) == pytest.approx((ratio,) * 3)


def test_speeds_are_samples_a_second_with_quartiles() -> None:
    found = speeds([Rounds(batch=8, forward=(1.0, 2.0, 4.0, 8.0, 16.0), training=(4.0,) * 5)])[0]
    assert found.forward == Spread(median=2, low=1, high=4)
    assert found.training == Spread(median=2, low=2, high=2)
