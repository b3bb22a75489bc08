"""Scores of a network that answers with sequences of tokens.

Legend: n samples, k classes (class 0 is blank, class i + 1 is token i), t steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from residua.errors import LabelError
from residua.evaluation.checks import check_finite, without_targets
from residua.evaluation.decoding import Tokens, decode_beam, decode_greedy
from residua.evaluation.metrics import row_blocks, wilson_interval
from residua.evaluation.results import Predictions
from residua.evaluation.scores import SequenceScores
from residua.evaluation.sequences import ErrorRate, error_rate, word_error_rate
from residua.losses.ctc import ctc_loss

SPACE = " "
BEAM = 16
"""Prefixes that the search keeps at the end of a run."""


def evaluate_sequences(
    predictions: Predictions, classes: Sequence[str], split: str, *, beam: int = BEAM
) -> SequenceScores:
    """The scores of one split.

    Args:
        predictions: From `residua.evaluation.predict.predict_split`.
        classes: ``k - 1`` tokens.
        split: The name of the split, for the result.
        beam: Prefixes that the search keeps; 0 takes the best class of each step.

    Raises:
        LabelError: There are no targets, or the network's outputs are not those of ``classes``.
        NetworkError: A logit is not a finite number.
    """
    tokens, lengths = predictions.tokens, predictions.lengths
    if tokens is None or lengths is None or not any(tokens):
        raise without_targets(split, len(predictions.labels))
    if predictions.logits.shape[1] != len(classes) + 1:
        raise LabelError(
            "the network and the data set disagree about the tokens",
            expected=f"{predictions.logits.shape[1] - 1} tokens and a blank",
            received=f"{len(classes)} tokens",
        )
    check_finite(predictions)
    logits, steps = torch.from_numpy(predictions.logits), torch.from_numpy(lengths)
    said = decode_beam(logits, steps, width=beam) if beam else decode_greedy(logits, steps)
    found, words = error_rate(tokens, said), _words(tokens, said, classes)
    return SequenceScores(
        split=split,
        n=len(tokens),
        loss=mean_loss(predictions),
        token_error_rate=found.rate,
        token_error_rate_ci95=(found.low, found.high),
        word_error_rate=None if words is None else words.rate,
        word_error_rate_ci95=None if words is None else (words.low, words.high),
        substitutions=found.edits.substitutions,
        insertions=found.edits.insertions,
        deletions=found.edits.deletions,
        tokens=found.edits.length,
        exact_match=found.exact,
        exact_match_ci95=wilson_interval(round(found.exact * found.n), found.n),
        beam=beam,
        samples_per_second=len(tokens) / max(predictions.seconds, 1e-9),
        device=predictions.device,
    )


def _words(
    tokens: Sequence[Tokens], said: Sequence[Tokens], classes: Sequence[str]
) -> ErrorRate | None:
    """None without blanks between words, or without words."""
    space = classes.index(SPACE) if SPACE in classes else None
    if space is None or all(token == space for each in tokens for token in each):
        return None
    return word_error_rate(tokens, said, space=space)


def mean_loss(predictions: Predictions) -> float:
    """Mean of ``-log p(targets)`` over the samples whose targets the output can hold; 0 without."""
    tokens, lengths = predictions.tokens, predictions.lengths
    assert tokens is not None
    assert lengths is not None
    targets, counts = padded_tokens(tokens)
    losses: list[torch.Tensor] = []
    for block in row_blocks(len(tokens), int(np.prod(predictions.logits.shape[1:]))):
        logits = torch.from_numpy(predictions.logits[block]).double()
        steps = torch.from_numpy(lengths[block])
        losses.append(ctc_loss(logits, steps, targets[block], counts[block]))
    every = torch.cat(losses)
    known = every[every.isfinite()]
    return float(known.mean()) if len(known) else 0.0


def padded_tokens(tokens: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 ``[n, s]`` padded with -1, and how many are valid."""
    counts = torch.tensor([len(each) for each in tokens], dtype=torch.int64)
    padded = torch.full((len(tokens), max(1, int(counts.max()))), -1)
    for row, each in zip(padded, tokens, strict=True):
        row[: len(each)] = torch.tensor(each, dtype=torch.int64)
    return padded, counts


def joined(tokens: Sequence[str], classes: Sequence[str]) -> str:
    """Tokens as one text: characters stand side by side, words between blanks."""
    return ("" if all(len(name) == 1 for name in classes) else " ").join(tokens)
