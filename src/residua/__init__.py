"""residua: from a folder of labelled pictures to a trained, evaluated, explained classifier.

    import residua

    run = residua.train("data/birds", network="resnext50_32x4d", epochs=30)
    print(run.evaluate("test").accuracy)
    for answer in run.predict("new/"):
        print(answer.path, answer.label, answer.probability)

Names are imported when they are first used: `import residua` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from residua.api import resume, train
    from residua.batch import Batch, Sample, Schema
    from residua.errors import ResiduaError
    from residua.networks.catalog import create_model, list_models
    from residua.recipes.recipe import Recipe
    from residua.run.classifier import Classifier
    from residua.run.run import Run

__all__ = [
    "Batch",
    "Classifier",
    "Recipe",
    "ResiduaError",
    "Run",
    "Sample",
    "Schema",
    "create_model",
    "list_models",
    "resume",
    "train",
]

_HOMES = {
    "Batch": "residua.batch",
    "Classifier": "residua.run.classifier",
    "Recipe": "residua.recipes.recipe",
    "ResiduaError": "residua.errors",
    "Run": "residua.run.run",
    "Sample": "residua.batch",
    "Schema": "residua.batch",
    "create_model": "residua.networks.catalog",
    "list_models": "residua.networks.catalog",
    "resume": "residua.api",
    "train": "residua.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'residua' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
