"""The supervised step: views, logits, one loss a sample."""

import torch
from torch.nn import functional as F

from residua.augment.config import AugmentConfig
from residua.augment.image import ImageAugment, draws_for
from residua.batch import Batch
from residua.data.preprocess import Preprocess
from residua.methods.supervised import Supervised
from residua.networks.catalog import create_model

PREPROCESS = Preprocess(size=(8, 8), resize=(8, 8), channels=1, mean=(0.3,), std=(0.2,))


def method(**options: float) -> Supervised:
    torch.manual_seed(0)
    config = AugmentConfig(crop="none", flip=0.0, **options)
    return Supervised(
        create_model("resnet20", num_classes=3, in_chans=1),
        augment=ImageAugment(config=config, size=(8, 8), num_classes=3),
        preprocess=PREPROCESS,
        label_smoothing=0.1,
        class_weights=torch.tensor([1.0, 2.0, 0.5]),
    ).eval()


def batch() -> Batch:
    pictures = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8)
    return Batch(inputs=pictures, targets=torch.tensor([0, 1, 2, 0, 1, 2]), ids=torch.arange(6))


def test_losses_are_cross_entropies_of_the_normalised_pictures() -> None:
    step, samples = method(), batch()
    found = step(samples, draws_for(samples, seed=0, epoch=0))
    logits = step.network((samples.inputs.float() / 255 - 0.3) / 0.2)
    smooth = F.one_hot(samples.targets, 3) * 0.9 + 0.1 / 3
    weights = torch.tensor([1.0, 2.0, 0.5])[samples.targets]
    expected = -(smooth * logits.log_softmax(1)).sum(1) * weights
    torch.testing.assert_close(found.losses, expected, rtol=1e-5, atol=1e-6)
    assert found.correct.equal((logits.argmax(1) == samples.targets).float())
    assert not found.correct.requires_grad


def test_mixed_targets_count_by_their_share() -> None:
    step, samples = method(mixup=1.0), batch()
    found = step(samples, draws_for(samples, seed=0, epoch=0))
    assert ((found.correct >= 0) & (found.correct <= 1)).all()
    found.losses.sum().backward()
    assert all(p.grad is not None for p in step.network.parameters())


def test_pixels_stay_in_float32_under_autocast() -> None:
    step, samples = method(), batch()
    seen: list[torch.dtype] = []
    step.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        found = step(samples, draws_for(samples, seed=0, epoch=0))
    assert seen == [torch.float32]
    assert found.losses.dtype == torch.float32
