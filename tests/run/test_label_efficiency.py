"""The grid: its recipes, its order, what it does with failures, kills and second calls."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.run.label_fakes import fake_run

from residua.errors import (
    DiskFullError,
    InterruptedRunError,
    LabelError,
    NonFiniteError,
    UnknownNameError,
    UsageError,
)
from residua.methods.config import PretrainConfig, SemiConfig
from residua.recipes.presets import fast
from residua.recipes.recipe import Recipe
from residua.recipes.views import contrastive_views
from residua.report.label_curve import Curve
from residua.run import label_efficiency
from residua.run.folder import RunFolder
from residua.run.label_arms import ARMS, Setting, arm_named, arms_named, pretraining
from residua.run.label_efficiency import run_grid
from residua.run.label_grid import Grid, prepared
from residua.run.terminal import Terminal

OPTIONS = [
    "--labels-per-class", "4", "--arms", "scratch,full", "--seeds", "1", "--updates", "12",
    "--network", "resnet20", "--batch-size", "16", "--padding", "1", "--threads", "1",
    "--checkpoint-minutes", "0.00001",
]  # fmt: skip


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.counts: list[tuple[int, int]] = []
        self.left: list[float | None] = []

    def begin(self, what: str, *, done: int, total: int, left: float | None) -> None:
        self.begun.append(what)

    def end(self, line: str, *, done: int, total: int, left: float | None) -> None:
        self.ended.append(line)
        self.counts.append((done, total))
        self.left.append(left)


def base(pictures: Path) -> Recipe:
    recipe = fast()
    return replace(
        recipe,
        data=replace(recipe.data, path=str(pictures)),
        network=replace(recipe.network, network="resnet20"),
        semi=SemiConfig(semi="adamatch", unlabelled_ratio=3),
        pretrain=PretrainConfig(pretrain="byol"),
        training=replace(recipe.training, updates=12, threads=1, batch_share=0.1),
    )


def grid(pictures: Path, arms: str = "scratch,ssl,full", **options) -> Grid:
    settings = {"labels": (4, 2), "seeds": 2} | options
    return Grid(base=base(pictures), arms=arms_named(arms.split(",")), **settings)


Faked = list[tuple[Path, Recipe]]


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Faked:
    """Runs are written down instead of trained; a folder that is complete stays."""
    made: Faked = []

    def completed(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
        if not RunFolder(folder).summary.exists():
            made.append((folder, recipe))
            accuracy = None if recipe.pretrain.active else 0.5 + 0.01 * len(made)
            fake_run(folder, accuracy, recipe=recipe)
        return RunFolder(folder)

    def drawn(folder: Path, curves: Sequence[Curve], **texts: str) -> None:
        (folder / "curve.svg").write_text(repr((curves, texts)))

    monkeypatch.setattr(label_efficiency, "completed", completed)
    monkeypatch.setattr(label_efficiency, "fitted", completed)
    monkeypatch.setattr(label_efficiency, "write_label_curve", drawn)
    return made


def failing(
    monkeypatch: pytest.MonkeyPatch, error: Exception, when: Callable[[Path], bool]
) -> None:
    usual = label_efficiency.completed

    def completed(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
        if when(folder):
            raise error
        return usual(recipe, folder, terminal)

    monkeypatch.setattr(label_efficiency, "completed", completed)


# ---- recipes ------------------------------------------------------------------------------------


def test_what_each_arm_trains(pictures: Path) -> None:
    setting = Setting(base=base(pictures), labels=4, seed=3, pretrained=Path("features"), stages=5)
    made = {arm.name: arm.recipe(setting) for arm in ARMS}
    assert {name: recipe.semi.semi for name, recipe in made.items() if recipe.semi.active} == {
        "semi": "adamatch",
        "ssl+semi": "adamatch",
    }
    started = {name for name, recipe in made.items() if recipe.network.start == "features"}
    assert started == {"ssl", "ssl+semi"}
    assert {name: recipe.network.freeze for name, recipe in made.items()} == {
        **dict.fromkeys(made, 0),
        "frozen-random": 4,
    }
    assert {name for name, r in made.items() if r.data.labels_per_class is None} == {"full"}
    for recipe in made.values():
        assert (recipe.training.seed, recipe.data.label_seed) == (3, 3)
        assert (recipe.training.updates, recipe.training.keep) == (12, "last")
        assert recipe.training.batch_share == 1  # the same batches for all
        assert (recipe.training.ema, recipe.pretrain.active) == (0.98, False)
        recipe.check()
    probe = replace(setting, ssl_mode="probe")
    assert arm_named("ssl").recipe(probe).network.freeze == 4


def test_unlabelled_samples_go_to_those_who_can_use_them(pictures: Path) -> None:
    recipe = base(pictures)
    recipe = replace(recipe, data=replace(recipe.data, unlabelled="more"))
    setting = Setting(base=recipe, labels=4, seed=0, pretrained=Path("features"))
    users = {arm.name for arm in ARMS if arm.recipe(setting).data.unlabelled == "more"}
    assert users == {"semi", "ssl+semi"}
    features = pretraining(recipe, Recipe(pretrain=recipe.pretrain), 0)
    assert features.data.unlabelled == "more"


def test_pretraining_sees_no_labels(pictures: Path) -> None:
    usual = Recipe(pretrain=PretrainConfig(pretrain="vicreg"))
    made = pretraining(base(pictures), usual, 2)
    assert (made.pretrain.pretrain, made.semi.active) == ("vicreg", False)
    assert (made.data.labels_per_class, made.training.seed) == (None, 2)
    assert (made.network.network, made.network.freeze) == ("resnet20", 0)


def test_what_is_usual_for_the_data_stays_unless_asked_for(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).normal(size=(8, 2400)) / 10
    for i, clip in enumerate(clips):
        (folder := tmp_path / "clips" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{i}.wav", clip, 8000)
    sound = base(tmp_path / "clips")
    sound = replace(
        sound,
        network=replace(sound.network, network="xresnet1d18"),
        pretrain=PretrainConfig(pretrain="simclr"),
    )
    asked = replace(sound, pretrain=PretrainConfig(pretrain="simclr", temperature=0.3))
    decoupled = replace(sound, pretrain=PretrainConfig(pretrain="simclr", decoupled=True))
    found = [
        prepared(Grid(base=each, labels=(1,), arms=arms_named(["ssl"]))).pretraining
        for each in (sound, asked, decoupled)
    ]
    assert [each.pretrain.temperature for each in found] == [0.1, 0.3, 0.1]
    assert [each.pretrain.decoupled for each in found] == [False, False, True]
    assert found[0].sound == contrastive_views("simclr", small=True)[0].sound


def test_arms_are_named_once_in_one_order() -> None:
    assert [arm.name for arm in arms_named(["full", "scratch", "full"])] == ["scratch", "full"]
    with pytest.raises(UnknownNameError, match=r"unknown arm 'sratch'. Did you mean scratch"):
        arms_named(["sratch"])
    with pytest.raises(UsageError, match="no arms"):
        arms_named([])


# ---- the grid, without training -----------------------------------------------------------------


def test_jobs_go_seed_by_seed(pictures: Path, tmp_path: Path, faked: Faked) -> None:
    notes = Notes()
    results = run_grid(grid(pictures), tmp_path, notes)
    assert results.complete
    names = [folder.relative_to(tmp_path).as_posix() for folder, _ in faked]
    assert names == [
        name
        for seed in range(2)
        for name in (
            f"pretrain/seed-{seed}",
            f"runs/scratch/labels-2/seed-{seed}",
            f"runs/scratch/labels-4/seed-{seed}",
            f"runs/ssl/labels-2/seed-{seed}",
            f"runs/ssl/labels-4/seed-{seed}",
            f"runs/full/labels-all/seed-{seed}",
        )
    ]
    assert notes.counts == [(number, 12) for number in range(1, 13)]
    assert notes.left[-1] == 0
    assert all(left is not None and left >= 0 for left in notes.left)
    assert notes.ended[1] == "scratch, 2 labels a class, seed 0: 52.0 % of 200"
    starts = {recipe.network.start for folder, recipe in faked if "runs/ssl" in str(folder)}
    assert starts == {str(tmp_path / "pretrain" / f"seed-{seed}") for seed in range(2)}
    assert [(row.arm, row.labels) for row in results.rows] == [
        ("scratch", 2), ("scratch", 4), ("ssl", 2), ("ssl", 4), ("full", None),
    ]  # fmt: skip
    assert results.rows[2].pretraining_updates == 20
    assert (tmp_path / "curve.svg").exists()


def test_a_second_call_trains_nothing(pictures: Path, tmp_path: Path, faked: Faked) -> None:
    run_grid(grid(pictures), tmp_path, Notes())
    names = ("results.json", "table.md", "table.csv", "curve.svg")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    faked.clear()
    notes = Notes()
    assert run_grid(grid(pictures), tmp_path, notes).complete
    assert (faked, notes.begun) == ([], [])
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_a_grid_grows(pictures: Path, tmp_path: Path, faked: Faked) -> None:
    run_grid(grid(pictures, "scratch", labels=(4,)), tmp_path, Notes())
    faked.clear()
    wider = grid(pictures, "scratch,frozen-random", labels=(4, 8), seeds=3)
    assert run_grid(wider, tmp_path, Notes()).complete
    assert len(faked) == 12 - 2
    frozen = [recipe for folder, recipe in faked if "frozen" in str(folder)]
    assert len({recipe.network.freeze for recipe in frozen}) == 1
    assert frozen[0].network.freeze >= 1


def test_another_grid_needs_another_folder(pictures: Path, tmp_path: Path, faked: Faked) -> None:
    mine = grid(pictures, labels=(4,), seeds=1)
    run_grid(mine, tmp_path, Notes())
    recipe = replace(mine.base, training=replace(mine.base.training, updates=13))
    with pytest.raises(UsageError, match=r"another training\.updates: expected 12, received 13"):
        run_grid(replace(mine, base=recipe), tmp_path, Notes())
    with pytest.raises(UsageError, match=r"pretraining\.training\.updates.*12, received 99"):
        run_grid(replace(mine, pretrain_updates=99), tmp_path, Notes())
    with pytest.raises(UsageError, match="another ssl_mode: expected finetune, received probe"):
        run_grid(replace(mine, ssl_mode="probe"), tmp_path, Notes())
    elsewhere = replace(mine.base, training=replace(mine.base.training, threads=2))
    assert run_grid(replace(mine, base=elsewhere), tmp_path, Notes()).complete


def test_a_failed_cell_is_left_out_and_said(
    pictures: Path, tmp_path: Path, faked: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(
        monkeypatch,
        NonFiniteError("the loss is nan"),
        lambda folder: "scratch/labels-4/seed-1" in folder.as_posix(),
    )
    results = run_grid(grid(pictures), tmp_path, Notes())
    assert [each.cell.text for each in results.missing] == ["scratch, 4 labels a class, seed 1"]
    table = (tmp_path / "table.md").read_text()
    assert "Not complete: 1 of 10 cells are missing" in table
    assert "the loss is nan" in table
    rows = {(row.arm, row.labels): row for row in results.rows}
    assert (rows["scratch", 4].seeds, rows["ssl", 4].seeds, rows["ssl", 4].pairs) == (1, 2, 1)


def test_a_failed_pretraining_stops_what_needs_it(
    pictures: Path, tmp_path: Path, faked: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(
        monkeypatch, NonFiniteError("collapsed"), lambda folder: folder.parent.name == "pretrain"
    )
    results = run_grid(grid(pictures, seeds=1), tmp_path, Notes())
    assert {each.cell.arm for each in results.missing} == {"ssl"}
    assert {each.reason for each in results.missing} == {"pre-training failed: collapsed"}


@pytest.mark.parametrize(
    "error", [InterruptedRunError(signal.SIGINT, step=7), DiskFullError("no space left")]
)
def test_what_stops_all_leaves_a_table_that_says_so(
    pictures: Path,
    tmp_path: Path,
    faked: Faked,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    failing(monkeypatch, error, lambda folder: "seed-1" in str(folder))
    with pytest.raises(type(error)) as raised:
        run_grid(grid(pictures), tmp_path, Notes())
    if isinstance(error, InterruptedRunError):
        assert "The same command goes on" in str(raised.value)
    content = json.loads((tmp_path / "results.json").read_text())
    assert (content["complete"], len(content["missing"])) == (False, 5)
    assert "5 of 10 cells are missing" in (tmp_path / "table.md").read_text()


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": (4, 1000)}, "fewer labelled samples than asked for: expected at most"),
        ({"labels": (0,)}, "--labels-per-class does not fit: expected at least 1"),
        ({"labels": ()}, "--labels-per-class does not fit"),
        ({"seeds": 0}, "--seeds does not fit: expected at least 1, received 0"),
        ({"pretrain_updates": 0}, "--pretrain-updates does not fit"),
    ],
)
def test_bad_input_is_one_line_before_anything(
    pictures: Path, tmp_path: Path, faked: Faked, options: dict, message: str
) -> None:
    with pytest.raises((UsageError, LabelError), match=message) as raised:
        run_grid(grid(pictures, **options), tmp_path / "out", Notes())
    assert "\n" not in str(raised.value)
    assert not faked
    assert not (tmp_path / "out").exists()


def test_validation_steers_nothing(pictures: Path) -> None:
    made = grid(pictures)
    schedule = replace(made.base.training.schedule, schedule="plateau")
    training = replace(made.base.training, schedule=schedule)
    with pytest.raises(UsageError, match="validation does not steer"):
        replace(made, base=replace(made.base, training=training)).check()


def test_semi_needs_samples_without_labels(digits_labels: int, tmp_path: Path) -> None:
    made = grid(Path("digits"), "semi", labels=(digits_labels,))
    recipe = replace(made.base, data=replace(made.base.data, limit=digits_labels))
    with pytest.raises(LabelError, match="no samples without labels are left for the arm semi"):
        run_grid(replace(made, base=recipe), tmp_path / "out", Notes())


@pytest.fixture
def digits_labels() -> int:
    """Labels a class that every class of the digits has."""
    return 20


# ---- real runs ----------------------------------------------------------------------------------


def call(pictures: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "residua", "label-efficiency", str(pictures)]
    return subprocess.Popen(
        [*command, "--out", str(out), *OPTIONS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(path: Path, pattern: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not any(path.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_grid_goes_on_inside_of_its_cell(pictures: Path, tmp_path: Path) -> None:
    from residua.cli.main import run_command

    process = call(pictures, tmp_path)
    full = tmp_path / "runs/full/labels-all/seed-0"
    wait_for(full, "checkpoints/step-*", process)  # inside of a cell
    process.kill()
    assert process.wait() == -signal.SIGKILL
    content = json.loads((tmp_path / "results.json").read_text())
    assert not content["complete"]
    assert [each["cell"]["arm"] for each in content["outcomes"]] == ["scratch"]
    assert "1 of 2 cells are missing" in (tmp_path / "table.md").read_text()
    done = (tmp_path / "runs/scratch/labels-4/seed-0/summary.json").stat().st_mtime_ns
    begun = (full / "recipe.json").stat().st_mtime_ns

    arguments = ["label-efficiency", str(pictures), "--out", str(tmp_path), *OPTIONS, "--quiet"]
    assert run_command(arguments) == 0
    assert (tmp_path / "runs/scratch/labels-4/seed-0/summary.json").stat().st_mtime_ns == done
    assert (full / "recipe.json").stat().st_mtime_ns == begun  # gone on with, not made anew
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["complete"]
    cost = content["outcomes"][1]["cost"]
    samples = json.loads((full / "metrics.jsonl").read_text().splitlines()[0])["train"]["n"]
    assert cost["updates"] >= 12
    assert cost["passes"] % samples == 0  # whole passes over the data
