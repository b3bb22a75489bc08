"""Error rates of sequences: how many tokens or words must change to get from what was said to what
was meant.

Legend: n sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from residua.errors import LabelError
from residua.evaluation.metrics import wilson_interval

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What turns a reference into a hypothesis, with the fewest changes.

    Attributes:
        substitutions: Places where another token stands.
        insertions: Tokens of the hypothesis that the reference has not.
        deletions: Tokens of the reference that the hypothesis has not.
        length: Tokens of the reference.
    """

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    length: int = 0

    @property
    def distance(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            substitutions=self.substitutions + other.substitutions,
            insertions=self.insertions + other.insertions,
            deletions=self.deletions + other.deletions,
            length=self.length + other.length,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate:
    """Edits of a whole set of sequences.

    Attributes:
        rate: Edits over tokens of the references; above 1 where much was inserted.
        low, high: 95% interval of the rate.
        edits: Their sum.
        n: Sequences.
        exact: Share of sequences without an error.
    """

    rate: float
    low: float
    high: float
    edits: Edits
    n: int
    exact: float


def edits(reference: Sequence[object], hypothesis: Sequence[object]) -> Edits:
    """The fewest changes (Levenshtein, 1966; Wagner & Fischer, 1974).

    Where several ways have as few, the one with most substitutions counts, which is then also the
    one with fewest insertions and deletions.
    """
    # a cell is (distance, insertions): tokens that the two have in common only shift both
    row = [(j, j) for j in range(len(hypothesis) + 1)]
    for i, meant in enumerate(reference, start=1):
        above, row = row, [(i, 0)]
        for j, said in enumerate(hypothesis, start=1):
            diagonal = above[j - 1][0] + (meant != said), above[j - 1][1]
            deleted = above[j][0] + 1, above[j][1]
            inserted = row[-1][0] + 1, row[-1][1] + 1
            row.append(min(diagonal, deleted, inserted))
    distance, insertions = row[-1]
    deletions = insertions + len(reference) - len(hypothesis)
    return Edits(
        substitutions=distance - insertions - deletions,
        insertions=insertions,
        deletions=deletions,
        length=len(reference),
    )


def error_rate(
    references: Iterable[Sequence[object]], hypotheses: Iterable[Sequence[object]]
) -> ErrorRate:
    """Edits over tokens, of all sequences together: token error rate, or of words that of words.

    The interval comes from drawing sequences anew, as errors within one depend on each other
    (Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    ICASSP 2004). Where no sequence has an error, all draws are alike: then its upper end is that of
    Wilson's interval of the share of wrong sequences.

    Raises:
        LabelError: The references have no token at all.
    """
    found = [edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    total = sum(found, Edits())
    if total.length == 0:
        raise LabelError("an error rate needs at least one token in the references", received=0)
    wrong = np.array([each.distance for each in found])
    lengths = np.array([each.length for each in found])
    if wrong.any():
        low, high = _bootstrap(wrong, lengths)
    else:
        low, high = wilson_interval(0, len(found))
    rate = total.distance / total.length
    return ErrorRate(
        rate=rate,
        low=min(low, rate),
        high=max(high, rate),
        edits=total,
        n=len(found),
        exact=float((wrong == 0).mean()),
    )


def words(tokens: Sequence[int], *, space: int) -> list[tuple[int, ...]]:
    """``tokens`` cut at each ``space`` token; of several in a row only one counts."""
    found: list[tuple[int, ...]] = []
    start = 0
    for end in [*(i for i, token in enumerate(tokens) if token == space), len(tokens)]:
        if end > start:
            found.append(tuple(tokens[start:end]))
        start = end + 1
    return found


def word_error_rate(
    references: Iterable[Sequence[int]], hypotheses: Iterable[Sequence[int]], *, space: int
) -> ErrorRate:
    """`error_rate` of the words between ``space`` tokens."""
    return error_rate(
        (words(sequence, space=space) for sequence in references),
        (words(sequence, space=space) for sequence in hypotheses),
    )


def _bootstrap(wrong: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Percentiles 2.5 and 97.5 of the rate over sets of n sequences drawn with replacement."""
    generator = np.random.default_rng(0)
    n, rates = len(wrong), np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        rows = generator.integers(n, size=n)
        rates[i] = wrong[rows].sum() / max(lengths[rows].sum(), 1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return float(low), float(high)
