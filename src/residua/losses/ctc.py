"""Connectionist temporal classification: sequences of labels without their places in time.

Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence Data with
Recurrent Neural Networks" (ICML 2006). At each step the network names a token or none (blank); a
path over all steps becomes a sequence of tokens by merging what repeats and leaving out blanks.

Legend: b samples, k classes (class 0 is blank, class i + 1 is token i), t steps, s tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import LabelError, UsageError

BLANK = 0


def ctc_loss(
    logits: Tensor,
    lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    *,
    skip_impossible: bool = False,
) -> Tensor:
    """Loss of each sample: ``-log p(targets)``, summed over all paths that give the targets.

    It is computed in float32 or better, and not divided by the number of tokens. On a GPU the
    lengths are copied to the host, and gradients are not the same to the last bit from call to
    call, as torch adds them up in any order.

    Args:
        logits: ``[b, k, t]``, any floating type.
        lengths: int64 ``[b]`` steps of each sample; what lies behind them does not count.
        targets: int64 ``[b, s]`` tokens from 0; what lies behind ``target_lengths`` does not count.
        target_lengths: int64 ``[b]`` tokens of each sample, 0 included.
        skip_impossible: Give 0 for samples whose targets no path of their length can say. Else
            their loss is infinite.

    Returns:
        ``[b]`` losses in nats.

    Raises:
        UsageError: Shapes or types that do not fit.
    """
    _check(logits, lengths, targets, target_lengths)
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.ctc_loss(
        F.log_softmax(exact, dim=1).permute(2, 0, 1),
        (targets + 1).clamp(min=BLANK),
        lengths,
        target_lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=skip_impossible,
    )


def _check(logits: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> None:
    b = logits.shape[0]
    integral = not any(x.is_floating_point() for x in (lengths, targets, target_lengths))
    shapes = targets.ndim == 2 and lengths.shape == target_lengths.shape == targets.shape[:1] == (
        b,
    )
    if logits.ndim != 3 or not shapes or not integral:
        raise UsageError(
            "targets do not fit the logits",
            expected=f"logits [{b}, k, t], integers [{b}], [{b}, s] and [{b}]",
            received=", ".join(
                f"{x.dtype} {list(x.shape)}" for x in (logits, lengths, targets, target_lengths)
            ),
        )


def frames_needed(tokens: Sequence[int]) -> int:
    """Steps of the shortest path that says ``tokens``: one each, and a blank between equal ones."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def inexpressible(tokens: Sequence[Sequence[int]], frames: Sequence[int]) -> list[int]:
    """Rows whose tokens need more steps than the network's output has.

    Args:
        tokens: ``n`` target sequences.
        frames: ``n`` steps of the network's output, one number a sample.
    """
    pairs = zip(tokens, frames, strict=True)
    return [row for row, (sequence, steps) in enumerate(pairs) if frames_needed(sequence) > steps]


def check_expressible(
    tokens: Sequence[Sequence[int]], frames: Sequence[int], keys: Sequence[str]
) -> None:
    """Raises a `LabelError` that names the first sample whose tokens the output cannot hold.

    Args:
        tokens: ``n`` target sequences.
        frames: ``n`` steps of the network's output, one number a sample.
        keys: ``n`` names of the samples.
    """
    rows = inexpressible(tokens, frames)
    if not rows:
        return
    first = rows[0]
    others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    raise LabelError(
        "the label is longer than the network's output",
        expected=f"at most {frames[first]} steps",
        received=f"{frames_needed(tokens[first])} for {len(tokens[first])} tokens",
        where=f"{keys[first]}{others}",
        fix="Leave the sample out, correct its label, or use a network with a smaller time stride",
    )


def best_path(logits: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The most likely class of each step, without repeats and blanks (Graves, section 3.2).

    Everything stays on the device. Among equal logits the first class wins.

    Args:
        logits: ``[b, k, t]``.
        lengths: int64 ``[b]`` steps of each sample.

    Returns:
        int64 ``[b, t]`` tokens from 0, padded with -1, and int64 ``[b]`` how many they are.
    """
    best = logits.argmax(1)
    steps = torch.arange(best.shape[1], device=best.device)
    changed = F.pad(best[:, 1:] != best[:, :-1], (1, 0), value=True)
    kept = changed & (best != BLANK) & (steps < lengths[:, None])
    places = torch.where(kept, kept.cumsum(1) - 1, best.shape[1])  # one more, for what is dropped
    tokens = best.new_full((best.shape[0], best.shape[1] + 1), -1).scatter_(1, places, best - 1)
    return tokens[:, :-1], kept.sum(1)


def edit_distances(
    first: Tensor, first_lengths: Tensor, second: Tensor, second_lengths: Tensor
) -> Tensor:
    """Insertions, deletions and substitutions between pairs of sequences (Levenshtein, 1966).

    Everything stays on the device; the loop runs over the steps of ``first``.

    Args:
        first: int64 ``[b, s]``.
        first_lengths: int64 ``[b]``.
        second: int64 ``[b, r]``.
        second_lengths: int64 ``[b]``.

    Returns:
        int64 ``[b]``.
    """
    ramp = torch.arange(second.shape[1] + 1, device=second.device)
    row = ramp.expand(second.shape[0], -1)
    answer = row
    for i in range(first.shape[1]):
        replaced = row[:, :-1] + (first[:, i : i + 1] != second)
        column = torch.full_like(row[:, :1], i + 1)
        best = torch.cat((column, torch.minimum(replaced, row[:, 1:] + 1)), 1)
        # insertions: the least over i <= j of best_i + j - i
        row = (best - ramp).cummin(1).values + ramp
        answer = torch.where((first_lengths == i + 1)[:, None], row, answer)
    return answer.gather(1, second_lengths[:, None])[:, 0]


def token_accuracy(
    logits: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor
) -> Tensor:
    """1 - edit distance / tokens of each sample's best path, not below 0; shapes as `ctc_loss`.

    A sample without tokens counts 1 where nothing was said, else 0.

    Returns:
        float32 ``[b]``.
    """
    said, counts = best_path(logits, lengths)
    wrong = edit_distances(targets, target_lengths, said, counts)
    return (1 - wrong / target_lengths.clamp(min=1)).clamp(min=0).float()
