"""Freezing the first stages of a network whose weights were learnt elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MethodType

from torch import nn
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]

from residua.errors import UnknownNameError, UsageError
from residua.networks.network import Network, Stage


def freeze(network: Network, stages: int | Sequence[str]) -> tuple[str, ...]:
    """Keeps stages as they are: no gradients, and no new running statistics.

    Their batch normalisation stays in evaluation mode whatever ``network.train()`` says, until
    `unfreeze`. Freeze before the optimizer is made, and after ``convert_sync_batchnorm``, which
    puts new layers in place of the old ones.

    Args:
        network: Its stages run from stem to head.
        stages: How many from the stem on, or names.

    Returns:
        The names of the frozen stages.

    Raises:
        UsageError: More stages than can be frozen with something left to learn.
        UnknownNameError: A name that no stage has.
    """
    chosen = _choose(network.stages(), stages)
    for stage in chosen:
        for module in stage.modules:
            module.requires_grad_(False)
            for norm in _norms(module):
                norm.eval()
                norm.train = MethodType(_stay_in_evaluation_mode, norm)
    return tuple(stage.name for stage in chosen)


def unfreeze(network: nn.Module) -> None:
    """Lets every parameter learn and every norm follow ``network.train()`` again."""
    network.requires_grad_(True)
    for norm in _norms(network):
        vars(norm).pop("train", None)
        norm.train(network.training)


def _choose(known: Sequence[Stage], wanted: int | Sequence[str]) -> Sequence[Stage]:
    names = [stage.name for stage in known]
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, int):
        for name in wanted:
            if name not in names:
                raise UnknownNameError("stage", name, names)
        count = len(set(wanted))
        chosen = [stage for stage in known if stage.name in wanted]
    else:
        count = wanted
        chosen = known[: max(0, wanted)]
    if not 0 <= count < len(names):
        raise UsageError(
            "cannot freeze that many stages",
            expected=f"0 to {len(names) - 1} of {', '.join(names)}, so that one is left to learn",
            received=count,
        )
    return chosen


def _norms(module: nn.Module) -> Iterator[nn.Module]:
    """Normalisation layers with running statistics."""
    return (m for m in module.modules() if isinstance(m, _NormBase) and m.track_running_stats)


def _stay_in_evaluation_mode(module: nn.Module, mode: bool = True) -> nn.Module:
    """Takes the place of ``train`` on one layer; as a bound method it is copied with it."""
    return type(module).train(module, False)
