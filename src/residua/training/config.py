"""What can be said about training. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Precision = Literal["auto", "float32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """How gradients become updates."""

    optimizer: Literal["sgd", "adamw", "lamb"] = "sgd"
    """SGD with Nesterov momentum, AdamW (Loshchilov & Hutter, 2019) or LAMB (You et al., 2020)."""
    lr: float = 0.1
    """Peak learning rate for a batch of `batch_size`."""
    momentum: float = 0.9
    """Momentum of SGD; beta 1 of the others."""
    nesterov: bool = True
    """Nesterov's form of momentum (SGD)."""
    beta2: float = 0.999
    """Decay of the squared gradients (AdamW, LAMB)."""
    weight_decay: float = 5e-4
    """L2 for SGD, decoupled for AdamW and LAMB."""
    decay_norms: bool = False
    """Decay the weights of norms and all biases too."""
    layer_decay: float = 1.0
    """Learning rate of each stage relative to the next deeper one; 1 is the same for all."""
    clip: float | None = None
    """Largest norm of the whole gradient; longer ones are scaled down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate changes over the run."""

    schedule: Literal["cosine", "step", "onecycle", "plateau", "constant"] = "cosine"
    """Shape after the warm-up."""
    warmup_epochs: float = 1.0
    """Epochs of linear warm-up; ignored by onecycle, which has its own."""
    warmup_start: float = 0.01
    """Learning rate at the start of the warm-up, as a share of the peak."""
    final_lr: float = 0.0
    """Last rate of cosine and onecycle, and the least of plateau, as a share of the peak."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Points of step, as shares of the run."""
    gamma: float = 0.1
    """Factor of step and plateau."""
    patience: int = 5
    """Epochs without a better validation loss before plateau lowers the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """The loop."""

    epochs: int = 30
    """Passes over the training data."""
    batch_size: int = 128
    """Samples of one update, over all ranks and accumulation steps."""
    accumulate: int = 1
    """Parts into which each rank splits its share of a batch, to save memory."""
    seed: int = 0
    """Seed of weights, order, augmentation and dropout."""
    precision: Precision = "auto"
    """auto: bf16 autocast where the processor computes it natively, else float32."""
    device: str = "auto"
    """cpu, cuda, cuda:1 ...; auto takes a GPU where there is one."""
    threads: int | None = None
    """Threads of the processor; by default as many as it has cores, shared among ranks."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights; 0 is off."""
    early_stopping: int | None = None
    """Epochs without a better validation accuracy after which training ends."""
    compile: bool = False
    """Compile the network (torch.compile); see docs/training.md for where it pays."""
    sync_batchnorm: bool = False
    """Batch statistics over all ranks instead of each rank's own."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints inside an epoch; each epoch ends with one anyway."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
