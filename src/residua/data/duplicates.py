"""Samples that occur more than once: the same values, or nearly the same.

Two samples are compared by the correlation of their thumbnails (see `residua.data.fingerprints`),
which brightness, contrast, gain, size, rate and compression hardly change. How alike different
samples are depends on the data set: trousers on black correlate at 0.97, photographs at 0.7. So a
pair counts as a near duplicate when its distance, 1 - correlation, is at most a tenth of what is
usual between a held-out sample and the most similar training sample, and when a finer thumbnail
confirms it. Classes of series can be as alike as copies (the pulses of one kind of appliance), so
of series, sound and text a copy must also be ten times nearer than the third nearest training
sample.

Mirrored, rotated, shifted and strongly cropped copies are not found.

Legend: n samples, q held-out samples, m training samples, d numbers of a thumbnail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from residua.data.dataset import Reader
from residua.data.fingerprints import Fingerprints, Kind, Thumbnails, take_fine
from residua.data.rows import Rows

_USUAL_SHARE = 0.1
_LOWEST = 0.95
"""The least correlation that is asked for; the highest is `Kind.highest`, and matters where every
held-out sample is a copy, and so copies are what is usual."""

_FINE_SLACK = 2.0  # the detail of a copy suffers about twice as much as its coarse form
_BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """A held-out sample and the training sample that it resembles; rows of the table."""

    held_out: int
    training: int
    similarity: float


def exact_groups(prints: Fingerprints) -> list[npt.NDArray[np.int64]]:
    """The groups of two or more rows with equal values, each ascending."""
    rows = np.flatnonzero(prints.readable)
    digests = np.ascontiguousarray(prints.digests[rows]).view(np.uint64).reshape(-1, 2)
    order = np.lexsort((rows, digests[:, 1], digests[:, 0]))
    digests, rows = digests[order], rows[order]
    starts = np.flatnonzero((digests[1:] != digests[:-1]).any(axis=1)) + 1
    groups = [group for group in np.split(rows, starts) if len(group) > 1]
    return sorted(groups, key=lambda group: int(group[0]))


def near_pairs(
    reader: Reader,
    prints: Fingerprints,
    held_out: Rows,
    training: Rows,
    similarity: float | None = None,
) -> tuple[list[NearPair], float]:
    """Held-out samples that nearly are training samples, each with the most similar one; and the
    correlation that was asked for.

    Takes ``q m d`` multiplications, in blocks: seconds for 10,000 against 60,000.

    Args:
        reader: For a second look at the candidates.
        prints: From the first look at all samples.
        held_out: ``[q]`` rows to be looked for.
        training: ``[m]`` rows to be looked through.
        similarity: The correlation to ask for; by default it is chosen as described above.
    """
    held_out, queries = _comparable(prints, held_out)
    training, known = _comparable(prints, training)
    if not len(held_out) or not len(training):
        return [], 1.0
    places, best = _most_similar(queries, known)
    limit = _limit(best, prints.kind.highest) if similarity is None else similarity
    found = np.flatnonzero(best >= limit)
    if similarity is None and prints.kind.rivals:
        found = found[_stands_out(queries[found], known, best[found], prints.kind.rivals)]
    left, right = held_out[found], training[places[found]]
    fine = _fine_similarity(reader, prints.kind, left, right)
    kept = 1 - fine <= _FINE_SLACK * (1 - limit) + 1e-6
    return [
        NearPair(held_out=int(a), training=int(b), similarity=float(c))
        for a, b, c in zip(left[kept], right[kept], best[found][kept], strict=True)
    ], limit


def _limit(best: npt.NDArray[np.float32], highest: float) -> float:
    usual = float(np.median(best))
    return min(max(1 - _USUAL_SHARE * (1 - usual), _LOWEST), highest)


def _comparable(prints: Fingerprints, rows: Rows) -> tuple[Rows, Thumbnails]:
    """The rows that are readable and show something, and their thumbnails ``[*, d]``."""
    rows = rows[prints.readable[rows]]
    thumbnails = prints.thumbnails[rows]
    shown = prints.kind.shows_something(thumbnails)
    return rows[shown], thumbnails[shown]


def _blocks(values: Thumbnails) -> list[Thumbnails]:
    return [values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK)]


def _standardised(values: Thumbnails) -> npt.NDArray[np.float32]:
    """float32 ``[*, d]`` of mean 0 and norm 1, so that inner products are correlations."""
    centred = values.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _most_similar(
    queries: Thumbnails, known: Thumbnails
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Of each query ``[q, d]``, the place in ``known`` ``[m, d]`` and the correlation."""
    best = np.full(len(queries), -2, dtype=np.float32)
    places = np.zeros(len(queries), dtype=np.int64)
    for j, others in enumerate(_blocks(known)):
        columns = np.ascontiguousarray(_standardised(others).T)
        for i, block in enumerate(_blocks(queries)):
            scores = _standardised(block) @ columns
            top = scores.argmax(axis=1)
            value = scores[np.arange(len(top)), top]
            part = slice(i * _BLOCK, i * _BLOCK + len(top))
            better = value > best[part]
            best[part][better] = value[better]
            places[part][better] = top[better] + j * _BLOCK
    return places, best


def _stands_out(
    queries: Thumbnails, known: Thumbnails, best: npt.NDArray[np.float32], rivals: int
) -> npt.NDArray[np.bool_]:
    """Whether the nearest of ``known`` is far nearer than the one behind ``rivals`` others."""
    place = min(rivals, len(known) - 1)
    nearest = np.full((len(queries), place + 1), -2, dtype=np.float32)
    for others in _blocks(known):
        columns = np.ascontiguousarray(_standardised(others).T)
        for i, block in enumerate(_blocks(queries)):
            part = slice(i * _BLOCK, i * _BLOCK + len(block))
            both = np.concatenate([nearest[part], _standardised(block) @ columns], axis=1)
            nearest[part] = -np.partition(-both, place, axis=1)[:, : place + 1]
    return (1 - best) <= _USUAL_SHARE * (1 - nearest.min(axis=1)) + 1e-6


def _fine_similarity(
    reader: Reader, kind: Kind, left: Rows, right: Rows
) -> npt.NDArray[np.float32]:
    """Correlations of finer thumbnails of the pairs."""
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    fine = take_fine(reader, kind, rows)
    first, second = places[: len(left)], places[len(left) :]
    scores = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _BLOCK):
        part = slice(start, start + _BLOCK)
        pairs = _standardised(fine[first[part]]) * _standardised(fine[second[part]])
        scores[part] = pairs.sum(axis=1)
    return scores
