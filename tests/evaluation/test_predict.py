import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn

from residua.batch import Batch, Modality, Schema
from residua.data.dataset import Table
from residua.data.image_preprocess import ImagePreprocess
from residua.errors import DataNotFoundError, LabelError
from residua.evaluation import predict
from residua.evaluation.predict import predict_split
from residua.evaluation.predict_files import predict_files
from residua.evaluation.results import Predictions
from residua.networks.sequences import Sequences

CPU = torch.device("cpu")
CLASSES = ("red", "green", "blue")
SCHEMA = Schema(modality=Modality.IMAGE, channels=3, classes=CLASSES)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


@pytest.fixture
def preprocess() -> ImagePreprocess:
    return ImagePreprocess(size=(8, 8), resize=(8, 8))


def make_table(n: int = 20) -> Table:
    keys = [f"{i}.png" for i in range(n)]
    return Table(keys=keys, labels=np.arange(n) % 3, splits=[None] * n)


def make_inputs(n: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)


def make_batches(order: list[int], size: int = 6) -> list[Batch]:
    table, inputs = make_table(), make_inputs()
    parts = (torch.tensor(order[i : i + size]) for i in range(0, len(order), size))
    return [
        Batch(
            inputs=inputs[rows],
            targets=torch.from_numpy(table.labels)[rows],
            ids=torch.from_numpy(table.ids)[rows],
        )
        for rows in parts
    ]


def expected_logits(network: nn.Module, inputs: torch.Tensor) -> np.ndarray:
    """Evaluation mode and the arithmetic of normalisation, written out."""
    network.eval()
    with torch.no_grad():
        logits = network((inputs.float() / 255 - 0.5) / 0.5)
    network.train()
    return logits.numpy()


def test_any_order_gives_the_same_answers_in_the_order_of_rows(network, preprocess):
    order = [*np.random.default_rng(0).permutation(20)[:15].tolist(), 3, 3]
    result = predict_split(
        network, make_batches(order), preprocess=preprocess, table=make_table(), device=CPU
    )
    rows = sorted(set(order))
    assert result.rows.tolist() == rows
    assert result.keys == tuple(f"{i}.png" for i in rows)
    assert result.labels.tolist() == [i % 3 for i in rows]
    assert result.logits.dtype == np.float32
    np.testing.assert_allclose(
        result.logits, expected_logits(network, make_inputs()[rows]), atol=1e-6
    )
    assert result.seconds > 0
    assert result.device.startswith("cpu, ")
    assert result.device.endswith("float32")


def test_modes_are_restored_and_statistics_are_untouched(network, preprocess):
    network.train()
    network[1].eval()  # a frozen norm stays frozen
    before = network[1].running_mean.clone()
    predict_split(
        network, make_batches(list(range(20))), preprocess=preprocess, table=make_table(),
        device=CPU,
    )  # fmt: skip
    assert [module.training for module in network] == [True, False, True, True, True, True]
    assert torch.equal(network[1].running_mean, before)
    network(torch.zeros(2, 3, 8, 8)).sum().backward()  # inference mode has not leaked out


def test_modes_are_restored_after_an_error(network, preprocess):
    network.train()

    def broken():
        yield make_batches([0, 1])[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        predict_split(network, broken(), preprocess=preprocess, table=make_table(), device=CPU)
    assert all(module.training for module in network.modules())


def test_autocast_changes_little_and_says_so(network, preprocess):
    batches, table = make_batches(list(range(20))), make_table()
    options = {"preprocess": preprocess, "table": table, "device": CPU}
    half = predict_split(network, batches, dtype=torch.bfloat16, **options)
    full = predict_split(network, batches, **options)
    assert half.device.endswith("bf16")
    assert half.logits.dtype == np.float32
    assert 0 < np.abs(half.logits - full.logits).max() < 0.05


def test_samples_of_another_data_set_are_refused(network, preprocess):
    other = Table(keys=["other"], labels=np.zeros(1, np.int64), splits=[None])
    with pytest.raises(LabelError, match="not in the data set"):
        predict_split(network, make_batches([0, 1]), preprocess=preprocess, table=other, device=CPU)


def test_an_empty_split_gives_empty_predictions(network, preprocess):
    result = predict_split(network, [], preprocess=preprocess, table=make_table(), device=CPU)
    assert len(result.keys) == len(result.rows) == len(result.labels) == 0


class Spelling(nn.Module):
    """Answers of 1 to 3 steps, by a sample's first pixel; batches are as long as their longest."""

    def forward(self, x: torch.Tensor) -> Sequences:
        first = x[:, 0, 0, 0]
        lengths = 1 + (first * 1000).long().abs() % 3
        steps = torch.arange(int(lengths.max())) + 1.0
        logits = first[:, None, None] * torch.tensor([1.0, 2.0, 3.0])[None, :, None] * steps
        return Sequences(logits=logits, lengths=lengths)


def spoken_table() -> Table:
    table = make_table()
    tokens = [tuple(range(i % 3)) for i in range(20)]
    return Table(keys=table.keys, labels=np.full(20, -1), splits=table.splits, tokens=tokens)


def test_sequences_lie_side_by_side_with_their_targets(preprocess):
    def run(rows: list[int], size: int) -> Predictions:
        batches = make_batches(rows, size)
        table = spoken_table()
        return predict_split(Spelling(), batches, preprocess=preprocess, table=table, device=CPU)

    found, other = run(list(range(20)), 6), run(list(range(19, -1, -1)), 1)
    assert found.tokens == tuple(spoken_table().tokens)
    assert found.logits.shape == (20, 3, 3)
    assert set(found.lengths.tolist()) == {1, 2, 3}
    assert found.lengths.tolist() == other.lengths.tolist()
    for one, two, steps in zip(found.logits, other.logits, found.lengths, strict=True):
        np.testing.assert_array_equal(one[:, :steps], two[:, :steps])


def test_values_come_from_the_table(network, preprocess):
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    table = make_table()
    table = Table(keys=table.keys, labels=np.full(20, -1), splits=table.splits, values=values)
    batches = make_batches([4, 2, 9])
    found = predict_split(network, batches, preprocess=preprocess, table=table, device=CPU)
    assert found.values is not None
    assert found.values.tolist() == values[[2, 4, 9]].tolist()
    assert found.labels.tolist() == [-1, -1, -1]


SHARES = (
    ([0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 0]),  # uneven, and sample 0 twice
    ([0, 2, 4], []),  # one rank has nothing to do
)


def predict_shares(rank: int, folder: Path) -> list[Predictions]:
    """What one of two ranks gets for each of SHARES."""
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
        return [
            predict_split(
                network, make_batches(shares[rank], 3), table=make_table(), device=CPU,
                preprocess=ImagePreprocess(size=(8, 8), resize=(8, 8)),
            )
            for shares in SHARES
        ] + [
            predict_split(
                Spelling(), make_batches(shares[rank], 1), table=spoken_table(), device=CPU,
                preprocess=ImagePreprocess(size=(8, 8), resize=(8, 8)),
            )
            for shares in SHARES
        ]  # fmt: skip
    finally:
        dist.destroy_process_group()


OTHER_RANK = """
import sys, pathlib, numpy as np
sys.path.insert(0, sys.argv[1])
import test_predict
folder = pathlib.Path(sys.argv[2])
for i, result in enumerate(test_predict.predict_shares(1, folder)):
    np.savez(folder / f"{i}.npz", rows=result.rows, labels=result.labels, logits=result.logits,
        seconds=result.seconds, lengths=[] if result.lengths is None else result.lengths)
"""


def test_ranks_share_their_answers_and_each_sample_counts_once(tmp_path, preprocess):
    command = [sys.executable, "-c", OTHER_RANK, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(command) as process:
        mine = predict_shares(0, tmp_path)
        assert process.wait(timeout=120) == 0
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    for i, shares in enumerate(SHARES):
        rows = sorted({row for share in shares for row in share})
        alone = predict_split(
            network, make_batches(rows), preprocess=preprocess, table=make_table(), device=CPU
        )
        theirs = np.load(tmp_path / f"{i}.npz")
        assert mine[i].rows.tolist() == theirs["rows"].tolist() == rows
        assert mine[i].labels.tolist() == theirs["labels"].tolist() == alone.labels.tolist()
        np.testing.assert_allclose(mine[i].logits, alone.logits, atol=1e-6)
        np.testing.assert_array_equal(mine[i].logits, theirs["logits"])
        assert mine[i].seconds == theirs["seconds"]
        spoken = predict_split(
            Spelling(), make_batches(rows), preprocess=preprocess, table=spoken_table(), device=CPU
        )
        theirs, ours = np.load(tmp_path / f"{i + len(SHARES)}.npz"), mine[i + len(SHARES)]
        assert ours.lengths.tolist() == theirs["lengths"].tolist() == spoken.lengths.tolist()
        for j, steps in enumerate(spoken.lengths):
            np.testing.assert_array_equal(ours.logits[j, :, :steps], spoken.logits[j, :, :steps])
            np.testing.assert_array_equal(theirs["logits"][j, :, :steps], ours.logits[j, :, :steps])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, pixels in enumerate(make_inputs().permute(0, 2, 3, 1).numpy()):
        Image.fromarray(pixels).save(tmp_path / f"{i:02}.png")
    return tmp_path


def test_files_give_the_answers_of_their_pixels_in_order(network, preprocess, folder):
    network.train()
    answers = list(
        predict_files(
            network, preprocess=preprocess, schema=SCHEMA, inputs=[str(folder)], device=CPU,
            temperature=2.0, batch_size=7, workers=3,
        )
    )  # fmt: skip
    assert [answer.path for answer in answers] == [str(folder / f"{i:02}.png") for i in range(20)]
    z = expected_logits(network, make_inputs()).astype(np.float64) / 2
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    for answer, row in zip(answers, p, strict=True):
        assert answer.error is None
        assert answer.label == CLASSES[row.argmax()]
        assert answer.probability == pytest.approx(row.max(), abs=1e-6)
        assert [name for name, _ in answer.top] == [CLASSES[i] for i in np.argsort(-row)]
        assert sum(share for _, share in answer.top) == pytest.approx(1)
    assert all(module.training for module in network.modules())


def test_a_bad_file_says_why_and_the_others_go_on(network, preprocess, folder):
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:60])
    (folder / "06.png").write_text("not a picture")
    inputs = [str(folder), str(folder / "gone.png")]
    answers = list(
        predict_files(
            network, preprocess=preprocess, schema=SCHEMA, inputs=inputs, device=CPU, batch_size=3
        )
    )
    bad = {Path(a.path).name: a.error for a in answers if a.error is not None}
    assert set(bad) == {"05.png", "06.png", "gone.png"}
    assert "text file" in bad["06.png"]
    assert bad["gone.png"] == "cannot be opened: No such file or directory"
    assert not any("\n" in reason for reason in bad.values())
    assert len(answers) == 21
    assert all(a.label == "" and a.top == () for a in answers if a.error)


def test_only_bad_files_never_reach_the_network(preprocess, folder):
    class Untouchable(nn.Module):
        def forward(self, x):
            raise AssertionError

    inputs = [str(folder / "gone.png")]
    answers = predict_files(
        Untouchable(), preprocess=preprocess, schema=SCHEMA, inputs=inputs, device=CPU
    )
    assert [answer.error is not None for answer in answers] == [True]


def test_a_pattern_without_a_match_is_an_error(network, preprocess, folder):
    answers = predict_files(
        network, preprocess=preprocess, schema=SCHEMA, inputs=[f"{folder}/*.gif"], device=CPU
    )
    with pytest.raises(DataNotFoundError, match=r"\*\.gif"):
        next(answers)


def test_endless_inputs_are_answered_with_bounded_read_ahead(network, preprocess, folder):
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield str(folder / "00.png")

    answers = predict_files(
        network, preprocess=preprocess, schema=SCHEMA, inputs=endless(), device=CPU, batch_size=4
    )
    for _ in range(40):
        assert next(answers).error is None
    assert asked <= 40 + 3 * 4
    answers.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_rows_of_ids_survive_ids_beyond_the_largest():
    table = make_table(3)
    with pytest.raises(LabelError):
        predict.rows_of(table, np.array([np.iinfo(np.int64).max]))
