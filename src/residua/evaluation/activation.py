"""Class-activation maps: which parts of its input make a network give a class.

Legend: b samples, c channels, k maps, m positions of a map, s sizes of the input: one or two axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.evaluation.features import embedded
from residua.networks.network import Network
from residua.networks.padded import unpadded, with_lengths

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What each position of a feature map adds to a class's logit.

    Attributes:
        values: ``[b, *m]``, 0 on padding.
        lengths: int64 ``[b]`` positions of each sample along the last axis; None if all are full.
        reduction: Input steps from position to position, as the network's table says.
    """

    values: Tensor
    lengths: Tensor | None
    reduction: int


def class_evidence(
    network: Network,
    inputs: Tensor,
    lengths: Tensor | None,
    classes: Tensor,
    *,
    contrast: bool = False,
) -> Evidence:
    """Grad-CAM before its rectifier (Selvaraju et al., 2017, equations 1 and 2): the sum over k of
    the mean gradient of the class's logit along map k, times map k.

    Where an average over all positions and a linear layer follow the last maps, it is CAM (Zhou et
    al., 2016, equation 2) over the number of positions: its sum and the bias are the logit. The
    maps are those of the last stage that has more than one position.

    Args:
        network: In evaluation mode; gives logits ``[b, classes]``.
        inputs: As the network takes them, ``[b, c, *s]`` or tokens ``[b, t]``.
        lengths: int64 ``[b]`` valid steps along the last axis; None where all are.
        classes: int64 ``[b]``.
        contrast: Take the logit less the mean of all classes' in place of the logit. A softmax sees
            differences alone: what is added to all logits changes a logit's evidence, no answer.
    """
    assert not network.training
    with torch.no_grad():
        x = with_lengths(embedded(network, inputs), lengths)
        maps = network.forward_intermediates(x)[1]
    many = [i for i, each in enumerate(maps) if each.shape[2:].numel() > 1]
    index = many[-1] if many else len(maps) - 1
    data, steps = unpadded(maps[index])
    leaf = data.detach().clone().requires_grad_()
    with torch.enable_grad():
        y = with_lengths(leaf.clone(), steps)  # layers may work in place, which no leaf allows
        for stage in network.stages()[index + 1 :]:
            y = stage(y)
        logits = y.gather(1, classes.to(y.device)[:, None])[:, 0]
        wanted = logits - y.mean(1) if contrast else logits
        (gradient,) = torch.autograd.grad(wanted.sum(), leaf)
    axes = tuple(range(2, data.ndim))
    weights = gradient.sum(axes, keepdim=True) / _positions(data, steps)
    values = (weights * data.detach()).sum(1)
    return Evidence(values=values, lengths=steps, reduction=network.feature_info[index].reduction)


def _positions(maps: Tensor, lengths: Tensor | None) -> Tensor | int:
    """How many positions each sample has, ``[b, 1, *1]``."""
    if lengths is None:
        return maps.shape[2:].numel()
    return (lengths * maps.shape[2:-1].numel()).view(-1, *(1,) * (maps.ndim - 1))


def class_activation(
    network: Network, inputs: Tensor, lengths: Tensor | None, classes: Tensor
) -> Floats:
    """Where in its input the network finds a class rather than the others: 0 nowhere, 1 most.

    `class_evidence` with ``contrast``. What speaks against the class is 0 as well (Selvaraju et
    al., 2017, equation 2), and so is all of a sample with nothing that speaks for it. Between the
    positions of the map, values lie on straight lines; where a network gives up an axis, as `crnn`
    does with frequency, values are the same all along it.

    Args:
        network: In evaluation mode; gives logits ``[b, classes]``.
        inputs: As the network takes them, ``[b, c, *s]`` or tokens ``[b, t]``.
        lengths: int64 ``[b]`` valid steps along the last axis; None where all are.
        classes: int64 ``[b]``, one a sample.

    Returns:
        float32 ``[b, *s]``, 0 on padding.
    """
    found = class_evidence(network, inputs, lengths, classes, contrast=True)
    maps = found.values.double().clamp(min=0).cpu().numpy()
    sizes = inputs.shape[1:] if inputs.ndim == 2 else inputs.shape[2:]
    result = np.zeros((len(maps), *sizes), dtype=np.float32)
    for sample, each in enumerate(maps):
        short = each.shape[-1] if found.lengths is None else int(found.lengths[sample])
        steps = sizes[-1] if lengths is None else int(lengths[sample])
        values, shape = each[..., :short], (*sizes[:-1], steps)
        values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
        for axis, size in enumerate(shape):
            values = _stretched(values, axis, size, found.reduction)
        result[sample][..., :steps] = values / (values.max(initial=0.0) or 1.0)
    return result


def _stretched(
    values: npt.NDArray[np.float64], axis: int, size: int, reduction: int
) -> npt.NDArray[np.float64]:
    """``values`` with ``size`` steps along ``axis``, on straight lines between theirs.

    Layers that pad by half a kernel centre position i of a map on step ``i * reduction``; where the
    sizes do not fit that, the map is taken to cover the input evenly.
    """
    n = values.shape[axis]
    at = np.arange(n, dtype=np.float64) * reduction
    if n != -(-size // reduction):
        at = (np.arange(n) + 0.5) * (size / n) - 0.5
    steps = np.arange(size, dtype=np.float64)
    return np.apply_along_axis(lambda line: np.interp(steps, at, line), axis, values)
