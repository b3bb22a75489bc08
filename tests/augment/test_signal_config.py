import pytest

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.batch import Task
from residua.errors import UsageError


@pytest.mark.parametrize(
    "bad",
    [
        {"slice": 1.0},
        {"slice": -0.1},
        {"time_warp": -1.0},
        {"time_warp": 3.0},
        {"time_warp_knots": -1},
        {"magnitude": -0.1},
        {"noise": -0.1},
        {"noise": float("nan")},
        {"channel_dropout": 1.0},
        {"cutout": 1.1},
        {"cutout_width": 0.0},
        {"cutout_width": 1.0},
    ],
    ids=str,
)
def test_values_out_of_range_are_named(bad: dict) -> None:
    (name, value), *_ = bad.items()
    with pytest.raises(UsageError, match=f"{name}.*received {value}"):
        SignalAugmentConfig(**bad)


def test_nothing_is_on_unasked() -> None:
    config = SignalAugmentConfig()
    switches = (config.slice, config.time_warp, config.magnitude, config.noise)
    assert not any((*switches, config.channel_dropout, config.cutout))


def test_tokens_cannot_be_mixed() -> None:
    with pytest.raises(UsageError, match=r"mixup cannot mix.*mixup 0\.2.*Leave out --mixup"):
        AugmentConfig(mixup=0.2).check_task(Task.CTC)
    with pytest.raises(UsageError, match="--cutmix"):
        AugmentConfig(cutmix=1.0).check_task(Task.CTC)
    AugmentConfig().check_task(Task.CTC)
    for task in (Task.CLASSIFICATION, Task.MULTILABEL, Task.REGRESSION):
        AugmentConfig(mixup=0.2, cutmix=1.0).check_task(task)
