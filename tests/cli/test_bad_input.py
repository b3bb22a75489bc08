"""What a user can get wrong: one clear line, the right exit code, never a traceback."""

import io
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from residua.cli.main import VERBS, main, run_command
from residua.evaluation.results import Evaluation

FAST = ["--network", "resnet20", "--threads", "1", "--quiet", "--batch-size", "16", "--epochs", "1"]
CLASSES = ("columns", "dots", "rows")

Capture = pytest.CaptureFixture[str]


def fails(capsys: Capture, code: int, words: str, *arguments: object) -> str:
    """Runs a command that must fail, and returns its one line. ``words`` are separated by |."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("residua: ")
    assert out == ""
    for word in words.split("|"):
        assert word in err
    return err


def succeeds(capsys: Capture, *arguments: object) -> tuple[str, str]:
    """Runs a command that must work, and returns what it wrote."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    return out, err


def train(data: Path, run: Path, *options: object) -> list[object]:
    return ["train", data, "--run", run, *FAST, *options]


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert run_command([str(argument) for argument in train(pictures, run)]) == 0
    return run


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of training it takes as long as the rest; the verb report writes it still."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A complete run to damage."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.fixture
def own_pictures(pictures: Path, tmp_path: Path) -> Path:
    """Pictures to spoil."""
    return Path(shutil.copytree(pictures, tmp_path / "pictures"))


# ---- data sets ----------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b"")


def jpeg(size: tuple[int, int] = (16, 16)) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def huge_jpeg() -> bytes:
    content = bytearray(jpeg())
    start = content.find(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", 65_000, 65_000)
    return bytes(content)


def nothing(folder: Path) -> Path:
    return folder / "nowhere" / "at" / "all"


def empty_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def texts_only(folder: Path) -> Path:
    folder.mkdir()
    (folder / "readme.txt").write_text("hello")
    return folder


def with_classes(folder: Path, **classes: int) -> Path:
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number}.jpg").write_bytes(jpeg())
    return folder


def pictures_without_classes(folder: Path) -> Path:
    return with_classes(folder, cats=2) / "cats"


def class_only_in_test(folder: Path) -> Path:
    with_classes(folder / "train", cat=2, dog=2)
    with_classes(folder / "test", cat=2, fox=2)
    return folder


def table(folder: Path, text: str) -> Path:
    with_classes(folder, cat=4, dog=4)
    (folder / "table.csv").write_text(text)
    return folder / "table.csv"


def parquet(folder: Path, labels: list[int]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    kinds = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    cells = [{"bytes": jpeg(), "path": None} for _ in labels]
    rows = pa.table({"image": cells, "label": labels}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": kinds}})}
    )
    pq.write_table(rows, folder / "animals.parquet")
    return folder / "animals.parquet"


def file(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir()
    (folder / name).write_bytes(content)
    return folder / name


BAD_DATA: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing folder": (nothing, "no such file or folder|received|at/all"),
    "empty folder": (empty_folder, "is no data set|expected CLASS/*.jpg|an empty folder"),
    "no pictures": (texts_only, "is no data set|readme.txt"),
    "pictures without class folders": (pictures_without_classes, "is no data set|cats|0.jpg"),
    "empty class": (lambda f: with_classes(f, cat=2, dog=0), "class 'dog' is empty|Add pictures"),
    "one class": (lambda f: with_classes(f, cat=2), "only one class|expected at least two|cat"),
    "class only in test": (class_only_in_test, "'fox' of split test|expected one of cat, dog"),
    "no label column": (lambda f: table(f, "path,split\ncat/0.jpg,train\n"), "column label|path,"),
    "no columns": (lambda f: table(f, ""), "empty|expected path,label"),
    "no rows": (lambda f: table(f, "path,label\n"), "names no files|table.csv"),
    "path twice": (
        lambda f: table(f, "path,label\ncat/0.jpg,cat\ncat/0.jpg,dog\n"),
        "'cat/0.jpg' comes twice|lines 2 and 3",
    ),
    "unknown split": (
        lambda f: table(f, "path,label,split\ncat/0.jpg,cat,holdout\n"),
        "unknown split|expected train, validation, test|'holdout'|line 2",
    ),
    "no file is there": (
        lambda f: table(f, "path,label\nx.jpg,cat\ny.jpg,dog\n"),
        "none of the manifest's files|expected paths relative to|x.jpg",
    ),
    "label outside the training classes": (
        lambda f: table(f, "path,label,split\ncat/0.jpg,cat,\ndog/0.jpg,dog,\ncat/1.jpg,fox,test"),
        "class 'fox' of split test|one of cat, dog|cat/1.jpg",
    ),
    "uneven rows": (
        lambda f: table(f, "path,label\ncat/0.jpg,cat,x\n"),
        "number of cells|expected 2, received 3|line 2",
    ),
    "no text": (lambda f: file(f, "table.csv", bytes(range(255))), "not a CSV file in UTF-8"),
    "label outside the class names": (
        lambda f: parquet(f, [0, 1, 7]),
        "no class|expected 0 to 1|received 7|animals.parquet#2",
    ),
    "no Parquet": (lambda f: file(f, "x.parquet", b"PAR1" * 9), "not a whole Parquet|x.parquet"),
    "a picture": (lambda f: file(f, "cat.jpg", jpeg()), "the file is no data set|cat.jpg"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("verb", ["train", "check"])
def test_unusable_data_is_named(capsys: Capture, tmp_path: Path, name: str, verb: str) -> None:
    make, words = BAD_DATA[name]
    fails(capsys, 1, words, verb, make(tmp_path / "data"))


def test_check_says_it_in_json_too(capsys: Capture, tmp_path: Path) -> None:
    assert run_command(["check", str(with_classes(tmp_path / "data", cat=2)), "--json"]) == 1
    out, err = capsys.readouterr()
    (finding,) = json.loads(out)["findings"]
    assert "only one class" in finding["message"]
    assert err == ""


def test_word_that_names_no_data(
    capsys: Capture, own_pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_pictures.parent)
    monkeypatch.delenv("RESIDUA_DATA", raising=False)  # what lies there is suggested too
    fails(
        capsys,
        2,
        "unknown data set|fashion-mnst|Did you mean fashion-mnist",
        "train",
        "fashion-mnst",
    )
    fails(capsys, 2, "unknown data set|Did you mean pictures?", "train", "picturs")
    fails(capsys, 1, "no such file|Did you mean pictures?", "train", "./picturs")
    fails(capsys, 2, "from this machine|received hf:a/b|Download it", "train", "hf:a/b")


UNREADABLE = {
    "text.jpg": (b"hello, I am text", "a text file"),
    "cut.jpg": (jpeg()[:500], "cut off"),
    "empty.png": (b"", "an empty file"),
    "huge.png": (png_header(100_000, 100_000), "claims more than 178,956,970 pixels"),
    "huge.jpg": (huge_jpeg(), "claims more than 178,956,970 pixels"),
}


@pytest.mark.parametrize("cache", ["auto", "never"])
def test_unreadable_files_are_named_and_skipped_or_stop_the_run(
    capsys: Capture, own_pictures: Path, tmp_path: Path, cache: str
) -> None:
    for name, (content, _) in UNREADABLE.items():
        (own_pictures / "rows" / name).write_bytes(content)
    options = ["--cache", cache, "--test-fraction", 0.3]
    _, err = succeeds(capsys, *train(own_pictures, tmp_path / "run", *options))
    lines = err.splitlines()
    assert len(lines) == len(UNREADABLE)
    for name, (_, reason) in UNREADABLE.items():
        (line,) = (line for line in lines if f"rows/{name}" in line)
        assert line.startswith("warning: left out")
        assert reason in line
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    counted = sum(summary[split]["n"] for split in ("train", "validation", "test"))
    assert counted == 72
    strict = train(own_pictures, tmp_path / "strict", *options, "--strict")
    fails(capsys, 1, "cannot decode the picture|rows/", *strict)
    # streaming meets the file only after training has begun
    assert (tmp_path / "strict").exists() == (cache == "never")


def test_missing_files_of_a_manifest_are_named_and_skipped_or_stop_the_run(
    capsys: Capture, own_pictures: Path, tmp_path: Path
) -> None:
    rows = [f"{name}/{number}.png,{name}" for name in CLASSES for number in range(20)]
    manifest = own_pictures / "table.csv"
    manifest.write_text("\n".join(["path,label", *rows, "gone.png,dots"]))
    _, err = succeeds(capsys, *train(manifest, tmp_path / "run"))
    assert err == "warning: gone.png: left out: the file is not there (line 62 of table.csv)\n"
    strict = train(manifest, tmp_path / "strict", "--strict")
    fails(capsys, 1, "'gone.png' is not there|line 62", *strict)


def test_no_readable_picture_at_all(capsys: Capture, tmp_path: Path) -> None:
    data = with_classes(tmp_path / "data", cat=3, dog=3)
    for path in data.rglob("*.jpg"):
        path.write_text("no picture")
    words = "not one of the training pictures|6 unreadable samples|residua check"
    whole = ["--test-fraction", 0, "--validation-fraction", 0]
    fails(capsys, 1, words, *train(data, tmp_path / "run", *whole))


# ---- pictures of all kinds ----------------------------------------------------------------------


def variants(folder: Path, name: str, grey: Image.Image) -> dict[str, bool]:
    """One picture in every kind of file: name, and whether its pixels are exactly the same."""
    values = np.asarray(grey)
    colour, sideways = grey.convert("RGB"), Image.Exif()
    sideways[0x0112] = 6  # to be turned by a quarter clockwise
    frames = [colour.rotate(90), colour.rotate(180)]
    opaque = grey.convert("RGBA")
    made: dict[str, tuple[Image.Image, bool, dict[str, object]]] = {
        "grey.png": (grey, True, {}),
        "sixteen.png": (Image.fromarray(values.astype(np.uint16) * 257), True, {}),
        "sixteen.tif": (Image.fromarray(values.astype(np.uint16) * 257), True, {}),
        "colour.png": (colour, True, {}),
        "alpha.png": (opaque, True, {}),
        "grey_alpha.png": (grey.convert("LA"), True, {}),
        "palette.png": (grey.convert("P"), True, {}),
        "see_through.png": (colour.quantize(16), False, {"transparency": 0}),
        "two_levels.png": (grey.convert("1"), False, {}),
        "cmyk.jpg": (colour.convert("CMYK"), False, {}),
        "animated.gif": (grey, True, {"save_all": True, "append_images": frames}),
        "animated.webp": (
            colour, True, {"save_all": True, "append_images": frames, "lossless": True},
        ),
        "rotated.png": (grey.transpose(Image.Transpose.ROTATE_90), True, {"exif": sideways}),
    }  # fmt: skip
    for kind, (image, _, options) in made.items():
        image.save(folder / f"{name}-{kind}", **options)  # pyright: ignore
    return {kind: exact for kind, (_, exact, _) in made.items()}


def test_every_kind_of_picture_is_handled(
    capsys: Capture, own_pictures: Path, tmp_path: Path
) -> None:
    exact: dict[str, bool] = {}
    for name in CLASSES:
        grey = Image.open(own_pictures / name / "0.png")
        exact = variants(own_pictures / name, "kind", grey)
    run = tmp_path / "run"
    options = ["--size", 16, 16, "--precision", "float32"]
    _, err = succeeds(capsys, *train(own_pictures, run, *options))
    assert err == ""
    out, _ = succeeds(capsys, "predict", run, own_pictures, "--json")
    answers = {answer["path"]: answer for answer in map(json.loads, out.splitlines())}
    assert len(answers) == 72 + len(CLASSES) * len(exact)
    assert not any(answer["error"] for answer in answers.values())
    for name in CLASSES:
        expected = answers[str(own_pictures / name / "kind-grey.png")]
        for kind in exact:
            answer = answers[str(own_pictures / name / f"kind-{kind}")]
            same = answer["probability"] == pytest.approx(expected["probability"], abs=1e-5)
            assert same or not exact[kind], kind


def test_channels_are_converted(capsys: Capture, finished: Path, pictures: Path, tmp_path) -> None:
    """A network for grey pictures, colour pictures: scored and answered all the same."""
    data = Path(shutil.copytree(pictures, tmp_path / "colour"))
    for path in data.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    grey = json.loads(succeeds(capsys, "evaluate", finished, pictures, "--json")[0])
    colour = json.loads(succeeds(capsys, "evaluate", finished, data, "--json")[0])
    assert colour["n"] == grey["n"] == 72
    assert colour["accuracy"] == grey["accuracy"]
    start = train(data, tmp_path / "run", "--start", finished)
    start.remove("--quiet")
    assert (
        "fitted to the channels (1 to 3, repeated and rescaled): conv1.weight"
        in succeeds(capsys, *start)[0]
    )


# ---- names, options, values ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("unknown verb 'trian'|Did you mean train", ["trian", "DATA"]),
        ("unknown verb '--data'|Known names", ["--data"]),
        ("unknown network 'resnet21'|resnet20", ["train", "DATA", "--network", "resnet21"]),
        ("unknown network 'resnt50'|resnet50", ["summary", "resnt50"]),
        ("unknown recipe 'fst'|Did you mean fast?", ["train", "DATA", "--recipe", "fst"]),
        ("unknown recipe 'fst'|Did you mean fast?", ["find-lr", "DATA", "--recipe=fst"]),
        ("unknown kind 'foo'|networks", ["list", "foo", "bar"]),
        ("'network'|Did you mean networks?", ["list", "network"]),
        ("wrong size|expected 1 to 8192|received (0, 0)", ["train", "DATA", "--size", "0", "0"]),
        ("wrong size|received (99999, 16)", ["train", "DATA", "--size", "99999", "16"]),
        ("wrong channels|expected 1 (grey) or 3|received 5", ["train", "DATA", "--channels", "5"]),
        ("wrong channels|received 0", ["train", "DATA", "--channels", "0"]),
        ("wrong batch_size|expected >= 1|received 0", ["train", "DATA", "--batch-size", "0"]),
        ("wrong epochs|expected >= 1|received 0", ["train", "DATA", "--epochs", "0"]),
        ("wrong lr|expected > 0|received -1", ["train", "DATA", "--lr", "-1"]),
        ("optimizer.lr|expected a finite number|received inf", ["train", "DATA", "--lr", "inf"]),
        ("augment.mixup|a finite number", ["train", "DATA", "--mixup", "inf"]),
        ("optimizer.lr|received nan", ["train", "DATA", "--lr", "nan"]),
        ("wrong threads|>= 1", ["train", "DATA", "--threads", "-1"]),
        ("wrong workers|>= 0", ["train", "DATA", "--workers", "-1"]),
        ("erasing|a probability from 0 to 1|received 3", ["train", "DATA", "--erasing", "3"]),
        ("drop_rate|in [0, 1)|received 2", ["train", "DATA", "--drop-rate", "2"]),
        ("label_smoothing|received 3", ["train", "DATA", "--label-smoothing", "3"]),
        ("cannot freeze|expected 0 to 4|received 99", ["train", "DATA", "--freeze", "99"]),
        ("fraction|expected 0 <= share < 1", ["train", "DATA", "--validation-fraction", "1.5"]),
        ("too small to be divided|at least 100", ["train", "DATA", "--accumulate", "100"]),
        ("fp16 is for GPUs|Use bf16", ["train", "DATA", "--precision", "fp16", "--device", "cpu"]),
        ("unknown device|expected auto, cpu|received gpu", ["train", "DATA", "--device", "gpu"]),
        ("cannot compute on this device|meta", ["train", "DATA", "--device", "meta"]),
        ("range of learning rates|received 100 to 10", ["find-lr", "DATA", "--lowest", "100"]),
        ("range of learning rates|inf", ["find-lr", "DATA", "--highest", "inf"]),
        ("range of learning rates|2 steps", ["find-lr", "DATA", "--steps", "2"]),
        (
            "unknown network of timm|Did you mean resnet18",
            ["train", "DATA", "--start", "timm/resnt18"],
        ),
        ("no weights 'x'|expected a1_in1k, a2", ["train", "DATA", "--start", "timm/resnet18.x"]),
        ("are not on this machine|https://a.b/c.pth", ["train", "DATA", "--start", "https://a.b/c.pth"]),
        ("--depth does not fit", ["summary", "resnet20", "--depth", "0"]),
        ("cannot have this in_chans|received 0", ["summary", "resnet20", "--input", "0", "9", "9"]),
    ],
)  # fmt: skip
def test_wrong_names_and_values(
    capsys: Capture,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(capsys, 2, words, *(pictures if word == "DATA" else word for word in arguments))
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("option", ["--early-stopping 1", "--schedule plateau"])
def test_what_needs_validation(capsys: Capture, pictures: Path, option: str) -> None:
    words = f"{option.removesuffix(' 1')} needs a validation split|--validation-fraction"
    without = ["--validation-fraction", 0, *option.split()]
    fails(capsys, 2, words, "train", pictures, *without)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", ["train", "evaluate", "predict"])
def test_no_gpu(capsys: Capture, pictures: Path, finished: Path, verb: str) -> None:
    inputs = [pictures] if verb == "train" else [finished, pictures]
    fails(capsys, 2, "no GPU|--device cuda|Use --device cpu", verb, *inputs, "--device", "cuda")


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("missing: DATA", ["train"]),
        ("missing: RUN", ["predict"]),
        (
            "unrecognized|--netwrok|Did you mean --network?",
            ["train", "DATA", "--netwrok", "resnet20"],
        ),
        ("--epochs|'many'", ["train", "DATA", "--epochs", "many"]),
        ("invalid choice 'adam'|'sgd'|'adamw'|'lamb'", ["train", "DATA", "--optimizer", "adam"]),
        ("--size|Expected 2 values", ["train", "DATA", "--size", "16"]),
        ("--lr|'high'", ["train", "DATA", "--lr", "high"]),
        ("unrecognized|--frobnicate", ["report", "RUN", "--frobnicate"]),
    ],
)
def test_wrong_usage_is_one_line(capsys: Capture, words: str, arguments: list[str]) -> None:
    help_line = f"All options: residua {arguments[0]} --help"
    fails(capsys, 2, f"{words}|{help_line}", *arguments)


@pytest.mark.parametrize("verb", VERBS)
def test_help(capsys: Capture, verb: str) -> None:
    out, err = succeeds(capsys, verb, "--help")
    assert out.startswith(f"usage: residua {verb} ")
    assert "{None}" not in out
    assert "--no-json" not in out
    assert err == ""


def test_help_without_a_verb(capsys: Capture) -> None:
    assert run_command([]) == 2
    assert run_command(["--help"]) == 0
    out, _ = capsys.readouterr()
    assert all(out.count(f"\n  {verb} ") == 2 for verb in VERBS)


# ---- batches that are too small -----------------------------------------------------------------


def test_fewer_samples_than_a_batch(capsys: Capture, pictures: Path, tmp_path: Path) -> None:
    succeeds(capsys, *train(pictures, tmp_path / "run", "--batch-size", 1000))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 1


def test_a_batch_that_cannot_be_normalised(capsys: Capture, tmp_path: Path) -> None:
    data = with_classes(tmp_path / "data", cat=1, dog=1)
    Image.new("RGB", (16, 16), "red").save(data / "dog" / "0.jpg")
    options = ["--network", "resnet18", "--size", 8, 8]
    words = "batch normalisation|expected two samples|[1, 3, 8, 8]|larger batch size"
    fails(capsys, 1, words, *train(data, tmp_path / "one", *options, "--batch-size", 1))
    out, _ = succeeds(capsys, *train(data, tmp_path / "two", *options), "--json")
    assert json.loads(out)["validation"] is None
    assert json.loads(out)["test"] is None


# ---- run folders --------------------------------------------------------------------------------


def test_run_folder_that_is_taken_or_cannot_be(
    capsys: Capture, pictures: Path, finished: Path, tmp_path: Path
) -> None:
    words = f"{finished} already holds a run|Choose another --run|residua resume"
    fails(capsys, 2, words, *train(pictures, finished))
    (tmp_path / "file").write_text("")
    words = "a run needs a folder|received the file"
    fails(capsys, 2, words, *train(pictures, tmp_path / "file"))
    words = "cannot be made|Not a directory|Choose another --run"
    fails(capsys, 2, words, *train(pictures, tmp_path / "file" / "run"))


def test_a_run_that_fails_before_it_begins_leaves_its_folder_free(
    capsys: Capture, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    fails(capsys, 2, "drop_rate", *train(pictures, run, "--drop-rate", 2))
    assert not run.exists()
    succeeds(capsys, *train(pictures, run))


@pytest.mark.parametrize("verb", ["resume", "report", "evaluate", "predict"])
def test_no_run(capsys: Capture, pictures: Path, tmp_path: Path, verb: str) -> None:
    inputs = [pictures] if verb == "predict" else []
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Malicious(tmp_path)))
    pairs = ((pictures, ""), (tmp_path / "nowhere", "folder"), (tmp_path / "weights.pth", "a file"))
    for path, word in pairs:
        fails(capsys, 1, f"run|{path}|{word}", verb, path, *inputs)
    assert not (tmp_path / "executed").exists()


# ---- weights and checkpoints --------------------------------------------------------------------


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder / "executed"),)


def test_the_malicious_pickle_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(tmp_path)))
    assert (tmp_path / "executed").is_dir()


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_pickles_are_never_executed(
    capsys: Capture, pictures: Path, copy: Path, tmp_path: Path, writer: str
) -> None:
    weights = tmp_path / "weights.pth"
    if writer == "pickle":
        weights.write_bytes(pickle.dumps({"conv1.weight": Malicious(tmp_path)}))
    else:
        torch.save({"conv1.weight": Malicious(tmp_path)}, weights)
    words = f"pickled objects|expected tensors only|{weights}|safetensors"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", "--start", weights))
    for path in copy.rglob("model.safetensors"):
        shutil.copy(weights, path)
    assert run_command(["predict", str(copy), str(pictures)]) == 1
    _, err = capsys.readouterr()
    assert "does not match its checksum" in err
    assert "no usable checkpoint" in err.splitlines()[-1]
    assert not (tmp_path / "executed").exists()


def test_weights_that_do_not_fit(
    capsys: Capture, pictures: Path, finished: Path, tmp_path: Path
) -> None:
    other = ["--start", finished, "--network", "resnet32"]
    words = "another network|expected resnet32, received resnet20|--network resnet20"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", *other))
    model = finished / "checkpoints" / "final" / "model.safetensors"
    other = ["--start", model, "--network", "resnet32"]
    words = "do not fit network 'resnet32'|missing|layer1.3"
    fails(capsys, 1, words, *train(pictures, tmp_path / "run", *other))
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    (tmp_path / "text.pth").write_text("weights")
    for start, words in (
        (tmp_path / "x.safetensors", "do not fit|unexpected: x"),
        (tmp_path / "text.pth", "not a file of weights|expected safetensors"),
        (tmp_path / "nowhere.pth", "no such file|nowhere.pth"),
        (pictures, f"not a checkpoint|checkpoint.json|{pictures}"),
    ):
        fails(capsys, 1, words, *train(pictures, tmp_path / "run", "--start", start))


def edit(path: Path, **changes: object) -> None:
    """Changes of a JSON file: ``training__epochs=3``."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        part, _, field = name.rpartition("__")
        (content[part] if part else content)[field] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("code", "words", "changes"),
    [
        (1, "recipe|expected int|training.epochs", {"training__epochs": "many"}),
        (1, "recipe|extra fields found (epoch)", {"training__epoch": 3}),
        (1, "recipe|erasing: expected a probability", {"augment__erasing": 7}),
        (1, "no such file or folder|/nowhere", {"data__path": "/nowhere/data"}),
        (2, "wrong epochs|received -3", {"training__epochs": -3}),
        (2, "unknown network 'resnet21'|resnet20", {"network__network": "resnet21"}),
        (
            1,
            "started with another network.network|expected resnet20, received resnet32|recipe.json",
            {"network__network": "resnet32"},
        ),
        (1, "started with another training.ema|received 0.5", {"training__ema": 0.5}),
        (1, "started with another training.seed|expected 0, received 1", {"training__seed": 1}),
    ],
)
def test_resume_after_the_recipe_was_edited(
    capsys: Capture, copy: Path, code: int, words: str, changes: dict[str, object]
) -> None:
    edit(copy / "recipe.json", **changes)
    (copy / "summary.json").unlink()
    fails(capsys, code, words, "resume", copy, "--quiet")


def test_resume_may_compute_elsewhere(capsys: Capture, copy: Path) -> None:
    edit(copy / "recipe.json", training__threads=1, data__cache="never", data__workers=0)
    (copy / "summary.json").unlink()
    succeeds(capsys, "resume", copy, "--quiet")


@pytest.mark.parametrize("content", ["{nonsense", "[1, 2]", "null", ""])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recipe.json", "recipe"),
        ("summary.json", "damaged summary|residua resume"),
        ("evaluation/test.json", "damaged evaluation|Without it"),
    ],
)
def test_report_of_damaged_files(
    capsys: Capture, copy: Path, content: str, name: str, words: str
) -> None:
    (copy / name).write_text(content)
    fails(capsys, 1, f"{words}|{copy / name}", "report", copy)


@pytest.mark.parametrize("name", ["evaluation/test.safetensors", "metrics.jsonl"])
def test_report_without_what_it_can_do_without(capsys: Capture, copy: Path, name: str) -> None:
    (copy / "report" / "report.html").unlink()
    (copy / name).write_bytes(b"junk")
    _, err = succeeds(capsys, "report", copy)
    assert "Traceback" not in err
    assert ("no samples" in err) == (name != "metrics.jsonl")
    assert (copy / "report" / "report.html").is_file()


def test_report_when_the_data_has_changed(
    capsys: Capture, own_pictures: Path, tmp_path: Path
) -> None:
    succeeds(capsys, *train(own_pictures, tmp_path / "run"))
    shutil.rmtree(own_pictures / "rows")
    _, err = succeeds(capsys, "report", tmp_path / "run")
    assert "warning: the report shows no samples: the data is not what was evaluated" in err


@pytest.mark.parametrize("content", ["{}", "[]", "{half", '{"checksum": "0"}'])
def test_checkpoints_that_are_none(
    capsys: Capture, copy: Path, pictures: Path, content: str
) -> None:
    for path in copy.rglob("checkpoint.json"):
        path.write_text(content)
    final = copy / "checkpoints" / "final"
    fails(capsys, 1, f"{final / 'checkpoint.json'}", "predict", final, pictures)
    assert run_command(["evaluate", str(copy)]) == 1
    _, err = capsys.readouterr()
    assert err.splitlines()[-1] == f"residua: {copy} has no usable checkpoint. Train again"


# ---- evaluate and predict -----------------------------------------------------------------------


def test_other_data_is_matched_by_class_names(
    capsys: Capture, finished: Path, pictures: Path, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    for name in ("rows", "columns"):
        shutil.copytree(pictures / name, some / name)
    out, _ = succeeds(capsys, "evaluate", finished, some, "--json")
    found = Evaluation.from_json(json.loads(out))
    assert [row.n for row in found.classes] == [24, 0, 24]
    all_of_it, _ = succeeds(capsys, "evaluate", finished, pictures, "--split", "all", "--json")
    confusion = Evaluation.from_json(json.loads(all_of_it)).confusion
    assert found.confusion == (confusion[0], (0, 0, 0), confusion[2])
    (some / "rows").rename(some / "zebra")
    words = "does not know 1 of the classes|columns, dots, rows|received zebra"
    fails(capsys, 1, words, "evaluate", finished, some)


def test_wrong_splits(capsys: Capture, finished: Path, pictures: Path) -> None:
    words = "unknown split 'tset'|Did you mean test?"
    fails(capsys, 2, words, "evaluate", finished, "--split", "tset")
    fails(capsys, 2, "unknown data set|'nodata'", "evaluate", finished, "nodata")


def test_predict_names_bad_files_and_answers_the_rest(
    capsys: Capture, finished: Path, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "żółw ünï"
    folder.mkdir()
    for name in ("with space.png", "[odd].png", "λ.png"):
        shutil.copy(pictures / "rows" / "0.png", folder / name)
    (folder / "bad.png").write_text("no picture")
    (folder / "huge.png").write_bytes(png_header(100_000, 100_000))
    assert run_command(["predict", str(finished), str(folder), str(tmp_path / "gone.png")]) == 1
    out, err = capsys.readouterr()
    lines = dict(line.split("\t", 1) for line in out.splitlines())
    assert err == "residua: 3 of the inputs could not be read\n"
    assert lines[f"{folder}/bad.png"].startswith("error: cannot decode")
    assert "100,000" not in lines[f"{folder}/huge.png"]
    assert "claims more than" in lines[f"{folder}/huge.png"]
    assert lines[f"{tmp_path}/gone.png"].startswith("error: cannot be opened")
    good = {lines[f"{folder}/{name}"] for name in ("with space.png", "[odd].png", "λ.png")}
    assert len(good) == 1
    assert "error" not in good.pop()


def test_predict_of_nothing(
    capsys: Capture, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(capsys, 2, "nothing to classify|expected files, folders", "predict", finished)
    words = f"no pictures found|a folder with pictures|'{tmp_path}'|.png"
    fails(capsys, 1, words, "predict", finished, tmp_path)
    pattern = f"{tmp_path}/*.png"
    fails(capsys, 1, f"no pictures found|a pattern|{pattern}", "predict", finished, pattern)
    fails(capsys, 2, "wrong batch_size|>= 1", "predict", finished, "x.png", "--batch-size", 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert succeeds(capsys, "predict", finished, "-") == ("", "")


# ---- the system ---------------------------------------------------------------------------------


def test_cache_that_cannot_be_written(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "file" / "cache"))
    words = f"cannot write the cache|{tmp_path / 'file'}|Set RESIDUA_CACHE"
    fails(capsys, 1, words, *train(own_pictures, tmp_path / "run"))
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "new" / "cache"))
    succeeds(capsys, *train(own_pictures, tmp_path / "run"))


def test_what_the_system_refuses_is_one_line(
    capsys: Capture, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(copy / "report")
    (copy / "report").write_text("in the way")
    fails(capsys, 1, f"cannot go on|Not a directory|{copy / 'report'}", "report", copy)


def interrupt(*_: object, **__: object) -> None:
    signal.raise_signal(signal.SIGINT)


def test_interrupt_while_decoding(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("residua.run.terminal.Terminal.progress", interrupt)
    err = fails(capsys, 130, "interrupted", *train(own_pictures, tmp_path / "run"))
    assert err == "residua: interrupted\n"
    assert not (tmp_path / "run").exists()


def test_termination_while_decoding(
    capsys: Capture, own_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("residua.run.terminal.Terminal.progress", terminate)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in train(own_pictures, tmp_path / "run")])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stop.value.code == 143
    assert capsys.readouterr().err == "residua: terminated\n"
    assert not list(tmp_path.glob("cache/*.decoded"))


def test_interrupt_while_scoring_can_be_resumed(
    capsys: Capture, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("residua.run.finish.fit_temperature", interrupt)
        words = f"interrupted and saved after step 4|residua resume {run}"
        fails(capsys, 130, words, *train(pictures, run))
    assert not (run / "summary.json").exists()
    succeeds(capsys, "resume", run, "--quiet")
    assert (run / "summary.json").exists()


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_reader_that_stops_reading(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "residua", *arguments],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(write)
    assert process.stderr == ""
    assert process.returncode in (0, 1)
