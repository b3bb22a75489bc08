"""What a network answers that reads a sequence: logits of each step, and how many steps there are.

Legend: b samples, k classes, t steps.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Sequences(NamedTuple):
    """Answers of a network with a CTC head.

    Attributes:
        logits: ``[b, k, t]``; class 0 is blank, class i + 1 is token i. Behind the lengths they are
            finite and say nothing.
        lengths: int64 ``[b]`` steps of each sample, on the logits' device.
    """

    logits: Tensor
    lengths: Tensor
