"""The supervised step: views, logits, one loss a sample."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from residua.augment.config import AugmentConfig
from residua.augment.image import ImageAugment, draws_for
from residua.batch import Batch
from residua.data.preprocess import Preprocess
from residua.methods.supervised import Supervised
from residua.networks.catalog import build, create_model, get_spec

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


def test_auxiliary_losses_count_three_tenths_each() -> None:
    torch.manual_seed(0)
    spec = replace(get_spec("googlenet"), width=1 / 16, num_classes=3, in_chans=1)
    network = build(replace(spec, dropout=0.0, aux_dropout=0.0))
    step = Supervised(
        network,
        augment=ImageAugment(
            config=AugmentConfig(crop="none", flip=0.0), size=(16, 16), num_classes=3
        ),
        preprocess=replace(PREPROCESS, size=(16, 16), resize=(16, 16)),
    )
    samples = replace(batch(), inputs=torch.randint(0, 256, (6, 1, 16, 16), dtype=torch.uint8))
    with torch.no_grad():
        found = step(samples, draws_for(samples, seed=0, epoch=0))
        pictures = (samples.inputs.float() / 255 - 0.3) / 0.2
        last, aux1, aux2 = network(pictures, auxiliary=True)
        expected = (
            F.cross_entropy(last, samples.targets, reduction="none")
            + 0.3 * F.cross_entropy(aux1, samples.targets, reduction="none")
            + 0.3 * F.cross_entropy(aux2, samples.targets, reduction="none")
        )
        torch.testing.assert_close(found.losses, expected)
        assert found.correct.equal((last.argmax(1) == samples.targets).float())
