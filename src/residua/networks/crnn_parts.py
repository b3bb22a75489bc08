"""What the CRNN is made of. Every part works alone, with fresh weights.

Shapes: b samples, c channels, ``*s`` one or two spatial axes of which the last is time, f frequency
rows, t steps. Parts with a ``rank`` take ``[b, c, f, t]`` at 2 and ``[b, c, t]`` at 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from residua.networks.layers import Conv, banded_conv, batch_norm, conv, dropout, stochastic_depth
from residua.networks.padded import Padded
from residua.networks.specs.crnn import KERNELS, STRIDES


class Clipped(nn.Hardtanh):
    """min(max(x, 0), 20), the activation of Deep Speech 2; it bounds what is raised to powers."""

    def __init__(self) -> None:
        super().__init__(0.0, 20.0)


class SpeechStem(nn.Module):
    """Three convolutions over frequency and time, each normalised and clipped.

    Amodei et al., 2016 (Deep Speech 2), section 3.5 and table 3: 41x11 stride 2x2, then twice 21x11
    stride 2x1. At rank 1 frequency falls away: 11 stride 2, then twice 11.

    Shapes: ``[b, inputs, f, t]`` to ``[b, widths[-1], ceil(f / 8), ceil(t / 2)]``.
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, rank: int = 2) -> None:
        super().__init__()
        sizes = zip(pairwise((inputs, *widths)), KERNELS, STRIDES, strict=True)
        for i, ((before, after), kernel, stride) in enumerate(sizes, start=1):
            self.add_module(f"conv{i}", banded_conv(rank, before, after, kernel, stride=stride))
            self.add_module(f"bn{i}", batch_norm(rank, after))
            self.add_module(f"act{i}", Clipped())
        _kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.children():
            x = module(x)
        return x


class ChannelGate(nn.Module):
    """x * sigmoid(M(mean(x)) + M(max(x))), M(z) = W2 relu(W1 z).

    Woo et al., 2018 (CBAM), equation 2: mean and maximum over all positions go through the same
    M: c -> c / reduction -> c.

    Shapes: ``[b, channels, *s]`` to the same.
    """

    def __init__(self, channels: int, *, reduction: int = 16, rank: int = 2) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc1 = conv(rank, channels, hidden, bias=True)
        self.fc2 = conv(rank, hidden, channels, bias=True)
        _kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        mean, largest = x.mean(axes, keepdim=True), x.amax(axes, keepdim=True)
        return x * (self.weigh(mean) + self.weigh(largest)).sigmoid()

    def weigh(self, z: Tensor) -> Tensor:
        """M(z)."""
        return self.fc2(F.relu(self.fc1(z)))


class PolynomialConv(nn.Module):
    """y = sum over k = 1 ... degree of W_k x^k, powers elementwise, at each position.

    It takes the place of a 1x1 convolution, which it is for degree 1. The generative neuron of
    Kiranyaz et al., 2021 (arXiv:2004.11778), with a kernel of one position. The higher terms start
    at zero, so that training starts from the 1x1 convolution.

    Shapes: ``[b, inputs, *s]`` to ``[b, outputs, *s]``.
    """

    def __init__(self, inputs: int, outputs: int, *, degree: int = 2, rank: int = 2) -> None:
        super().__init__()
        terms = [conv(rank, inputs, outputs) for _ in range(degree)]
        _kaiming(terms[0])
        for term in terms[1:]:
            nn.init.zeros_(term.weight)
        self.terms = nn.ModuleList(terms)

    def forward(self, x: Tensor) -> Tensor:
        power, y = x, self.terms[0](x)
        for term in self.terms[1:]:
            power = power * x
            y = y + term(power)
        return y


class GatedResidualBlock(nn.Module):
    """y = act(x + gate(F(x))), F: pointwise, 3x3, pointwise, each normalised.

    A bottleneck (He et al., 2016) whose 1x1 convolutions are polynomials, with CBAM's channel gate
    where squeeze and excitation has its own.

    Shapes: ``[b, channels, *s]`` to the same.
    """

    def __init__(
        self,
        channels: int,
        inner: int,
        *,
        degree: int = 2,
        reduction: int = 16,
        drop_path: float = 0.0,
        rank: int = 2,
    ) -> None:
        """A block by itself.

        Args:
            channels: In and out.
            inner: Of the 3x3 convolution.
            degree: Highest power of the pointwise convolutions.
            reduction: Channels over hidden units of the gate.
            drop_path: Rate of stochastic depth.
            rank: 2 for ``[b, c, f, t]``, 1 for ``[b, c, t]``.
        """
        super().__init__()
        self.conv1 = PolynomialConv(channels, inner, degree=degree, rank=rank)
        self.bn1 = batch_norm(rank, inner)
        self.conv2 = conv(rank, inner, inner, 3)
        self.bn2 = batch_norm(rank, inner)
        self.conv3 = PolynomialConv(inner, channels, degree=degree, rank=rank)
        self.bn3 = batch_norm(rank, channels)
        self.gate = ChannelGate(channels, reduction=reduction, rank=rank)
        self.drop_path = stochastic_depth(drop_path)
        self.act = Clipped()
        _kaiming(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.act(self.bn2(self.conv2(y)))
        y = self.gate(self.bn3(self.conv3(y)))
        return self.act(x + self.drop_path(y))


class FoldBands(nn.Module):
    """All rows of frequency as channels, so that only time is left; of other than ``rows``, as many
    averages as that.

    Shapes: ``[b, c, f, t]`` to ``[b, c * rows, t]``; what has no frequency stays as it is.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return x
        if x.shape[2] != self.rows:
            x = F.adaptive_avg_pool2d(x, (self.rows, None))
        return x.flatten(1, 2)

    def extra_repr(self) -> str:
        return f"rows={self.rows}"


class GatedTimeConv(nn.Module):
    """[A_1 * sigmoid(B_1), A_2 * sigmoid(B_2), ...], A_i and B_i convolutions of one kernel each.

    Gated linear units (Dauphin et al., 2017, arXiv:1612.08083, equation 1) side by side.

    Shapes: ``[b, inputs, t]`` to ``[b, len(kernels) * width, t]``.
    """

    def __init__(self, inputs: int, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        for i, kernel in enumerate(kernels, start=1):
            self.add_module(f"branch{i}", conv(1, inputs, 2 * width, kernel, bias=True))
        _kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.glu(branch(x), 1) for branch in self.children()], 1)


class BiLSTM(nn.Module):
    """Recurrent layers that run over time in both directions.

    Hochreiter & Schmidhuber, 1997; in both directions Graves & Schmidhuber, 2005, whose outputs are
    concatenated. Recurrent weights start orthogonal, which neither shrinks nor blows up what is
    carried on (Saxe et al., 2014, arXiv:1312.6120), input weights uniform (Glorot & Bengio, 2010),
    biases at 0 but those of the forget gates at 1, so that cells start by remembering (Jozefowicz
    et al., 2015, An Empirical Exploration of Recurrent Network Architectures, section 2.2).

    Samples of unequal lengths are packed: what lies behind their ends is never seen, and is zero in
    the output.

    Shapes: ``[b, inputs, t]`` to ``[b, 2 * hidden, t]``.
    """

    def __init__(
        self, inputs: int, hidden: int, *, layers: int = 1, drop_rate: float = 0.0
    ) -> None:
        """Layers by themselves.

        Args:
            inputs: Channels that come in.
            hidden: Units in each direction.
            layers: How many, one on the other.
            drop_rate: Dropout between them.
        """
        super().__init__()
        sizes = (inputs, *(2 * hidden,) * (layers - 1))
        lstms = [nn.LSTM(size, hidden, batch_first=True, bidirectional=True) for size in sizes]
        for layer in lstms:
            _initialise_lstm(layer)
        self.layers = nn.ModuleList(lstms)
        self.dropout = dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(x, Padded):
            y = self._turned(x) if x.device.type == "cpu" else self._packed(x)
            return cast(Tensor, Padded(y.mT, x.ends, zeroed=True))
        y = x.mT
        for i, layer in enumerate(self.layers):
            y, _ = layer(self.dropout(y) if i else y)
        return y.mT

    def _packed(self, x: Padded) -> Tensor:
        """``[b, t, 2 * hidden]``. torch packs by lengths in the processor's memory: they are taken
        from where they lie there, else copied, and the batch waits for its device this one time."""
        lengths = x.lengths.cpu() if x.ends.host is None else x.ends.host
        y = pack_padded_sequence(x.data.mT, lengths, batch_first=True, enforce_sorted=False)
        for i, layer in enumerate(self.layers):
            y, _ = layer(y._replace(data=self.dropout(y.data)) if i else y)
        return pad_packed_sequence(y, batch_first=True, total_length=x.shape[-1])[0]

    def _turned(self, x: Padded) -> Tensor:
        """``[b, t, 2 * hidden]``, without packing, whose backward pass takes a time on a processor
        that grows with the square of t: each sample is turned round for the way back, so that its
        padding comes last both ways."""
        lengths, steps = x.lengths[:, None], torch.arange(x.shape[-1])
        valid = (steps < lengths)[..., None]
        turn = torch.where(steps < lengths, lengths - 1 - steps, steps)[..., None]
        y = x.zeroed().mT
        for i, layer in enumerate(self.layers):
            y = self.dropout(y) if i else y
            assert isinstance(layer, nn.LSTM)
            back = _one_way(layer, y.gather(1, turn.expand_as(y)), "_reverse")
            y = torch.cat((_one_way(layer, y, ""), back.gather(1, turn.expand_as(back))), -1)
        return y.masked_fill(~valid, 0)


def _one_way(layer: nn.LSTM, x: Tensor, way: str) -> Tensor:
    """What one direction of ``layer`` makes of ``[b, t, c]``, from the first step to the last."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(layer, f"{kind}_l0{way}") for kind in kinds]
    start = x.new_zeros(1, x.shape[0], layer.hidden_size)
    return torch.lstm(x, (start, start), weights, True, 1, 0.0, layer.training, False, True)[0]


def _kaiming(module: nn.Module) -> None:
    """Kaiming's normal by fan-in (He et al., 2015), biases 0."""
    for part in module.modules():
        if isinstance(part, Conv):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _initialise_lstm(layer: nn.LSTM) -> None:
    """Rows of torch's weights are those of input, forget, cell and output gate; of its two biases,
    which are added, one carries the forget gate's."""
    hidden = layer.hidden_size
    for name, parameter in layer.named_parameters():
        if parameter.is_meta:
            continue
        if name.startswith("weight_hh"):
            for gate in parameter.detach().split(hidden):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            for gate in parameter.detach().split(hidden):
                nn.init.xavier_uniform_(gate)
        else:
            nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter.detach()[hidden : 2 * hidden])
