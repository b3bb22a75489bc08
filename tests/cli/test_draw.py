"""`residua draw` as a user calls it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from residua.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as caught:
        main(["draw", *arguments])
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


def test_the_picture_lies_in_the_current_folder(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert call(capsys, "resnet20") == (0, "resnet20.svg\n", "")
    assert [path.name for path in here.iterdir()] == ["resnet20.svg"]
    text = (here / "resnet20.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "269,722 parameters · 40.6 M MACs · He et al., 2016a" in text


def test_auxiliary_classifiers_are_counted_apart(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert call(capsys, "googlenet")[0] == 0
    text = (here / "googlenet.svg").read_text(encoding="utf-8")
    assert "6,624,904 parameters (and 6,379,984 of auxiliary classifiers)" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "1", "28", "40"), ("28×40×1", "7×10×64")),
        (("--rank", "1"), ("1000×1", "3 conv, 16")),
        (("--input", "2", "500"), ("500×2", "Arrows carry time × channels.")),
        (("--classes", "7"), ("fc, 7",)),
    ],
)
def test_the_network_takes_the_input_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
    here: Path,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    assert call(capsys, "resnet20", *arguments, "--out", "a.svg") == (0, "a.svg\n", "")
    text = (here / "a.svg").read_text(encoding="utf-8")
    assert all(word in text for word in words)


def test_pages_are_asked_for_by_flag_or_name(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert call(capsys, "resnet20", "--html")[1] == "resnet20.html\n"
    assert call(capsys, "resnet20", "--out", "new/p.html")[1] == "new/p.html\n"
    page = (here / "resnet20.html").read_bytes()
    assert page == (here / "new/p.html").read_bytes()
    assert page.startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("resnt50",), 2, "Did you mean resnet50"),
        (("resnet18", "--input", "3"), 2, "expected 2 or 3 numbers, received [3]"),
        (("resnet18", "--rank", "2", "--input", "3", "64"), 2, "expected 3 numbers"),
        (("resnet18", "--rank", "3"), 2, "expected 1 or 2, received 3"),
        (("vgg16", "--input", "3", "16", "16"), 1, "at least 32"),
        (("resnet18", "--html", "--out", "a.svg"), 2, "expected a .html file, received a.svg"),
        (("resnet20", "--out", "file/a.svg"), 1, "cannot write"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str],
    here: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    (here / "file").write_text("in the way")
    found = call(capsys, *arguments)
    assert found[:2] == (code, "")
    assert said in found[2]
    assert len(found[2].splitlines()) == 1
    assert [path.name for path in here.iterdir()] == ["file"]
