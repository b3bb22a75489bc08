"""What a classifier would see of samples, against the layers in front of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.contracts.thin import thin
from torch import nn

from residua.batch import Batch
from residua.data.dataset import Table
from residua.data.image_preprocess import ImagePreprocess
from residua.errors import LabelError
from residua.evaluation.embed import embed_split, features_of
from residua.networks.catalog import build

CPU = torch.device("cpu")
SERIES = ["vgg11", "crnn_small", "densenet_40_12", "inception_time_x5", "nin_cifar", "resnet20"]
SERIES += ["googlenet", "multiscale_resnet1d", "alexnet"]


def woken(spec):
    """A network in float64 whose features differ from sample to sample."""
    torch.manual_seed(0)
    network = build(spec).double()
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()


def make_samples(network):
    least = max(17, network.min_size)
    generator = torch.Generator().manual_seed(1)
    shapes = ((1, network.spec.in_chans, n) for n in (least + 13, least, least + 6))
    return [torch.randn(*s, generator=generator, dtype=torch.float64) for s in shapes]


@pytest.mark.parametrize("classes", [0, 4])
@pytest.mark.parametrize("name", SERIES)
def test_padding_changes_no_feature(name, classes):
    network = woken(thin(name, rank=1, num_classes=classes))
    samples = make_samples(network)
    lengths = torch.tensor([sample.shape[-1] for sample in samples])
    x = torch.full((3, network.spec.in_chans, int(lengths.max()) + 5), 1e6, dtype=torch.float64)
    for row, sample in zip(x, samples, strict=True):
        row[:, : sample.shape[-1]] = sample[0]
    with torch.no_grad():
        alone = torch.cat([features_of(network, sample) for sample in samples])
        padded = features_of(network, x, lengths)
    assert alone.shape == (3, network.num_features)
    assert alone.std(dim=0).max() > 1e-3
    assert (padded - alone).abs().max() < 1e-10 * alone.abs().max()


@pytest.mark.parametrize("name", ["vgg11", "densenet_40_12", "inception_time_x5", "resnet20"])
def test_features_are_what_the_classifier_is_given(name):
    network = woken(thin(name, rank=1))
    given = []
    network.get_classifier().register_forward_pre_hook(lambda _, x: given.append(x[0].clone()))
    (sample, *_) = make_samples(network)
    with torch.no_grad():
        network(sample)
        torch.testing.assert_close(features_of(network, sample), given[0])


def test_maps_are_averaged():
    """Network in Network has its average inside the classifier; with CTC there is none."""
    network = woken(thin("nin_cifar", rank=1, num_classes=0))
    (sample, *_) = make_samples(network)
    with torch.no_grad():
        torch.testing.assert_close(features_of(network, sample), network(sample))
        network = woken(replace(thin("crnn_small", rank=1), head="ctc"))
        maps = network.forward_features(sample[:, :3])
        torch.testing.assert_close(features_of(network, sample[:, :3]), maps.mean(dim=-1))


def test_texts_are_embedded():
    network = woken(thin("multiscale_resnet1d", rank=1, vocabulary=9, in_chans=4))
    tokens = torch.randint(1, 9, (2, 40))
    with torch.no_grad():
        vectors = network.embedding(tokens).transpose(1, 2)
        expected = network.forward_head(network.forward_features(vectors), pre_logits=True)
        torch.testing.assert_close(features_of(network, tokens), expected)


# ---- splits -------------------------------------------------------------------------------------


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build(thin("resnet20", in_chans=3, num_classes=0))


PREPROCESS = ImagePreprocess(size=(8, 8), resize=(8, 8))
TABLE = Table(keys=[f"{i}.png" for i in range(12)], labels=np.arange(12) % 3, splits=[None] * 12)


def make_batches(order, labels=TABLE.labels):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (12, 3, 8, 8), dtype=torch.uint8, generator=generator)
    for rows in torch.tensor(order).split(5):
        yield Batch(
            inputs=pixels[rows],
            targets=torch.from_numpy(labels)[rows],
            ids=torch.from_numpy(TABLE.ids)[rows],
        )


def embed(network, batches):
    return embed_split(network, batches, preprocess=PREPROCESS, table=TABLE, device=CPU)


def test_any_order_gives_the_same_features_in_the_order_of_rows(network):
    order = [7, 3, 11, 0, 5, 2, 9, 3, 7]
    found = embed(network.train(), make_batches(order))
    assert network.training
    rows = sorted(set(order))
    assert found.rows.tolist() == rows
    assert found.keys == tuple(f"{row}.png" for row in rows)
    assert found.labels.tolist() == [row % 3 for row in rows]
    assert found.values.dtype == np.float32
    pixels = torch.cat([batch.inputs for batch in make_batches(rows)])
    with torch.no_grad():  # without a classifier the network gives its features
        expected = network.eval()((pixels / 255 - 0.5) / 0.5).numpy()
    np.testing.assert_allclose(found.values, expected, atol=1e-5, rtol=1e-4)
    assert found.seconds > 0
    assert found.device.endswith("float32")


def test_labels_are_those_of_the_batches(network):
    """Which a data set with hidden labels does not fill in."""
    hidden = np.where(np.arange(12) < 6, -1, TABLE.labels)
    found = embed(network, make_batches(list(range(12)), hidden))
    assert found.labels.tolist() == hidden.tolist()
    values, labels = found.labelled
    np.testing.assert_array_equal(values, found.values[6:])
    assert labels.tolist() == [0, 1, 2] * 2


def test_no_samples(network):
    found = embed(network, [])
    assert (len(found.rows), len(found.keys), found.values.shape[0]) == (0, 0, 0)


def test_samples_of_another_data_set(network):
    (batch,) = make_batches([0, 1])
    with pytest.raises(LabelError, match="not in the data set's table"):
        embed(network, [replace(batch, ids=batch.ids + 1)])
