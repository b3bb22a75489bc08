"""What the watch says of embeddings whose spread is known, and of networks that have not learnt."""

import math

import pytest
import torch

from residua.errors import TrainingError
from residua.methods.collapse import CollapseWatch, effective_rank
from residua.methods.heads import mlp
from residua.networks.catalog import create_model


def on_the_sphere(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_spread_evenly_is_1_and_full_rank():
    watch = CollapseWatch(16)
    for seed in range(20):
        watch.add(on_the_sphere(256, 16, seed))
    found = watch.measures()
    assert found["embedding_std"] == pytest.approx(1, abs=0.02)
    assert found["effective_rank"] == pytest.approx(16, abs=0.2)
    assert watch.measures() == {}


def test_sums_are_those_of_the_definition():
    batches = [on_the_sphere(n, 6, n) + 1 for n in (5, 9, 12)]
    watch = CollapseWatch(6)
    for batch in batches:
        watch.add(batch)
    scatter, freedom = torch.zeros(6, 6, dtype=torch.float64), 0
    for batch in batches:
        units = batch.double() / batch.double().norm(dim=1, keepdim=True)
        scatter += torch.cov(units.T) * (len(batch) - 1)
        freedom += len(batch) - 1
    matrix = scatter / freedom
    shares = torch.linalg.eigvalsh(matrix) / matrix.trace()
    found = watch.measures()
    deviation = float(matrix.diagonal().sqrt().mean()) * math.sqrt(6)
    assert found["embedding_std"] == pytest.approx(deviation, rel=1e-4)
    rank = math.exp(-sum(p * math.log(p) for p in shares.tolist()))
    assert found["effective_rank"] == pytest.approx(rank, rel=1e-4)


def test_rows_that_are_no_samples_count_nothing():
    rows = on_the_sphere(6, 4) + 1
    padded = torch.cat([rows[:4], torch.full((2, 4), 9.0), rows[4:]])
    one, other = CollapseWatch(4), CollapseWatch(4)
    one.add(rows)
    other.add(padded, torch.tensor([1, 1, 1, 1, 0, 0, 1, 1.0]))
    assert other.measures() == pytest.approx(one.measures(), rel=1e-4)


@pytest.mark.parametrize(("axes", "expected"), [(1, 1), (3, 3), (8, 8)])
def test_effective_rank_counts_directions(axes, expected):
    variances = torch.cat([torch.ones(axes), torch.zeros(8 - axes)]).double()
    turned = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    assert effective_rank(turned @ variances.diag() @ turned.T) == pytest.approx(expected, abs=1e-6)


def test_effective_rank_of_a_point_is_1():
    assert effective_rank(torch.zeros(4, 4)) == 1


def test_wide_embeddings_are_judged_by_a_part():
    watch = CollapseWatch(2048)
    assert watch.scatter.shape == (512, 512)
    watch.add(on_the_sphere(64, 2048))
    assert watch.measures()["embedding_std"] == pytest.approx(1, abs=0.02)


def test_a_point_that_moves_is_still_a_point():
    watch = CollapseWatch(8)
    for seed in range(10):
        place = on_the_sphere(1, 8, seed)
        watch.add(place + 0.01 * on_the_sphere(32, 8, seed + 100))
    with pytest.raises(TrainingError, match=r"collapsed.*expected.*received") as caught:
        watch.measures()
    assert "\n" not in str(caught.value)
    assert watch.measures() == {}


def test_a_handful_of_samples_is_no_alarm():
    watch = CollapseWatch(8)
    watch.add(torch.ones(4, 8))
    assert watch.measures() == {"embedding_std": 0, "effective_rank": 1}


def test_sums_go_on_from_a_state():
    one, other = CollapseWatch(4), CollapseWatch(4)
    one.add(on_the_sphere(20, 4))
    other.load_state_dict(one.state_dict())
    for watch in (one, other):
        watch.add(on_the_sphere(10, 4, 1))
    assert one.measures() == other.measures()


@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet20", (24, 1, 16, 16)),
        ("resnet18", (16, 3, 32, 32)),
        ("crnn_small", (16, 1, 64, 40)),
        ("multiscale_resnet1d", (16, 1, 64)),
        ("densenet_bc_100_12", (8, 3, 16, 16)),
    ],
)
def test_healthy_starts_are_no_alarm(name, shape, offset):
    """Samples that differ little from one another, in front of networks that have learnt nothing:
    their features hardly differ, and the embeddings do."""
    torch.manual_seed(0)
    network = create_model(name, num_classes=0, in_chans=shape[1])
    inputs = offset + 0.1 * torch.randn(shape) if offset else torch.randn(shape)
    with torch.no_grad():
        features = network(inputs)
        embeddings = mlp(features.shape[1], 64, 32)(features)
    watch = CollapseWatch(32)
    for _ in range(3):
        watch.add(embeddings)
    assert watch.measures()["embedding_std"] > 0.5
