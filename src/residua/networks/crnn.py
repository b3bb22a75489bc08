"""The convolutional recurrent network, for every row of `residua.networks.specs.crnn`.

Keys: ``stem.conv1 stem.bn1 ... blocks.0.conv1.terms.0 ... gated.branch1 ... gated_bn
recurrent.layers.0.weight_ih_l0 ... fc``. Its parts are in `residua.networks.crnn_parts`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from residua.networks.crnn_parts import (
    BiLSTM,
    FoldBands,
    GatedResidualBlock,
    GatedTimeConv,
    SpeechStem,
)
from residua.networks.layers import batch_norm, classifier, conv, dropout, global_average
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.padded import shortest, unpadded, with_lengths
from residua.networks.sequences import Sequences
from residua.networks.specs.crnn import CRNNSpec


class CRNN(Network):
    """Stem, gated residual blocks, gated convolutions along time, BiLSTM layers, head.

    The stem is that of Deep Speech 2 (Amodei et al., 2016, section 3), as are bidirectional layers
    behind it, here LSTM and without batch norm, and the CTC head. New between the two are residual
    blocks with polynomial pointwise convolutions and CBAM's channel gates, and gated linear units
    of several kernels along time.

    Inputs are ``[b, c, f, t]``, f frequency bands, t steps, at rank 1 ``[b, c, t]``. With the head
    ``clip`` the answer is ``[b, num_classes]``, from the mean over each sample's own steps; with
    ``ctc`` it is `Sequences` of ``ceil(t / 2)`` steps, whose class 0 is blank. ``reduction`` of the
    feature maps is that of time; the last two have no frequency any more.
    """

    input_name = "stem.conv1"

    def __init__(self, spec: CRNNSpec) -> None:
        super().__init__(spec, num_features=2 * spec.hidden, feature_info=_feature_info(spec))
        rank, channels = spec.rank, spec.widths[-1]
        self.stem = SpeechStem(spec.in_chans, spec.widths, rank=rank)
        self.blocks = nn.Sequential(*_blocks(spec))
        self.fold = FoldBands(spec.rows)
        self.gated = GatedTimeConv(channels * spec.rows, spec.branch_width, spec.branches)
        gated = len(spec.branches) * spec.branch_width
        self.gated_bn = batch_norm(1, gated)
        self.recurrent = BiLSTM(gated, spec.hidden, layers=spec.layers, drop_rate=spec.dropout)
        self.avgpool = global_average(1)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = _classifier(spec)

    def stages(self) -> tuple[Stage, ...]:
        pooled = (self.avgpool, self.flatten) if self._is_clip else ()
        return (
            Stage(name="stem", modules=(self.stem,)),
            Stage(name="blocks", modules=(self.blocks,)),
            Stage(name="gated", modules=(self.fold, self.gated, self.gated_bn)),
            Stage(name="recurrent", modules=(self.recurrent,)),
            Stage(name="head", modules=(*pooled, self.dropout, self.fc)),
        )

    def forward(
        self, x: Tensor, *, lengths: Tensor | None = None, auxiliary: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Logits, or with the head ``ctc`` `Sequences`; otherwise as `Network.forward`."""
        if self._is_clip:
            return super().forward(x, lengths=lengths, auxiliary=auxiliary)
        answer = self.forward_head(self.forward_features(with_lengths(x, lengths)))
        logits, steps = unpadded(answer)
        if steps is None:
            steps = torch.full((logits.shape[0],), logits.shape[-1], device=logits.device)
        return Sequences(logits=logits, lengths=steps)

    def reset_classifier(self, num_classes: int) -> None:
        spec = replace(self._crnn, num_classes=num_classes)
        like = next(self.parameters())
        self.fc = _classifier(spec).to(like.device, like.dtype).train(self.training)
        self.spec = spec

    @property
    def _crnn(self) -> CRNNSpec:
        assert isinstance(self.spec, CRNNSpec)
        return self.spec

    @property
    def _is_clip(self) -> bool:
        return self._crnn.head == "clip"

    def _is_one_pixel(self, x: Tensor) -> bool:
        """Along time, as the norm behind the gated convolutions sees no frequency."""
        return shortest(x)[-1] <= self._one_pixel_size()


def _classifier(spec: CRNNSpec) -> nn.Module:
    """A linear layer, of each step for CTC."""
    features = 2 * spec.hidden
    if spec.head == "clip" or not spec.num_classes:
        return classifier(features, spec.num_classes)
    return conv(1, features, spec.num_classes, bias=True)


def _blocks(spec: CRNNSpec) -> list[GatedResidualBlock]:
    """Stochastic depth grows linearly from the first block to the last, as in residual networks."""
    return [
        GatedResidualBlock(
            spec.widths[-1],
            spec.inner,
            degree=spec.degree,
            reduction=spec.gate_reduction,
            drop_path=spec.drop_path_rate * (i + 1) / spec.blocks,
            rank=spec.rank,
        )
        for i in range(spec.blocks)
    ]


def _feature_info(spec: CRNNSpec) -> tuple[FeatureInfo, ...]:
    channels = {
        "stem": spec.widths[-1],
        "blocks": spec.widths[-1],
        "gated": len(spec.branches) * spec.branch_width,
        "recurrent": 2 * spec.hidden,
    }
    return tuple(FeatureInfo(name=n, channels=c, reduction=2) for n, c in channels.items())
