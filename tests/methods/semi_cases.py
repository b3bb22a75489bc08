"""A small problem for semi-supervised steps, in float64: network, views, batches, oracles."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from residua.augment.draws import draws_for
from residua.batch import Batch, Modality, Schema
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.methods.method import StepOutput
from residua.methods.semi import semi_method_for
from residua.methods.semi_supervised import SemiSupervised
from residua.networks.catalog import build, get_spec
from residua.random import Draws

CLASSES, RATIO, LABELLED = 3, 2, 6
SCHEMA = Schema(modality=Modality.IMAGE, channels=1, classes=("a", "b", "c"))


def weak(batch: Batch, draws: Draws) -> Batch:
    return _noisy(batch, draws, 0.1)


def strong(batch: Batch, draws: Draws) -> Batch:
    return _noisy(batch, draws, 0.5)


def _noisy(batch: Batch, draws: Draws, strength: float) -> Batch:
    noise = draws.normal("noise", *batch.inputs.shape[1:]).double()
    return replace(batch, inputs=batch.inputs.double() + strength * noise)


def network(*, norm: bool = True) -> nn.Module:
    """Small, and sure enough of its answers that their confidences differ."""
    torch.manual_seed(1)
    spec = replace(
        get_spec("vgg11"), depths=(1,), widths=(4,), hidden=8, dropout=0.0, batch_norm=norm,
        num_classes=CLASSES, in_chans=1,
    )  # fmt: skip
    made = build(spec).double()
    for parameter in made.classifier.parameters():
        parameter.data.normal_(0, 0.3)
    return made


def method(name: str, *, norm: bool = True, **options: float) -> SemiSupervised:
    config = SemiConfig(semi=name, unlabelled_ratio=RATIO, **options)
    made = semi_method_for(
        SCHEMA, network(norm=norm), weak=weak, strong=strong, config=config,
        supervised=SupervisedConfig(label_smoothing=0.1),
    )  # fmt: skip
    return made.double().train()


def batch(*, step: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(step)

    def samples(n: int, first: int) -> Tensor:
        return first + torch.arange(n), torch.randn(n, 1, 6, 6, generator=generator)

    (ids, inputs), (others, more) = samples(LABELLED, 100), samples(RATIO * LABELLED, 200)
    unlabelled = Batch(inputs=more, targets=torch.full_like(others, -1), ids=others)
    targets = torch.arange(LABELLED) % CLASSES
    return Batch(inputs=inputs, targets=targets, ids=ids, unlabelled=unlabelled)


def draws(samples: Batch) -> Draws:
    return draws_for(samples, seed=5, epoch=2)


def seen(samples: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs as a step should see them: labelled weak, weak, strong, another weak."""
    own, others = draws(samples), draws(samples.unlabelled)
    views = (
        weak(samples, own),
        *(
            views(samples.unlabelled, others.view(number))
            for views, number in ((weak, 0), (strong, 1), (weak, 2))
        ),
    )
    return tuple(view.inputs for view in views)


def softmax(logits: Tensor) -> Tensor:
    powers = torch.exp(logits - logits.amax(1, keepdim=True))
    return powers / powers.sum(1, keepdim=True)


def entropy(target: Tensor, logits: Tensor) -> Tensor:
    """``-sum_k target_k log softmax(logits)_k``, class indices or probabilities."""
    if target.dim() == 1:
        target = torch.eye(logits.shape[1], dtype=logits.dtype)[target]
    return -(target * softmax(logits).log()).sum(1)


def between(values: Tensor) -> float:
    """A threshold that half of ``values`` pass, none of them near it."""
    first, second = values.sort().values[len(values) // 2 - 1 :][:2].tolist()
    assert second - first > 1e-4
    return (first + second) / 2


def smooth(targets: Tensor) -> Tensor:
    """Targets smoothed by 0.1."""
    return 0.9 * torch.eye(CLASSES).double()[targets] + 0.1 / CLASSES


def assert_step(
    found: StepOutput, step: SemiSupervised, labelled: Tensor, unlabelled: Tensor
) -> None:
    """Losses and all gradients are those of the float64 formulas."""
    close = {"rtol": 1e-5, "atol": 1e-9}
    torch.testing.assert_close(found.losses, labelled, **close)
    torch.testing.assert_close(found.extra, unlabelled / RATIO, **close)
    parameters = [p for p in step.parameters() if p.requires_grad]
    mine = torch.autograd.grad(found.total, parameters, retain_graph=True)
    theirs = torch.autograd.grad((labelled.sum() + unlabelled.sum() / RATIO), parameters)
    torch.testing.assert_close(mine, theirs, **close)
    assert sum(float(g.abs().sum()) for g in mine) > 0
