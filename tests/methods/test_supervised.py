"""The supervised step: views, logits, one loss a sample."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.augment.image import ImageAugment
from residua.batch import Batch
from residua.data.image_preprocess import ImagePreprocess
from residua.methods.supervised import Classification, MultiLabel, Regression
from residua.methods.views import ImageViews
from residua.networks.catalog import build, create_model, get_spec

PREPROCESS = ImagePreprocess(size=(8, 8), resize=(8, 8), channels=1, mean=(0.3,), std=(0.2,))


def plain_views(size: int = 8) -> ImageViews:
    config = AugmentConfig(crop="none", flip=0.0)
    return ImageViews(
        augment=ImageAugment(config=config, size=(size, size), num_classes=3),
        preprocess=replace(PREPROCESS, size=(size, size), resize=(size, size)),
    )


def method(**options: float) -> Classification:
    torch.manual_seed(0)
    config = AugmentConfig(crop="none", flip=0.0, **options)
    return Classification(
        create_model("resnet20", num_classes=3, in_chans=1),
        views=ImageViews(
            augment=ImageAugment(config=config, size=(8, 8), num_classes=3), preprocess=PREPROCESS
        ),
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


def test_each_class_can_be_a_question_of_its_own() -> None:
    samples = batch()
    softmax, sigmoid = method(mixup=1.0), method(mixup=1.0)
    sigmoid.loss, sigmoid.bce_threshold = "bce", 0.3
    draws = draws_for(samples, seed=0, epoch=0)
    found = sigmoid(samples, draws)
    views = sigmoid.views(samples, draws)
    p = torch.sigmoid(sigmoid.network(views.inputs).double())
    present = (views.targets > 0.3).double() * 0.9 + 0.1 / 3
    each = -(present * p.log() + (1 - present) * (1 - p).log())
    weights = (views.targets * torch.tensor([1.0, 2.0, 0.5])).sum(1)
    torch.testing.assert_close(found.losses.double(), each.mean(1) * weights, rtol=1e-4, atol=1e-5)
    assert found.correct.equal(softmax(samples, draws).correct)


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
    step = Classification(network, views=plain_views(16))
    samples = replace(batch(), inputs=torch.randint(0, 256, (6, 1, 16, 16), dtype=torch.uint8))
    found = step(samples, draws_for(samples, seed=0, epoch=0))
    pictures = (samples.inputs.float() / 255 - 0.3) / 0.2
    last, *auxiliary = network(pictures, auxiliary=True)
    own = F.cross_entropy(last, samples.targets, reduction="none")
    others = [F.cross_entropy(answer, samples.targets, reduction="none") for answer in auxiliary]
    assert len(others) == 2
    torch.testing.assert_close(found.losses, own)  # what is reported is the last classifier's
    parameters = list(network.parameters())
    learnt = torch.autograd.grad(found.losses.sum(), parameters)
    expected = torch.autograd.grad((own + 0.3 * sum(others)).sum(), parameters)
    torch.testing.assert_close(learnt, expected)
    assert found.correct.equal((last.argmax(1) == samples.targets).float())


def small(outputs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("resnet20", num_classes=outputs, in_chans=1)


def test_several_labels_by_binary_cross_entropy() -> None:
    step = MultiLabel(small(3), views=plain_views()).eval()
    values = torch.randint(0, 2, (6, 3)).float()
    values[0, 1] = torch.nan
    samples = replace(batch(), targets=values)
    found = step(samples, draws_for(samples, seed=0, epoch=0))
    logits = step.network((samples.inputs.float() / 255 - 0.3) / 0.2)
    p = torch.sigmoid(logits.double())
    each = -(values * p.log() + (1 - values) * (1 - p).log())
    torch.testing.assert_close(found.losses, each.nanmean(1).float())
    right = ((p > 0.5) == (values > 0.5)).float()
    right[0, 1] = torch.nan
    torch.testing.assert_close(found.correct, right.nanmean(1))


def test_quantities_by_squared_error_in_standard_units() -> None:
    step = Regression(small(2), views=plain_views(), offsets=(1e3, -2.0), scales=(10.0, 0.5)).eval()
    samples = replace(batch(), targets=torch.tensor([1e3, -2.0]) + torch.randn(6, 2))
    found = step(samples, draws_for(samples, seed=0, epoch=0))
    outputs = step.network((samples.inputs.float() / 255 - 0.3) / 0.2)
    standard = (samples.targets.double() - torch.tensor([1e3, -2.0])) / torch.tensor([10.0, 0.5])
    expected = ((outputs - standard) ** 2).mean(1)
    torch.testing.assert_close(found.losses.double(), expected.double(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.correct.double(), 1 - expected.double(), rtol=1e-4, atol=1e-5)
    assert not step.state_dict().keys() & {"offsets", "scales"}
