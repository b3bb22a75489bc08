"""Errors are one line with what was expected, received, where, and what to do."""

import pytest

from residua import errors
from residua.errors import MissingExtraError, ResiduaError, UnknownNameError, UsageError


def test_line_holds_all_facts() -> None:
    error = ResiduaError("wrong size", expected=3, received="4\n5", where="a.png", fix="Crop it")
    assert str(error) == "wrong size: expected 3, received 4 5, in a.png. Crop it"
    assert str(ResiduaError("wrong")) == "wrong"


def test_near_names_are_suggested() -> None:
    error = UnknownNameError("network", "resnet5O", ["resnet50", "resnet18", "vgg16"])
    assert error.suggestions[0] == "resnet50"
    assert "Did you mean" in str(error)
    assert "Known names: a, b" in str(UnknownNameError("split", "zzz", ["b", "a"]))


def test_exit_codes() -> None:
    assert ResiduaError("x").exit_code == 1
    assert UsageError("x").exit_code == 2
    assert MissingExtraError("tensorboard", "tensorboard", "this").exit_code == 2
    assert errors.InterruptedRunError(2, step=1).exit_code == 130
    assert errors.InterruptedRunError(15, step=1).exit_code == 143


def test_all_errors_stand_in_the_tree_that_the_module_draws() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, ResiduaError)
    ]
    assert len(classes) > 10
    for value in classes:
        assert errors.__doc__ is not None
        assert value.__name__ in errors.__doc__


@pytest.mark.parametrize("name", ["UsageError", "DataError", "NetworkError", "TrainingError"])
def test_branches_hang_on_the_root(name: str) -> None:
    assert issubclass(getattr(errors, name), ResiduaError)
