"""Every row of the catalog cut down to what is special about it, so that computing costs little.

A new family adds a case to `thin`.
"""

from dataclasses import replace

import torch
from torch import Tensor

from residua.networks.catalog import Spec, get_spec, list_models
from residua.networks.network import Network
from residua.networks.specs.alexnet import AlexNetSpec
from residua.networks.specs.crnn import CRNNSpec
from residua.networks.specs.densenet import DenseNetSpec
from residua.networks.specs.ecg_resnet import ECGResNetSpec
from residua.networks.specs.googlenet import CompactGoogLeNetSpec, GoogLeNetSpec
from residua.networks.specs.inception_resnet import InceptionResNetSpec
from residua.networks.specs.inception_time import InceptionTimeSpec
from residua.networks.specs.multiscale import MultiScaleSpec
from residua.networks.specs.nin import NiNSpec
from residua.networks.specs.resnet import ResNetSpec
from residua.networks.specs.vgg import VGGSpec
from residua.networks.specs.wang import WangSpec
from residua.networks.specs.xresnet1d import XResNet1dSpec


def thin(name: str, **changes: object) -> Spec:
    """The network ``name`` with one thin block a stage and four classes."""
    spec = get_spec(name)
    match spec:
        case AlexNetSpec():
            spec = replace(spec, widths=tuple(w // 16 for w in spec.widths), hidden=32)
        case VGGSpec():
            widths = tuple(w // 16 for w in spec.widths)
            spec = replace(spec, widths=widths, depths=(1,) * len(spec.depths), hidden=32)
        case NiNSpec():
            sizes = {
                field: tuple(w // 16 for w in getattr(spec, field))
                for field in ("widths", "hidden", "outputs")
            }
            spec = replace(spec, **sizes)
        case ResNetSpec():
            spec = replace(
                spec, widths=tuple(w // 4 for w in spec.widths), depths=(1,) * len(spec.depths)
            )
        case GoogLeNetSpec() | CompactGoogLeNetSpec():
            spec = replace(spec, width=1 / 16)
        case InceptionResNetSpec():
            spec = replace(spec, width=1 / 32, depths=(1, 1, 2))
        case DenseNetSpec():
            spec = replace(spec, depths=(2,) * len(spec.depths), growth=4, stem_width=8)
        case MultiScaleSpec():
            spec = replace(spec, widths=tuple(w // 16 for w in spec.widths), stem_width=8)
        case WangSpec():
            spec = replace(spec, widths=tuple(w // 16 for w in spec.widths))
        case InceptionTimeSpec():
            spec = replace(spec, width=2, bottleneck=2, members=min(spec.members, 3))
        case XResNet1dSpec():
            spec = replace(spec, depths=(1,) * 4, width=8, stem=(4, 4, 8), hidden=8)
        case ECGResNetSpec():
            spec = replace(spec, depths=(2,) * 4, widths=tuple(w // 8 for w in spec.widths))
        case CRNNSpec():
            spec = replace(
                spec,
                widths=(4, 4, 8),
                blocks=1,
                inner=4,
                gate_reduction=4,
                branches=(3, 5),
                branch_width=4,
                hidden=6,
                layers=2,
                in_chans=3,
            )
    if not spec.has_residuals:
        changes.pop("drop_path_rate", None)
    return replace(spec, **{"num_classes": 4, **changes})


def unique_thin_names() -> list[str]:
    """One name for each thin network; sizes are all that sets the others apart."""
    names = list_models()
    content = {replace(thin(name), name="", reference=""): name for name in reversed(names)}
    return sorted(content.values(), key=names.index)


def inputs(network: Network, batch: int = 2, sizes: tuple[int, ...] | None = None) -> Tensor:
    """Noise that the network can take; by default of an odd size and not square."""
    spec, least = network.spec, max(17, network.min_size)
    generator = torch.Generator().manual_seed(0)
    sizes = sizes or (least + 2, least)
    return torch.randn(batch, spec.in_chans, *sizes[: spec.rank], generator=generator)
