"""What every network can do, whatever its family: `Network`.

A network is a chain of stages from stem to head. Calling, feature extraction, freezing, learning
rates by depth and activation checkpointing all follow from that chain.

Shapes: ``x`` is ``[b, in_chans, *s]`` with ``rank`` spatial axes s, the last feature map
``[b, num_features, *s']``, logits ``[b, num_classes]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from residua.errors import InputShapeError, UsageError
from residua.networks.layers import classifier
from residua.networks.padded import shortest, with_lengths
from residua.networks.pretrained.layouts import our_key
from residua.networks.recompute import Recompute, recomputed
from residua.networks.specs.base import NetworkSpec


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
        recomputes_layers: Whether `use_checkpointing` knows ``layers``.
        recompute: What `use_checkpointing` has set.
        embedding: Of tokens, in front of the first stage; None for pictures, signals and sound.
        auxiliary_names: Submodules that are classifiers for training alone, in their order.
        auxiliary_weight: What the loss of each of them counts beside that of the last classifier.
    """

    classifier_name: ClassVar[str] = "fc"
    input_name: str = "conv1"
    recomputes_layers: ClassVar[bool] = False
    auxiliary_names: tuple[str, ...] = ()
    auxiliary_weight: float = 0.0

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
        self.recompute: Recompute = "none"
        self.embedding: nn.Embedding | None = None
        if spec.vocabulary:
            self.embedding = nn.Embedding(spec.vocabulary, spec.in_chans, padding_idx=0)

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """The chain from stem to head. The last module of the last stage is the classifier."""

    def forward(
        self, x: Tensor, *, lengths: Tensor | None = None, auxiliary: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Logits; with ``auxiliary`` a tuple of them and each auxiliary classifier's.

        Args:
            x: ``[b, in_chans, *s]``; with `embedding`, int64 tokens ``[b, t]``.
            lengths: Integers ``[b]``: valid steps along the last axis; what lies behind them is
                padding, of any value, and changes no answer. None where all are full.
            auxiliary: Also answer with the auxiliary classifiers.
        """
        x = with_lengths(self._embedded(x), lengths)
        if auxiliary:
            return self.forward_auxiliary(x)
        return self.forward_head(self.forward_features(x))

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits, then those of the auxiliary classifiers, in the order of `auxiliary_names`."""
        return (self.forward_head(self.forward_features(x)),)

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
        return our_key(self.spec.family, key)

    def use_checkpointing(self, what: Recompute = "stages") -> None:
        """Recomputes activations in the backward pass instead of keeping them.

        Gradients and batch-norm statistics stay bitwise the same (Chen et al., 2016).

        Args:
            what: ``stages`` keeps the maps between stages alone; ``layers``, for dense networks,
                recomputes only what is cheap; ``none`` keeps everything again.

        Raises:
            UsageError: The network has no layers that are cheap to recompute.
        """
        if what == "layers" and not self.recomputes_layers:
            raise UsageError(
                f"network '{self.spec.name}' cannot recompute layers",
                expected="stages or none",
                received=what,
                fix="Dense networks can",
            )
        self.recompute = what

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
        steps = shortest(x)
        if min(steps) < self.min_size:
            raise InputShapeError(
                f"inputs are too small for network '{self.spec.name}'",
                expected=f"at least {self.min_size} along each of {sizes}",
                received=received if steps == x.shape[2:] else f"{received}, one of {steps[-1]}",
            )
        if x.shape[0] == 1 and self._normalises_batches() and self._is_one_pixel(x):
            raise InputShapeError(
                "batch normalisation cannot learn from a batch of one value a channel",
                expected=f"two samples, or {sizes} above {self._one_pixel_size()}",
                received=received,
                fix="Use a larger batch size or size, or accumulate less",
            )

    def _normalises_batches(self) -> bool:
        return any(isinstance(m, _BatchNorm) and m.training for m in self.modules())

    def _is_one_pixel(self, x: Tensor) -> bool:
        """Whether the last feature map has one value a channel."""
        return max(shortest(x)) <= self._one_pixel_size()

    def _one_pixel_size(self) -> int:
        """The largest input size whose last feature map has one pixel."""
        return self.feature_info[-1].reduction

    def _embedded(self, x: Tensor) -> Tensor:
        if self.embedding is None:
            return x
        if x.ndim != 2 or x.is_floating_point():
            raise InputShapeError(
                f"inputs do not fit network '{self.spec.name}'",
                expected="int64 [batch, length] tokens",
                received=f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}",
            )
        return self.embedding(x).transpose(1, 2).contiguous()

    def _run(self, stage: Stage, x: Tensor) -> Tensor:
        if self.recompute == "stages" and self.training:
            return recomputed(stage, stage.modules, x)
        return stage(x)

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
