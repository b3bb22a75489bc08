"""Networks in groups that a reader knows: one a family, and for ResNets one a paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from residua.networks.catalog import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A name for the networks of a family or paper, and what makes them what they are."""

    title: str
    about: str


GROUPS: dict[str, Group] = {
    "alexnet": Group(
        title="AlexNet",
        about="Five convolutions and three large linear layers, with ReLU and dropout: the network "
        "with which deep learning on pictures began.",
    ),
    "vgg": Group(
        title="VGG",
        about="Nothing but 3x3 convolutions between five pools, then three large linear layers.",
    ),
    "nin": Group(
        title="NiN",
        about="Each convolution is followed by two 1x1 ones, and the classifier is a global "
        "average instead of linear layers.",
    ),
    "googlenet": Group(
        title="GoogLeNet",
        about="Inception blocks: 1x1, 3x3 and 5x5 convolutions and a pool side by side; two "
        "auxiliary classifiers help it learn.",
    ),
    "inception_resnet": Group(
        title="Inception-ResNet", about="Inception blocks as the residuals of a residual network."
    ),
    "resnet": Group(
        title="ResNet",
        about="Each block adds a residual to its input, so that a hundred layers and more learn.",
    ),
    "1603.05027": Group(
        title="Pre-activation ResNet",
        about="Norm and activation before each convolution leave the shortcut path clean.",
    ),
    "1605.07146": Group(title="Wide ResNet", about="Fewer layers with more channels."),
    "1611.05431": Group(
        title="ResNeXt", about="Bottlenecks whose 3x3 convolution is split into groups."
    ),
    "1709.01507": Group(
        title="SE-ResNet", about="Each residual's channels are weighted by what all of them hold."
    ),
    "densenet": Group(
        title="DenseNet",
        about="Each layer sees the feature maps of all layers before it in its block.",
    ),
    "multiscale": Group(
        title="Multi-scale 1-D ResNet",
        about="Signals: residual stacks with kernels 3, 5 and 7 side by side.",
    ),
    "wang": Group(
        title="Wang's ResNet and FCN",
        about="Signals: convolutions of 8, 5 and 3 at full length, then a global average.",
    ),
    "inception_time": Group(
        title="InceptionTime",
        about="Signals: inception modules with long kernels, and an ensemble of five that trains "
        "as one network.",
    ),
    "xresnet1d": Group(
        title="xresnet1d",
        about="Electrocardiograms of 12 leads: ResNets with kernels of 5 and one width throughout.",
    ),
    "crnn": Group(
        title="CRNN",
        about="Speech: convolutions over frequency and time, gated ones along time, recurrence.",
    ),
    "ecg_resnet": Group(
        title="ECG ResNet",
        about="Electrocardiograms of one lead: pre-activation blocks with kernels of 16.",
    ),
}
"""By family, or number of the paper on arXiv."""


def group_of(spec: Spec) -> Group:
    """The group of a network; for a family without one, a group of its name."""
    papers = spec.reference.partition("arXiv:")[2][:10], spec.family, spec.family.split("_")[0]
    found = (GROUPS[key] for key in papers if key in GROUPS)
    return next(found, Group(title=spec.family, about=""))


def grouped(specs: Iterable[Spec]) -> dict[str, list[Spec]]:
    """The networks by title of their group: groups in the order above, networks as they come."""
    found: dict[str, list[Spec]] = {group.title: [] for group in GROUPS.values()}
    for spec in specs:
        found.setdefault(group_of(spec).title, []).append(spec)
    return {title: members for title, members in found.items() if members}
