"""Data that cannot be used: one clear line, the right exit code, never a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.bad_input.tools import (
    CLASSES,
    Capture,
    class_only_in_test,
    empty_folder,
    fails,
    file,
    huge_jpeg,
    jpeg,
    nothing,
    parquet,
    pictures_without_classes,
    png_header,
    succeeds,
    table,
    texts_only,
    train,
    with_classes,
)

from residua.cli.main import run_command

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
