import io
import sys
from pathlib import Path

import pytest

from residua.batch import Modality
from residua.errors import DataNotFoundError
from residua.evaluation.inputs import INPUT_KINDS, find_inputs


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    names = ["b/2.png", "b/1.JPG", "a/x/3.webp", "0.png", "notes.txt", ".hidden.png", ".git/4.png"]
    for name in [*names, "odd[1].png"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(root: Path, *inputs: str) -> list[str]:
    return [
        str(Path(path).relative_to(root))
        for path in find_inputs(inputs, INPUT_KINDS[Modality.IMAGE])
    ]


def test_a_folder_gives_all_pictures_below_it_and_nothing_else(pictures):
    expected = ["0.png", "odd[1].png", "a/x/3.webp", "b/1.JPG", "b/2.png"]
    assert found(pictures, str(pictures)) == expected


def test_a_pattern_gives_its_matches_and_a_file_with_brackets_is_a_file(pictures):
    assert found(pictures, f"{pictures}/b/*") == ["b/1.JPG", "b/2.png"]
    assert found(pictures, f"{pictures}/**/3.*") == ["a/x/3.webp"]
    assert found(pictures, f"{pictures}/odd[1].png") == ["odd[1].png"]


def test_the_order_is_that_of_the_inputs_and_named_files_are_taken_as_they_are(pictures):
    inputs = [f"{pictures}/notes.txt", f"{pictures}/b", f"{pictures}/gone.png"]
    assert found(pictures, *inputs) == ["notes.txt", "b/1.JPG", "b/2.png", "gone.png"]


def test_a_dash_reads_lines_when_they_are_asked_for(pictures, monkeypatch):
    lines = io.StringIO(f"{pictures}/0.png\n\n-\r\n{pictures}/b/*\n")
    monkeypatch.setattr(sys, "stdin", lines)
    paths = find_inputs(["-"], INPUT_KINDS[Modality.IMAGE])
    assert next(paths) == f"{pictures}/0.png"
    assert lines.tell() == len(f"{pictures}/0.png\n")
    assert len(list(paths)) == 2


@pytest.mark.parametrize("what", ["*.gif", "empty"])
def test_what_matches_nothing_is_an_error(pictures, what):
    (pictures / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match="no pictures found"):
        list(find_inputs([str(pictures / what)], INPUT_KINDS[Modality.IMAGE]))
