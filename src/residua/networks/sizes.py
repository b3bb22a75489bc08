"""How many parameters a network has, by arithmetic on its spec: quick, and free of torch.

Legend: c channels, w a stage's width, k kernel size along each axis.
"""

from __future__ import annotations

from residua.networks.resnet_specs import ResNetSpec


def count_parameters(spec: ResNetSpec) -> int:
    """Elements of all weights and biases of the network that ``spec`` says."""
    k, stem = (7 if spec.stem == "imagenet" else 3), spec.stem_width
    count = _conv(spec, spec.in_chans, stem, k)
    count += 0 if spec.preact else 2 * stem
    c = stem
    for stage, (depth, w) in enumerate(zip(spec.depths, spec.widths, strict=True)):
        outputs = w * _expansion(spec)
        count += _shortcut(spec, c, outputs, strides=stage > 0)
        count += _block(spec, c, w) + (depth - 1) * _block(spec, outputs, w)
        c = outputs
    count += 2 * c if spec.preact else 0
    return count + (c + 1) * spec.num_classes


def _expansion(spec: ResNetSpec) -> int:
    return 4 if spec.block.endswith("bottleneck") else 1


def _conv(spec: ResNetSpec, inputs: int, outputs: int, k: int = 1, groups: int = 1) -> int:
    return inputs // groups * outputs * k**spec.rank


def _shortcut(spec: ResNetSpec, c: int, outputs: int, *, strides: bool) -> int:
    if spec.shortcut == "A" or (c == outputs and not strides):
        return 0
    return _conv(spec, c, outputs) + (0 if spec.preact else 2 * outputs)


def _block(spec: ResNetSpec, c: int, w: int) -> int:
    """A block without its shortcut: convolutions, norms, gate."""
    k, outputs = spec.kernel, w * _expansion(spec)
    inner = int(w * spec.width_per_group / 64) * spec.groups
    if spec.block == "separable":
        separable = _conv(spec, w, w, k, groups=w) + _conv(spec, w, w)
        count = _conv(spec, c, w, k) + 2 * separable + 3 * 2 * w
    elif _expansion(spec) == 1:
        count = _conv(spec, c, w, k) + _conv(spec, w, w, k) + 2 * ((c if spec.preact else w) + w)
    else:
        count = _conv(spec, c, inner) + _conv(spec, inner, inner, k, groups=spec.groups)
        count += _conv(spec, inner, outputs)
        count += 2 * (2 * inner + (c if spec.preact else outputs))
    return count + _gate(spec, outputs)


def _gate(spec: ResNetSpec, channels: int) -> int:
    if spec.gate == "none":
        return 0
    hidden = max(8, int(channels / spec.gate_reduction + 4) // 8 * 8)
    return 2 * channels * hidden + channels + hidden
