"""What every network can do, whatever its family: `Network`.

A network is a chain of stages from stem to head. Calling, feature extraction, freezing, learning
rates by depth and activation checkpointing all follow from that chain.

Shapes: ``x`` is ``[b, in_chans, *s]`` with ``rank`` spatial axes s, the last feature map
``[b, num_features, *s']``, logits ``[b, num_classes]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils.checkpoint import checkpoint

from residua.errors import InputShapeError, UsageError
from residua.networks.layers import classifier
from residua.networks.spec import NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A link of the chain: modules that run one after the other."""

    name: str
    modules: tuple[nn.Module, ...]

    def __call__(self, x: Tensor) -> Tensor:
        for module in self.modules:
            x = module(x)
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInfo:
    """What comes out of a stage: its channels, and input size over output size."""

    name: str
    channels: int
    reduction: int


class Network(nn.Module, ABC):
    """Base of all networks.

    Attributes:
        spec: What the network is; kept up to date by `reset_classifier`.
        num_features: Channels that the classifier sees.
        feature_info: One row for each stage but the head.
        min_size: Smallest input size that leaves a feature map.
        classifier_name: Name of the classifier among the submodules.
        input_name: Name of the first convolution.
    """

    classifier_name: ClassVar[str] = "fc"
    input_name: ClassVar[str] = "conv1"

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        num_features: int,
        feature_info: tuple[FeatureInfo, ...],
        min_size: int = 1,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.num_features = num_features
        self.feature_info = feature_info
        self.min_size = min_size
        self.checkpointing = False

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """The chain from stem to head. The last module of the last stage is the classifier."""

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map.

        Raises:
            InputShapeError: ``x`` has another rank or other channels, is too small, or not float;
                or is one sample from which no batch norm can learn.
        """
        self.check_input(x)
        for stage in self.stages()[:-1]:
            x = self._run(stage, x)
        return x

    def forward_head(self, x: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Logits of a last feature map; with ``pre_logits``, what the classifier would see."""
        modules = self.stages()[-1].modules
        for module in modules[:-1] if pre_logits else modules:
            x = module(x)
        return x

    def forward_intermediates(
        self, x: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The last feature map, and those of the stages ``indices`` (all by default, in order)."""
        self.check_input(x)
        wanted = self._positions(indices)
        maps: list[Tensor] = []
        for position, stage in enumerate(self.stages()[:-1]):
            x = self._run(stage, x)
            if position in wanted:
                maps.append(x)
        return x, maps

    def features_only(self, indices: Sequence[int] | None = None) -> FeatureExtractor:
        """This network, its classifier removed, as a module that returns the maps of its stages."""
        return FeatureExtractor(self, indices)

    def get_classifier(self) -> nn.Module:
        """The module that turns features into logits."""
        return self.get_submodule(self.classifier_name)

    def reset_classifier(self, num_classes: int) -> None:
        """Puts a fresh classifier in place, with 0 classes none; the spec follows."""
        spec = replace(self.spec, num_classes=num_classes)
        like = next(self.parameters())
        head = classifier(self.num_features, num_classes).to(like.device, like.dtype)
        self.set_submodule(self.classifier_name, head.train(self.training))
        self.spec = spec

    def translate_key(self, key: str) -> str:
        """This network's name for ``key`` of a state dict in another package's layout."""
        return key

    def use_checkpointing(self, enabled: bool = True) -> None:
        """Recomputes the stages' activations in the backward pass instead of keeping them.

        Gradients and batch-norm statistics stay bitwise the same (Chen et al., 2016).
        """
        self.checkpointing = enabled

    def check_input(self, x: Tensor) -> None:
        """Raises an `InputShapeError` for inputs that the network cannot take."""
        rank, channels = self.spec.rank, self.spec.in_chans
        sizes = "length" if rank == 1 else "height, width"
        expected = f"float [batch, {channels}, {sizes}]"
        received = f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}"
        if x.ndim != rank + 2 or x.shape[1] != channels or not x.is_floating_point():
            raise InputShapeError(
                f"inputs do not fit network '{self.spec.name}'",
                expected=expected,
                received=received,
                fix="Convert them, or create the network with that in_chans or rank",
            )
        if min(x.shape[2:]) < self.min_size:
            raise InputShapeError(
                f"inputs are too small for network '{self.spec.name}'",
                expected=f"at least {self.min_size} along each of {sizes}",
                received=received,
            )
        if x.shape[0] == 1 and self._normalises_batches() and self._is_one_pixel(x):
            raise InputShapeError(
                "batch normalisation cannot learn from a batch of one value a channel",
                expected=f"two samples, or {sizes} above {self.feature_info[-1].reduction}",
                received=received,
                fix="Use a larger batch size or size, or accumulate less",
            )

    def _normalises_batches(self) -> bool:
        return any(isinstance(m, _BatchNorm) and m.training for m in self.modules())

    def _is_one_pixel(self, x: Tensor) -> bool:
        """Whether the last feature map has one value a channel."""
        return max(x.shape[2:]) <= self.feature_info[-1].reduction

    def _run(self, stage: Stage, x: Tensor) -> Tensor:
        if not (self.checkpointing and self.training):
            return stage(x)
        contexts = partial(_checkpoint_contexts, stage)
        return checkpoint(stage, x, use_reentrant=False, context_fn=contexts)

    def _positions(self, indices: Sequence[int] | None) -> set[int]:
        count = len(self.feature_info)
        chosen = range(count) if indices is None else indices
        if not all(-count <= index < count for index in chosen):
            raise UsageError(
                f"network '{self.spec.name}' has no such stage",
                expected=f"indices from {-count} to {count - 1}",
                received=list(chosen),
            )
        return {index % count for index in chosen}


class FeatureExtractor(nn.Module):
    """A network without head: ``[b, c, *s]`` to one feature map for each chosen stage."""

    def __init__(self, network: Network, indices: Sequence[int] | None = None) -> None:
        super().__init__()
        chosen = sorted(network._positions(indices))  # pyright: ignore[reportPrivateUsage]
        network.reset_classifier(0)
        self.network = network
        self.indices = tuple(chosen)
        self.feature_info = tuple(network.feature_info[index] for index in chosen)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.network.forward_intermediates(x, self.indices)[1]


def _checkpoint_contexts(
    stage: Stage,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _spare_statistics(stage)


@contextmanager
def _spare_statistics(stage: Stage) -> Generator[None]:
    """Lends copies of their statistics to batch norms: a recomputed batch must not count twice."""
    norms = [m for root in stage.modules for m in root.modules() if isinstance(m, _BatchNorm)]
    own = [(norm, name, b) for norm in norms for name, b in norm.named_buffers(recurse=False)]
    for norm, name, buffer in own:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in own:
            setattr(norm, name, buffer)
