"""The classifier of pictures."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sklearn.made import stripes

from residua.errors import UnreadableSampleError
from residua.sklearn import ImageClassifier

X, Y = stripes(48)
X_TEST, Y_TEST = stripes(20, seed=1)


@pytest.fixture(scope="module")
def fitted() -> ImageClassifier:
    model = ImageClassifier(network="resnet20", epochs=4, batch_size=12, lr=0.05, threads=1)
    return model.fit(X, Y)


def test_learns_and_pickles(fitted: ImageClassifier) -> None:
    assert fitted.score(X_TEST, Y_TEST) == 1.0
    assert fitted.checkpoint_.schema.channels == 1
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X_TEST), fitted.predict_proba(X_TEST))


def test_arrays_pictures_and_files_get_the_same_answers(
    fitted: ImageClassifier, tmp_path: Path
) -> None:
    pictures = [Image.fromarray(each) for each in X_TEST]
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"{number:02}.png")
    expected = fitted.predict_proba(X_TEST)
    for given in (X_TEST / 255, pictures, sorted(tmp_path.glob("*.png"))):
        np.testing.assert_array_equal(fitted.predict_proba(given), expected)


def test_learns_from_files_in_colour_and_of_any_size(tmp_path: Path) -> None:
    paths: list[str] = []
    for number, values in enumerate(X[:16]):
        picture = Image.fromarray(values).convert("RGB").resize((12 + number % 2, 12))
        paths.append(str(tmp_path / f"{number:02}.png"))
        picture.save(paths[-1])
    model = ImageClassifier(network="resnet20", epochs=1, threads=1).fit(paths, Y[:16])
    assert model.checkpoint_.schema.channels == 3
    assert model.predict([paths[0]]).shape == (1,)


def test_a_file_that_is_not_there_is_named(fitted: ImageClassifier) -> None:
    with pytest.raises(UnreadableSampleError, match=r"X#0 .*nowhere\.png"):
        fitted.predict(["nowhere.png"])
