"""Pictures of all kinds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.bad_input.tools import CLASSES, Capture, succeeds, train


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
