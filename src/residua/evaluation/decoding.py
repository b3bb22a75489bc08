"""From a CTC network's answers to sequences of tokens.

Legend: b samples, k classes (class 0 is blank, class i + 1 is token i), t steps, n prefixes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.errors import UsageError
from residua.losses.ctc import BLANK, best_path

Tokens = tuple[int, ...]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What may have been said.

    Attributes:
        tokens: From 0.
        log_probability: Of all paths together that were found to give these tokens, in nats.
    """

    tokens: Tokens
    log_probability: float


def decode_greedy(logits: Tensor, lengths: Tensor) -> list[Tokens]:
    """The tokens of the most likely path of each sample (Graves et al., 2006, section 3.2).

    That path is not always one of the most likely sequence, whose paths may be many.

    Args:
        logits: ``[b, k, t]``.
        lengths: int64 ``[b]`` steps of each sample.
    """
    tokens, counts = best_path(logits, lengths)
    rows = zip(tokens.tolist(), counts.tolist(), strict=True)
    return [tuple(row[:count]) for row, count in rows]


def decode_beam(logits: Tensor, lengths: Tensor, *, width: int = 16) -> list[Tokens]:
    """The most likely tokens of each sample that `beam_search` finds, in float64 on the host."""
    log_probabilities = torch.log_softmax(logits.detach().double(), 1).cpu().numpy()
    rows = zip(log_probabilities, lengths.tolist(), strict=True)
    return [beam_search(row[:, :steps].T, width=width)[0].tokens for row, steps in rows]


def beam_search(log_probabilities: Floats, *, width: int = 16) -> list[Hypothesis]:
    """The ``width`` most likely sequences of tokens, best first, each with all its paths.

    Prefixes grow step by step; of each the paths that end in blank and those that do not are summed
    apart, as only the former may repeat the last token (Hannun et al., "First-Pass Large Vocabulary
    Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014, arXiv:1408.2873,
    algorithm 1, without a language model). It is exact where no prefix is dropped: with a width of
    (k - 1)^0 + ... + (k - 1)^t.

    Args:
        log_probabilities: ``[t, k]``, logarithms of each step's probabilities.
        width: Prefixes that are kept after each step.

    Raises:
        UsageError: The width is below 1, or there is no class but blank.
    """
    if width < 1 or log_probabilities.ndim != 2 or log_probabilities.shape[1] < 2:
        raise UsageError(
            "beam search cannot search",
            expected="a width from 1, and log probabilities [t, k] with k from 2",
            received=f"width {width}, {list(log_probabilities.shape)}",
        )
    beam = _Beam(prefixes=((),), blank=np.zeros(1), token=np.full(1, -np.inf))
    for step in log_probabilities.astype(np.float64):
        beam = _after(beam, step, width)
    order = np.argsort(-beam.total, kind="stable")
    return [
        Hypothesis(tokens=beam.prefixes[i], log_probability=float(beam.total[i])) for i in order
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beam:
    """Prefixes, and the logarithms ``[n]`` of what their paths weigh that end in blank, or not."""

    prefixes: tuple[Tokens, ...]
    blank: Floats
    token: Floats

    @property
    def total(self) -> Floats:
        return np.logaddexp(self.blank, self.token)


def _after(beam: _Beam, step: Floats, width: int) -> _Beam:
    """The best prefixes after one more step ``[k]``: some as they were, some grown by a token."""
    n, classes = len(beam.prefixes), len(step) - 1
    blank = beam.total + step[BLANK]
    token, grown = _said(beam, step)
    scores = np.concatenate((np.logaddexp(blank, token), grown.ravel()))
    best = np.argsort(-scores, kind="stable")[:width]
    best = best[scores[best] > -np.inf] if scores.max() > -np.inf else best[:1]
    stay, grow = best[best < n], best[best >= n] - n
    parents, tokens = grow // classes, grow % classes
    new = ((*beam.prefixes[i], int(c)) for i, c in zip(parents, tokens, strict=True))
    return _Beam(
        prefixes=(*(beam.prefixes[i] for i in stay), *new),
        blank=np.concatenate((blank[stay], np.full(len(grow), -np.inf))),
        token=np.concatenate((token[stay], grown.ravel()[grow])),
    )


def _said(beam: _Beam, step: Floats) -> tuple[Floats, Floats]:
    """What paths weigh that end in a token now: ``[n]`` of each prefix that is in the beam, and
    ``[n, k - 1]`` of each that grows by a token and is not."""
    last = np.array([prefix[-1] if prefix else -1 for prefix in beam.prefixes])
    token = np.where(last < 0, -np.inf, beam.token + step[last + 1])
    grown = beam.total[:, None] + step[None, 1:]
    rows = np.flatnonzero(last >= 0)
    grown[rows, last[rows]] = beam.blank[rows] + step[last[rows] + 1]  # else it would merge
    places = {prefix: i for i, prefix in enumerate(beam.prefixes)}
    for i, prefix in enumerate(beam.prefixes):
        parent = places.get(prefix[:-1]) if prefix else None
        if parent is not None:
            token[i] = np.logaddexp(token[i], grown[parent, last[i]])
            grown[parent, last[i]] = -np.inf
    return token, grown
