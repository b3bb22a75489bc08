"""Parameter groups, the optimizers, and their state by parameter name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from residua.errors import CheckpointError, UsageError
from residua.networks.network import Network
from residua.training.config import OptimizerConfig
from residua.training.lamb import Lamb


def parameter_groups(
    network: Network, config: OptimizerConfig, *, heads: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Groups for `torch.optim`: parameters that share a learning rate and a weight decay.

    Weights decay; norms and biases (everything with at most one dimension) only with
    ``decay_norms``. With ``layer_decay`` below 1 each stage of the network learns at that share of
    the next deeper one's rate, the head at the full one (Clark et al., "ELECTRA", 2020, section
    3), and so do auxiliary classifiers and ``heads``. Frozen parameters (``requires_grad`` false)
    are left out.

    Args:
        network: All of it.
        config: Rates and decay.
        heads: What else learns: a module that has ``network`` in it.

    Returns:
        A dict a group with ``params`` (name and tensor), ``lr``, ``base_lr`` (what schedules
        multiply), ``weight_decay``, ``adapt`` (LAMB scales these by their trust ratio).

    Raises:
        UsageError: No parameter is left to train.
    """
    scales = _learning_rate_scales(network, config.layer_decay)
    members: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
    learning = {parameter: name for name, parameter in network.named_parameters()}
    if heads is not None:
        learning |= {p: name for name, p in heads.named_parameters() if p not in learning}
    for parameter, name in learning.items():
        if parameter.requires_grad:
            key = (scales.get(parameter, 1.0), parameter.ndim > 1)
            members.setdefault(key, []).append((name, parameter))
    if not members:
        raise UsageError("no parameter is left to train", fix="Freeze fewer stages")
    return [
        {
            "params": parameters,
            "lr": config.peak_lr * scale,
            "base_lr": config.peak_lr * scale,
            "weight_decay": config.decay if is_weight or config.decay_norms else 0.0,
            "adapt": is_weight,
        }
        for (scale, is_weight), parameters in members.items()
    ]


def _learning_rate_scales(network: Network, layer_decay: float) -> dict[nn.Parameter, float]:
    if layer_decay == 1:
        return {}
    scales = {
        parameter: layer_decay**depth_from_head
        for depth_from_head, stage in enumerate(reversed(network.stages()))
        for module in stage.modules
        for parameter in module.parameters()
    }
    if network.embedding is not None:
        scales |= dict.fromkeys(network.embedding.parameters(), min(scales.values()))
    for auxiliary in network.auxiliary_names:
        scales |= dict.fromkeys(network.get_submodule(auxiliary).parameters(), 1.0)
    missing = [name for name, parameter in network.named_parameters() if parameter not in scales]
    assert not missing, f"parameters in no stage of {type(network).__name__}: {missing}"
    return scales


def make_optimizer(
    network: Network, config: OptimizerConfig, *, heads: nn.Module | None = None
) -> Optimizer:
    """The optimizer of all trainable parameters of ``network``, and of ``heads`` (see
    `parameter_groups`), with its state already allocated.

    SGD and AdamW are torch's fused ones: a single pass over memory, and they skip the update by
    themselves where ``optimizer.found_inf`` is 1 (see `residua.training.guard`). Call it once the
    network is on its device and in its memory format: the state takes its layout from there.

    Raises:
        UsageError: A value out of its range, or nothing to train.
    """
    config.check()
    groups = parameter_groups(network, config, heads=heads)
    betas = (config.momentum, config.beta2)
    optimizer: Optimizer
    match config.optimizer:
        case "sgd":
            nesterov = config.nesterov and config.momentum > 0
            optimizer = SGD(
                groups, lr=config.peak_lr, momentum=config.momentum, nesterov=nesterov, fused=True
            )
        case "adamw":
            optimizer = AdamW(groups, lr=config.peak_lr, betas=betas, fused=True)
        case "lamb":
            optimizer = Lamb(groups, lr=config.peak_lr, betas=betas)
    _allocate_state(optimizer)
    _check_layouts_once(optimizer)
    return optimizer


def _allocate_state(optimizer: Optimizer) -> None:
    """Zeros where torch would allocate at the first step.

    From zeros the first step computes the same. Left to itself fused SGD allocates uninitialised
    momentum, which stays so if that very step is skipped.
    """
    for _, parameter in named_parameters(optimizer):
        match optimizer:
            case SGD(defaults={"momentum": 0}):
                state = {}
            case SGD():
                state = {"momentum_buffer": torch.zeros_like(parameter)}
            case _:
                state = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        optimizer.state[parameter] = state


def _check_layouts_once(optimizer: Optimizer) -> None:
    """At the first step, that parameters, gradients and state are laid out alike.

    The fused kernels walk over raw memory: with a channels_last weight and a contiguous state or
    gradient they would silently mix up elements.
    """

    unchecked = True

    def check(*_: object) -> None:
        nonlocal unchecked
        if not unchecked:
            return
        unchecked = False
        for name, parameter in named_parameters(optimizer):
            tensors = [*optimizer.state[parameter].values(), parameter.grad]
            for tensor in tensors:
                if tensor is not None and tensor.shape == parameter.shape:
                    assert _strides(tensor) == _strides(parameter), (
                        f"{name} changed its memory format after make_optimizer"
                    )

    optimizer.register_step_pre_hook(check)


def _strides(tensor: Tensor) -> list[int]:
    """Strides that matter: dimensions of one element may have any."""
    return [s for s, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def named_parameters(optimizer: Optimizer) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters that ``optimizer`` updates, group by group."""
    for group in optimizer.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)


def set_learning_rates(optimizer: Optimizer, factor: float) -> None:
    """Sets each group's rate to ``factor`` times its own base rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer remembers, keyed by parameter name.

    Returns:
        Tensors under names such as ``momentum_buffer:layer1.0.conv1.weight`` (the optimizer's own,
        not copies), and for JSON the optimizer's class and the groups' learning rates.
    """
    tensors = {
        f"{key}:{name}": value
        for name, parameter in named_parameters(optimizer)
        for key, value in optimizer.state[parameter].items()
    }
    lr = [float(group["lr"]) for group in optimizer.param_groups]
    return tensors, {"optimizer": type(optimizer).__name__, "lr": lr}


def load_optimizer_state(
    optimizer: Optimizer, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]
) -> None:
    """Brings back what `optimizer_state` returned, bit for bit, into a fresh optimizer.

    Raises:
        CheckpointError: The state of another optimizer, or of other parameters.
    """
    own, own_scalars = optimizer_state(optimizer)
    where = "the optimizer's state in the checkpoint"
    for expected, received in (
        (own_scalars["optimizer"], scalars["optimizer"]),
        (f"{len(own_scalars['lr'])} groups", f"{len(scalars['lr'])} groups"),
    ):
        if expected != received:
            raise CheckpointError(
                "another optimizer", expected=expected, received=received, where=where
            )
    for name in sorted(own.keys() ^ tensors.keys()):
        received = "nothing" if name in own else "a tensor"
        raise CheckpointError(f"unmatched tensor '{name}'", received=received, where=where)
    for name, tensor in tensors.items():
        _copy_exactly(own[name], tensor, name, where)
    for group, lr in zip(optimizer.param_groups, scalars["lr"], strict=True):
        group["lr"] = lr


def _copy_exactly(target: Tensor, source: Tensor, name: str, where: str) -> None:
    if (target.shape, target.dtype) != (source.shape, source.dtype):
        raise CheckpointError(
            f"unfit tensor '{name}'",
            expected=f"{target.dtype} {list(target.shape)}",
            received=f"{source.dtype} {list(source.shape)}",
            where=where,
        )
    target.copy_(source)
