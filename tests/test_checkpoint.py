"""A checkpoint rebuilds its network, is whole or not there, and notices damage."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from residua import checkpoint as checkpoints
from residua.batch import Modality, Schema
from residua.checkpoint import Checkpoint, TrainingState
from residua.data.image_preprocess import ImagePreprocess
from residua.errors import CheckpointError, CorruptCheckpointError
from residua.networks.catalog import create_model


@pytest.fixture
def made() -> Checkpoint:
    torch.manual_seed(0)
    network = create_model("seresnet18", num_classes=3, in_chans=1, drop_rate=0.25)
    network = network.to(memory_format=torch.channels_last)
    return Checkpoint(
        spec=network.spec,
        weights=network.state_dict(),
        schema=Schema(modality=Modality.IMAGE, channels=1, classes=("a", "b", "ü")),
        preprocess=ImagePreprocess(
            size=(32, 48), resize=(36, 54), channels=1, mean=(0.1,), std=(1 / 3,), fit="pad"
        ),
        recipe={"seed": 1},
        step=7,
        temperature=1.1,
        scores={"validation_accuracy": 0.5},
        training=TrainingState(tensors={"sum": torch.tensor([0.1])}, values={"lr": 1e-17 / 3}),
    )


def test_comes_back_as_it_was(made: Checkpoint, tmp_path: Path) -> None:
    checkpoints.save(made, tmp_path / "c")
    back = checkpoints.load(tmp_path / "c", training=True)
    for name in ("spec", "schema", "preprocess", "recipe", "step", "temperature", "scores"):
        assert getattr(back, name) == getattr(made, name)
    assert back.training is not None
    assert back.training.values == made.training.values
    assert back.training.tensors["sum"].equal(made.training.tensors["sum"])
    state = back.network().state_dict()
    assert all(state[name].equal(value) for name, value in made.weights.items())
    assert not back.network().training


def test_folder_has_no_pickle_and_no_leftovers(made: Checkpoint, tmp_path: Path) -> None:
    checkpoints.save(made, tmp_path / "c")
    checkpoints.save(replace(made, training=None), tmp_path / "c")  # replaces
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert names == {"checkpoint.json", "model.safetensors"}
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        checkpoints.load(tmp_path / "c", training=True)


def test_every_flipped_byte_of_the_description_is_noticed(made: Checkpoint, tmp_path: Path) -> None:
    checkpoints.save(made, tmp_path / "c")
    path = tmp_path / "c/checkpoint.json"
    content = path.read_bytes()
    # white space between values carries nothing; every other byte counts
    for position in range(0, len(content), 41):
        if content[position : position + 1].isspace():
            continue
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        with pytest.raises(CorruptCheckpointError):
            checkpoints.load(tmp_path / "c")


def test_newest_passes_over_damage_and_says_so(made: Checkpoint, tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.save(replace(made, step=step), tmp_path / f"step-{step:08d}")
    (tmp_path / "step-00000003/model.safetensors").write_bytes(b"")
    (tmp_path / "step-00000002/checkpoint.json").write_text("{")
    heard: list[str] = []
    found = checkpoints.newest(tmp_path, "step", warn=heard.append)
    assert found is not None
    assert found.step == 1
    assert len(heard) == 2
    assert checkpoints.newest(tmp_path, "best", warn=heard.append) is None


def test_prune_keeps_the_newest(made: Checkpoint, tmp_path: Path) -> None:
    for step in (9, 10, 11):
        checkpoints.save(made, tmp_path / f"step-{step:08d}")
    (tmp_path / ".step-00000012.draft").mkdir()
    checkpoints.prune(tmp_path, "step", keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000011"]


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected a folder with checkpoint\.json"):
        checkpoints.load(tmp_path)
