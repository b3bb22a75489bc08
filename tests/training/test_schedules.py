"""Shapes against torch's schedulers where they coincide, and properties of all."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from residua.errors import UsageError
from residua.training.config import ScheduleConfig
from residua.training.schedules import Schedule


def sgd(lr: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def torch_rates(optimizer, scheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*rates, optimizer.param_groups[0]["lr"]]


def factors(config: ScheduleConfig, steps_per_epoch: int, epochs: int) -> list[float]:
    total = steps_per_epoch * epochs
    schedule = Schedule(config, steps_per_epoch, epochs)
    return [schedule.factor(step) for step in range(total + 1)]


@pytest.mark.parametrize("final", [0.0, 0.01])
def test_cosine_equals_torchs(final):
    config = ScheduleConfig(schedule="cosine", warmup_epochs=0, final_lr=final)
    optimizer = sgd()
    expected = torch_rates(
        optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 35, eta_min=final), 35
    )
    assert factors(config, 7, 5) == pytest.approx(expected, abs=1e-12)


def test_warmup_and_cosine_equal_torchs_in_sequence():
    config = ScheduleConfig(schedule="cosine", warmup_epochs=2, warmup_start=0.1)
    optimizer = sgd()
    rise = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, 40)
    both = lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[10])
    assert factors(config, 5, 10) == pytest.approx(torch_rates(optimizer, both, 50), abs=1e-12)


def test_step_equals_torchs_on_he_et_als_milestones():
    config = ScheduleConfig(schedule="step", warmup_epochs=0, milestones=(0.5, 0.75), gamma=0.1)
    optimizer = sgd()
    scheduler = lr_scheduler.MultiStepLR(optimizer, [32, 48], gamma=0.1)
    assert factors(config, 8, 8) == pytest.approx(torch_rates(optimizer, scheduler, 64), rel=1e-12)


def test_milestones_do_not_slip_by_rounding():
    # 0.1 * 30 is a little more than 3 in floating point
    config = ScheduleConfig(schedule="step", warmup_epochs=0, milestones=(0.1,))
    assert factors(config, 10, 3)[2:4] == [1.0, 0.1]


@pytest.mark.parametrize("final", [0.01, 0.001])
def test_onecycle_equals_torchs(final):
    config = ScheduleConfig(schedule="onecycle", final_lr=final)
    optimizer = sgd()
    # torch's phases end at pct_start * total_steps - 1 and total_steps - 1
    scheduler = lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=61,
        pct_start=19 / 61,
        cycle_momentum=False,
        final_div_factor=1 / 25 / final,
    )
    assert factors(config, 20, 3) == pytest.approx(torch_rates(optimizer, scheduler, 60), rel=1e-9)


def test_constant_stays_at_the_peak():
    config = ScheduleConfig(schedule="constant", warmup_epochs=1, warmup_start=0.5)
    assert factors(config, 2, 3) == [0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("patience", [1, 3])
def test_plateau_equals_torchs(patience):
    losses = [1.0, 0.9, 0.95, 0.9, 0.9, 0.8, *[0.85] * 9, 0.7, *[0.75] * 8]
    config = ScheduleConfig(
        schedule="plateau", warmup_epochs=0, patience=patience, gamma=0.5, final_lr=0.02
    )
    optimizer = sgd()
    # torch lowers the rate after one more loss than its patience
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, threshold=0, min_lr=0.02, eps=0
    )
    schedule = Schedule(config, 1, len(losses))
    for step, loss in enumerate(losses):
        schedule.on_validation(loss)
        scheduler.step(loss)
        assert schedule.factor(step) == optimizer.param_groups[0]["lr"]
    assert schedule.factor(len(losses)) < 1


def test_plateau_goes_on_from_its_saved_state():
    config = ScheduleConfig(schedule="plateau", patience=2, warmup_epochs=0)
    losses = [1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6]
    whole, first, second = (Schedule(config, 1, 8) for _ in range(3))
    for loss in losses:
        whole.on_validation(loss)
    for loss in losses[:5]:
        first.on_validation(loss)
    second.load(json.loads(json.dumps(first.state(), allow_nan=False)))
    for loss in losses[5:]:
        second.on_validation(loss)
    assert second.state() == whole.state()
    assert second.factor(7) == whole.factor(7) == pytest.approx(0.001)


def test_plateau_does_not_take_nan_for_better():
    schedule = Schedule(ScheduleConfig(schedule="plateau", patience=2, warmup_epochs=0), 1, 9)
    for loss in (math.nan, math.nan):
        schedule.on_validation(loss)
    assert schedule.factor(5) == 0.1
    assert json.dumps(schedule.state(), allow_nan=False)


def test_other_schedules_do_not_listen_to_validation():
    schedule = Schedule(ScheduleConfig(patience=1, warmup_epochs=0), 1, 9)
    before = [schedule.factor(step) for step in range(9)]
    for _ in range(5):
        schedule.on_validation(1.0)
    assert [schedule.factor(step) for step in range(9)] == before


def test_every_group_keeps_its_own_base_rate():
    optimizer = torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))], "base_lr": base} for base in (0.1, 0.05)],
        lr=1.0,
    )
    schedule = Schedule(ScheduleConfig(warmup_epochs=0), 10, 1)
    assert schedule.apply(optimizer, 5) == 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.025]


configs = st.builds(
    ScheduleConfig,
    schedule=st.sampled_from(["cosine", "step", "onecycle", "plateau", "constant"]),
    warmup_epochs=st.floats(0, 20),
    warmup_start=st.floats(1e-3, 1),
    final_lr=st.floats(0, 1),
    milestones=st.lists(st.floats(0.01, 0.99), max_size=3).map(tuple),
)


@given(config=configs, steps_per_epoch=st.integers(1, 50), epochs=st.integers(1, 8))
def test_factors_lie_in_the_unit_interval(config, steps_per_epoch, epochs):
    values = factors(config, steps_per_epoch, epochs)
    assert all(0 < value <= 1 for value in values[:-1])


@given(config=configs, steps_per_epoch=st.integers(1, 50), epochs=st.integers(1, 8))
def test_cosine_and_onecycle_end_at_the_final_rate(config, steps_per_epoch, epochs):
    if config.schedule in ("cosine", "onecycle"):
        assert factors(config, steps_per_epoch, epochs)[-1] == pytest.approx(
            config.final_lr, abs=1e-12
        )


@given(
    warmup=st.floats(0.1, 20),
    start=st.floats(0.01, 1),
    schedule=st.sampled_from(["cosine", "constant", "plateau"]),
    steps_per_epoch=st.integers(1, 50),
    epochs=st.integers(2, 8),
)
def test_warmup_rises_evenly_and_meets_the_peak(warmup, start, schedule, steps_per_epoch, epochs):
    config = ScheduleConfig(schedule=schedule, warmup_epochs=warmup, warmup_start=start)
    values = factors(config, steps_per_epoch, epochs)
    length = min(warmup * steps_per_epoch, steps_per_epoch * epochs / 2)
    rising = values[: math.ceil(length)]
    for step, value in enumerate(rising):
        assert value == pytest.approx(start + (1 - start) * step / length)
    # at the seam the curve has no jump: the first value after it is near the peak
    after = values[math.ceil(length)]
    largest_step = math.pi / 2 / (len(values) - 1 - length)
    assert 1 - after <= (largest_step if schedule == "cosine" else 1e-12)


@pytest.mark.parametrize("schedule", ["cosine", "step", "onecycle", "plateau", "constant"])
def test_a_run_of_one_update(schedule):
    config = ScheduleConfig(schedule=schedule, warmup_epochs=3)
    assert 0 < Schedule(config, 1, 1).factor(0) <= 1


def test_a_warmup_longer_than_the_run_takes_half_of_it():
    config = ScheduleConfig(schedule="constant", warmup_epochs=100, warmup_start=0.2)
    assert factors(config, 5, 2) == pytest.approx(
        [0.2, 0.36, 0.52, 0.68, 0.84, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_epochs": -1.0},
        {"warmup_start": 0.0},
        {"final_lr": 1.5},
        {"milestones": (0.5, 1.2)},
        {"gamma": 1.0},
        {"patience": 0},
    ],
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=f"wrong {next(iter(wrong))}"):
        Schedule(ScheduleConfig(**wrong), 1, 1)
