"""What can be said about training. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from residua.errors import UsageError

Precision = Literal["auto", "float32", "bf16", "fp16"]

_SMALLEST_SHARE = 4
"""Samples from which batch statistics say something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """How gradients become updates."""

    optimizer: Literal["sgd", "adamw", "lamb"] = "sgd"
    """SGD with Nesterov momentum, AdamW (Loshchilov & Hutter, 2019) or LAMB (You et al., 2020)."""
    lr: float | None = None
    """Peak learning rate for a batch of `batch_size`; by default sgd 0.1, adamw 0.001,
    lamb 0.005, and a tenth of it for networks without batch normalisation and for VGG."""
    momentum: float = 0.9
    """Momentum of SGD; beta 1 of the others."""
    nesterov: bool = True
    """Nesterov's form of momentum (SGD)."""
    beta2: float = 0.999
    """Decay of the squared gradients (AdamW, LAMB)."""
    weight_decay: float | None = None
    """L2 for SGD, decoupled for AdamW and LAMB; by default sgd 0.0005, adamw 0.05, lamb 0.02."""
    decay_norms: bool = False
    """Decay the weights of norms and all biases too."""
    layer_decay: float = 1.0
    """Learning rate of each stage relative to the next deeper one; 1 is the same for all."""
    clip: float | None = None
    """Largest norm of the whole gradient; longer ones are scaled down."""
    sam: float = 0.0
    """Sharpness-aware minimisation (Foret et al., 2021): take the gradient where the loss is worst
    within this distance of the weights, for two passes an update; 0.05 is usual, 0 is off."""

    @property
    def peak_lr(self) -> float:
        """`lr`, or what is usual for the optimizer."""
        return (
            {"sgd": 0.1, "adamw": 1e-3, "lamb": 5e-3}[self.optimizer]
            if self.lr is None
            else self.lr
        )

    @property
    def decay(self) -> float:
        """`weight_decay`, or what is usual for the optimizer."""
        usual = {"sgd": 5e-4, "adamw": 0.05, "lamb": 0.02}[self.optimizer]
        return usual if self.weight_decay is None else self.weight_decay

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        _require("lr", self.lr, "> 0", self.peak_lr > 0)
        _require("momentum", self.momentum, "in [0, 1)", 0 <= self.momentum < 1)
        _require("beta2", self.beta2, "in [0, 1)", 0 <= self.beta2 < 1)
        _require("weight_decay", self.weight_decay, ">= 0", self.decay >= 0)
        _require("layer_decay", self.layer_decay, "in (0, 1]", 0 < self.layer_decay <= 1)
        _require("clip", self.clip, "> 0", self.clip is None or self.clip > 0)
        _require("sam", self.sam, ">= 0", self.sam >= 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate changes over the run."""

    schedule: Literal["cosine", "step", "onecycle", "plateau", "constant"] = "cosine"
    """Shape after the warm-up."""
    warmup_epochs: float = 1.0
    """Epochs of linear warm-up, at most half of the run; onecycle has its own instead."""
    warmup_start: float = 0.01
    """Learning rate at the start of the warm-up, as a share of the peak."""
    final_lr: float = 0.0
    """Last rate of cosine and onecycle, and the least of plateau, as a share of the peak."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Points of step, as shares of the run."""
    gamma: float = 0.1
    """Factor of step and plateau."""
    patience: int = 5
    """Validations without a better loss before plateau lowers the rate."""

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        shares = all(0 < milestone < 1 for milestone in self.milestones)
        _require("warmup_epochs", self.warmup_epochs, ">= 0", self.warmup_epochs >= 0)
        _require("warmup_start", self.warmup_start, "in (0, 1]", 0 < self.warmup_start <= 1)
        _require("final_lr", self.final_lr, "in [0, 1]", 0 <= self.final_lr <= 1)
        _require("milestones", self.milestones, "shares of the run in (0, 1)", shares)
        _require("gamma", self.gamma, "in (0, 1)", 0 < self.gamma < 1)
        _require("patience", self.patience, ">= 1", self.patience >= 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """The loop."""

    epochs: int = 30
    """Passes over the training data. Of passes of fewer than 20 updates several are validated and
    recorded at once, where 100 records of the run remain."""
    updates: int | None = None
    """Make at least so many updates of `batch_size` samples: as many whole passes as that takes,
    whatever epochs says."""
    batch_size: int = 128
    """Samples of one update, over all ranks and accumulation steps."""
    batch_share: float = 1.0
    """Largest share of the training samples that makes a batch, where `batch_size` is larger; 4
    samples always may. Small training sets learn better in small batches: 0.1 is what Ismail
    Fawaz et al. (2019) take. Not beside unlabelled samples."""
    updates_growth: float = 0.0
    """Batches that `batch_share` makes k times smaller make `updates` k to this power times more:
    0 none, 1 as many samples as before. 0 where --updates is given."""
    accumulate: int = 1
    """Parts into which each rank splits its share of a batch, to save memory."""
    repeated: int = 1
    """Times that a sample comes in its batch, each time with other augmentation (Hoffer et al.,
    2020; Berman et al., 2019). Batches and their number stay, so an epoch sees 1/N of the samples,
    and N epochs see all."""
    train_scale: float = 1.0
    """Sides of the training pictures as a share of the size at evaluation: objects look larger in
    random crops, which smaller ones make up for (Touvron et al., 2019)."""
    progressive: float = 1.0
    """Sides of the training pictures at the start, as a share of those at the end: they grow over
    the first three quarters of the epochs, and small ones cost less (Howard, 2018)."""
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
    keep: Literal["best", "last"] = "best"
    """Weights that stand for the run: of the best validation accuracy, or of the last epoch."""
    compile: bool = False
    """Compile the network (torch.compile); see docs/training.md for where it pays."""
    sync_batchnorm: bool = False
    """Batch statistics over all ranks instead of each rank's own."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints inside an epoch; each validation is followed by one anyway."""
    tensorboard: bool = False
    """Write TensorBoard events too (needs the extra tensorboard)."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def asked(
        self, *, epochs: bool = False, updates: bool = False, batch_size: bool = False
    ) -> TrainingConfig:
        """Where the number of epochs or updates or the size of batches is said, it is as said:
        without `updates`, `updates_growth` or `batch_share`."""
        return replace(
            self,
            updates=None if epochs else self.updates,
            updates_growth=0.0 if updates else self.updates_growth,
            batch_share=1.0 if batch_size else self.batch_share,
        )

    def shared(self, samples: int) -> TrainingConfig:
        """With the `batch_size` that `batch_share` allows of so many training samples, and the
        `updates` that `updates_growth` makes of that."""
        least = max(_SMALLEST_SHARE, self.repeated, self.accumulate)
        batch = min(self.batch_size, max(least, int(samples * self.batch_share)))
        growth = (self.batch_size / batch) ** self.updates_growth
        updates = self.updates and round(self.updates * growth)
        settled = replace(self, batch_share=1.0, updates_growth=0.0)
        return replace(settled, batch_size=batch, updates=updates)

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range, here or below."""
        for name in ("epochs", "batch_size", "accumulate"):
            value = getattr(self, name)
            _require(name, value, ">= 1", value >= 1)
        _require(
            "repeated", self.repeated, "1 to batch_size", 1 <= self.repeated <= self.batch_size
        )
        _require("batch_share", self.batch_share, "in (0, 1]", 0 < self.batch_share <= 1)
        _require("updates_growth", self.updates_growth, "in [0, 1]", 0 <= self.updates_growth <= 1)
        _require("train_scale", self.train_scale, "in (0, 1]", 0 < self.train_scale <= 1)
        _require("progressive", self.progressive, "in (0, 1]", 0 < self.progressive <= 1)
        _require("updates", self.updates, ">= 1", self.updates is None or self.updates >= 1)
        _require("threads", self.threads, ">= 1", self.threads is None or self.threads >= 1)
        _require("ema", self.ema, "in [0, 1)", 0 <= self.ema < 1)
        patience = self.early_stopping
        _require("early_stopping", patience, ">= 1", patience is None or patience >= 1)
        _require("checkpoint_minutes", self.checkpoint_minutes, "> 0", self.checkpoint_minutes > 0)
        self.optimizer.check()
        self.schedule.check()
        if self.optimizer.sam and self.precision == "fp16":
            raise UsageError(
                "sam takes gradients that no loss scale changes",
                expected="bf16 or float32",
                received="--precision fp16",
            )


def _require(name: str, value: object, expected: str, holds: bool) -> None:
    if not holds:
        raise UsageError(f"wrong {name}", expected=expected, received=value)
