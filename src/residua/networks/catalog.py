"""All networks by name. Importing this does not import torch; building does.

A family is added with its table of specs in `SPECS` and of facts in `FACTS`, one case in `build`,
and its type in `Spec` and `FAMILIES`.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, overload

from residua.errors import UnknownNameError, UsageError
from residua.networks.specs.alexnet import ALEXNET_FACTS, ALEXNETS, AlexNetSpec
from residua.networks.specs.base import Facts, fields_from_json, fields_to_json
from residua.networks.specs.crnn import CRNN_FACTS, CRNNS, CRNNSpec
from residua.networks.specs.densenet import DENSENET_FACTS, DENSENETS, DenseNetSpec
from residua.networks.specs.ecg_resnet import ECG_RESNET_FACTS, ECG_RESNETS, ECGResNetSpec
from residua.networks.specs.googlenet import (
    GOOGLENET_FACTS,
    GOOGLENETS,
    CompactGoogLeNetSpec,
    GoogLeNetSpec,
)
from residua.networks.specs.inception_resnet import (
    INCEPTION_RESNET_FACTS,
    INCEPTION_RESNETS,
    InceptionResNetSpec,
)
from residua.networks.specs.inception_time import (
    INCEPTION_TIME_FACTS,
    INCEPTION_TIMES,
    InceptionTimeSpec,
)
from residua.networks.specs.multiscale import MULTISCALE_FACTS, MULTISCALES, MultiScaleSpec
from residua.networks.specs.nin import NIN_FACTS, NINS, NiNSpec
from residua.networks.specs.resnet import RESNET_FACTS, RESNETS, ResNetSpec
from residua.networks.specs.vgg import VGG_FACTS, VGGS, VGGSpec
from residua.networks.specs.wang import WANG_FACTS, WANGS, WangSpec
from residua.networks.specs.xresnet1d import XRESNET_FACTS, XRESNETS, XResNet1dSpec

if TYPE_CHECKING:
    from pathlib import Path

    from residua.networks.network import FeatureExtractor, Network

Spec = (
    AlexNetSpec
    | VGGSpec
    | NiNSpec
    | GoogLeNetSpec
    | CompactGoogLeNetSpec
    | ResNetSpec
    | InceptionResNetSpec
    | DenseNetSpec
    | MultiScaleSpec
    | WangSpec
    | InceptionTimeSpec
    | XResNet1dSpec
    | ECGResNetSpec
    | CRNNSpec
)
"""Any family's spec."""

FAMILIES: tuple[type[Spec], ...] = (
    AlexNetSpec,
    VGGSpec,
    NiNSpec,
    GoogLeNetSpec,
    CompactGoogLeNetSpec,
    ResNetSpec,
    InceptionResNetSpec,
    DenseNetSpec,
    MultiScaleSpec,
    WangSpec,
    InceptionTimeSpec,
    XResNet1dSpec,
    ECGResNetSpec,
    CRNNSpec,
)

TABLES = (
    ALEXNETS,
    VGGS,
    NINS,
    GOOGLENETS,
    RESNETS,
    INCEPTION_RESNETS,
    DENSENETS,
    MULTISCALES,
    WANGS,
    INCEPTION_TIMES,
    XRESNETS,
    ECG_RESNETS,
    CRNNS,
)

SPECS: dict[str, Spec] = {spec.name: spec for table in TABLES for spec in table}

FACTS: dict[str, Facts] = {
    **ALEXNET_FACTS,
    **VGG_FACTS,
    **NIN_FACTS,
    **GOOGLENET_FACTS,
    **RESNET_FACTS,
    **INCEPTION_RESNET_FACTS,
    **DENSENET_FACTS,
    **MULTISCALE_FACTS,
    **WANG_FACTS,
    **INCEPTION_TIME_FACTS,
    **XRESNET_FACTS,
    **ECG_RESNET_FACTS,
    **CRNN_FACTS,
}


def list_models(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern (``resnet*``), in the order of the tables."""
    return [name for name in SPECS if fnmatchcase(name, pattern)]


def get_spec(name: str) -> Spec:
    """The row of the table: the network as its paper has it.

    Raises:
        UnknownNameError: There is none; near names are suggested.
    """
    if name not in SPECS:
        raise UnknownNameError("network", name, SPECS)
    return SPECS[name]


def build(spec: Spec) -> Network:
    """The network that ``spec`` says, freshly initialised."""
    from residua.networks.building import building

    with building():
        return _construct(spec)


def _construct(spec: Spec) -> Network:
    match spec:
        case AlexNetSpec():
            from residua.networks.alexnet import AlexNet

            return AlexNet(spec)
        case VGGSpec():
            from residua.networks.vgg import VGG

            return VGG(spec)
        case NiNSpec():
            from residua.networks.nin import NiN

            return NiN(spec)
        case GoogLeNetSpec():
            from residua.networks.googlenet import GoogLeNet

            return GoogLeNet(spec)
        case CompactGoogLeNetSpec():
            from residua.networks.googlenet_compact import CompactGoogLeNet

            return CompactGoogLeNet(spec)
        case ResNetSpec():
            from residua.networks.resnet import ResNet

            return ResNet(spec)
        case InceptionResNetSpec():
            from residua.networks.inception_resnet import InceptionResNet

            return InceptionResNet(spec)
        case DenseNetSpec():
            from residua.networks.densenet import DenseNet

            return DenseNet(spec)
        case MultiScaleSpec():
            from residua.networks.multiscale import MultiScaleResNet

            return MultiScaleResNet(spec)
        case WangSpec():
            from residua.networks.wang import WangNet

            return WangNet(spec)
        case InceptionTimeSpec():
            from residua.networks.inception_time import InceptionTime

            return InceptionTime(spec)
        case XResNet1dSpec():
            from residua.networks.xresnet1d import XResNet1d

            return XResNet1d(spec)
        case ECGResNetSpec():
            from residua.networks.ecg_resnet import ECGResNet

            return ECGResNet(spec)
        case CRNNSpec():
            from residua.networks.crnn import CRNN

            return CRNN(spec)


@overload
def create_model(
    name: str,
    *,
    num_classes: int = 1000,
    in_chans: int | None = None,
    rank: int | None = None,
    pretrained: str | Path | None = None,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    aux: bool = True,
    features_only: Literal[False] = False,
) -> Network: ...


@overload
def create_model(
    name: str,
    *,
    num_classes: int = 1000,
    in_chans: int | None = None,
    rank: int | None = None,
    pretrained: str | Path | None = None,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    aux: bool = True,
    features_only: Literal[True],
) -> FeatureExtractor: ...


def create_model(
    name: str,
    *,
    num_classes: int = 1000,
    in_chans: int | None = None,
    rank: int | None = None,
    pretrained: str | Path | None = None,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    aux: bool = True,
    features_only: bool = False,
) -> Network | FeatureExtractor:
    """A network by its name.

    Args:
        name: One of `list_models`.
        num_classes: Logits; 0 leaves the classifier out.
        in_chans: Channels of the input; by default as in the table, 3 of pictures.
        rank: 2 for pictures ``[b, c, h, w]``, 1 for signals ``[b, c, t]``; by default 2, and 1 of
            networks that are for signals alone.
        pretrained: Weights: ``torchvision/NETWORK[.TAG]``, ``timm/NETWORK[.TAG]``,
            ``hf-hub:OWNER/NAME``, or a file or folder. Where the class count differs the
            classifier stays fresh, where the channel count differs the first convolution is
            adapted (summed for 1, else repeated and rescaled); a warning names both.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth of the last block (Huang et al., 2016).
        aux: Keep the auxiliary classifiers of a network that has them (GoogLeNet).
        features_only: Return the feature maps of all stages instead of logits.

    Raises:
        UnknownNameError: No network has this name.
        UsageError: An argument is out of range, or ``pretrained`` names unknown weights.
        CheckpointError: Nothing is at the path that ``pretrained`` says.
        WeightsError: The weights do not fit, are damaged, or cannot be fetched.
    """
    row = get_spec(name)
    spec = replace(
        row if aux else without_auxiliary(row),
        num_classes=num_classes,
        in_chans=row.in_chans if in_chans is None else in_chans,
        rank=row.rank if rank is None else rank,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
    )
    network = build(spec)
    if pretrained is not None:
        from residua.networks.weights import load_weights

        load_weights(network, pretrained, adapt=True).warn()
    return network.features_only() if features_only else network


def without_auxiliary(spec: Spec) -> Spec:
    """``spec`` less its auxiliary classifiers; itself where it has none."""
    return replace(spec, aux=False) if isinstance(spec, GoogLeNetSpec) else spec


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """The spec as JSON values, with the tag of its family."""
    return {"family": spec.family, **fields_to_json(spec)}


def spec_from_json(value: dict[str, Any]) -> Spec:
    """The spec that `spec_to_json` wrote.

    Raises:
        UsageError: The family or a field is unknown, or a value is out of range.
    """
    family = value.get("family")
    fields = {key: item for key, item in value.items() if key != "family"}
    for kind in FAMILIES:
        if kind.family == family:
            return fields_from_json(kind, fields)
    expected = ", ".join(kind.family for kind in FAMILIES)
    raise UsageError("unknown family of networks", expected=expected, received=family)
