"""Evaluations on disk: scores as JSON, answers as tensors, so that reports need no second run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from residua.errors import FormatError
from residua.evaluation.results import Evaluation, Predictions
from residua.files import write_atomically

_RESTORE = "Delete it; residua resume writes it again"


def save_evaluation(folder: Path, evaluation: Evaluation, predictions: Predictions) -> None:
    """Writes ``SPLIT.json`` and ``SPLIT.safetensors`` (rows, labels, logits) into ``folder``."""
    arrays = {
        "rows": np.ascontiguousarray(predictions.rows),
        "labels": np.ascontiguousarray(predictions.labels),
        "logits": np.ascontiguousarray(predictions.logits),
    }
    write_atomically(folder / f"{evaluation.split}.safetensors", save(arrays))
    text = json.dumps(evaluation.to_json(), indent=1) + "\n"
    write_atomically(folder / f"{evaluation.split}.json", text)


def load_scores(folder: Path, split: str) -> Evaluation | None:
    """The scores of ``split``, or None where there are none.

    Raises:
        FormatError: If the file is damaged.
    """
    path = folder / f"{split}.json"
    if not path.is_file():
        return None
    try:
        return Evaluation.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, FormatError) as error:
        raise FormatError(
            f"damaged evaluation ({error})", where=path, fix="Without it a report can be written"
        ) from error


def load_summary(path: Path) -> dict[str, Any]:
    """summary.json; empty where there is none, as while the run is not complete.

    Raises:
        FormatError: If the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"damaged summary ({error})", where=path, fix=_RESTORE) from error
    if not isinstance(content, dict):
        raise FormatError("damaged summary", expected="an object", where=path, fix=_RESTORE)
    return content


def load_answers(folder: Path, split: str) -> dict[str, np.ndarray]:
    """The arrays ``rows [n]``, ``labels [n]`` and ``logits [n, k]`` of ``split``.

    Raises:
        FormatError: If the file is missing or damaged.
    """
    path = folder / f"{split}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise FormatError(f"damaged evaluation ({error})", where=path) from error
