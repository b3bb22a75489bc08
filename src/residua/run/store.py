"""Evaluations on disk: scores as JSON, answers as tensors, so that reports need no second run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from residua.errors import FormatError
from residua.evaluation.results import Predictions
from residua.evaluation.scores import Scores, scores_from_json
from residua.evaluation.transcription import padded_tokens
from residua.files import write_atomically

_RESTORE = "Delete it; residua resume writes it again"


def save_evaluation(folder: Path, scores: Scores, predictions: Predictions) -> None:
    """Writes ``SPLIT.json`` and ``SPLIT.safetensors`` into ``folder``; see `load_answers`."""
    arrays = {name: np.ascontiguousarray(each) for name, each in _arrays(predictions).items()}
    write_atomically(folder / f"{scores.split}.safetensors", save(arrays))
    text = json.dumps(scores.to_json(), indent=1) + "\n"
    write_atomically(folder / f"{scores.split}.json", text)


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {
        "rows": predictions.rows,
        "labels": predictions.labels,
        "logits": predictions.logits,
    }
    if predictions.values is not None:
        found["values"] = predictions.values
    if predictions.tokens is not None and predictions.lengths is not None:
        tokens, counts = padded_tokens(predictions.tokens)
        found |= {"tokens": tokens.numpy(), "token_counts": counts.numpy()}
        found["lengths"] = predictions.lengths
    return found


def load_scores(folder: Path, split: str) -> Scores | None:
    """The scores of ``split``, or None where there are none.

    Raises:
        FormatError: If the file is damaged.
    """
    path = folder / f"{split}.json"
    if not path.is_file():
        return None
    try:
        return scores_from_json(json.loads(path.read_text(encoding="utf-8")))
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

    Beside them, as in `Predictions`, ``values [n, k]`` for multi-label classification and
    regression; for CTC logits are ``[n, k, t]``, with ``lengths [n]`` of them, ``tokens [n, s]``
    padded with -1, and ``token_counts [n]``.

    Raises:
        FormatError: If the file is missing or damaged.
    """
    path = folder / f"{split}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise FormatError(f"damaged evaluation ({error})", where=path) from error
