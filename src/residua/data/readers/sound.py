"""Sound files as samples, in class folders and manifests: what their headers say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from residua.batch import Modality, Schema
from residua.data.dataset import Problem
from residua.data.sound import sound_header
from residua.errors import UnreadableSampleError


def common_rate(rates: Counter[int]) -> int:
    """The commonest rate; of equally common ones the higher, which loses nothing."""
    return max(rates, key=lambda rate: (rates[rate], rate))


def describe_sounds(
    files: Sequence[Path], classes: tuple[str, ...]
) -> tuple[Schema, Sequence[Problem]]:
    """The commonest rate; what has no readable header has no say.

    Raises:
        UnreadableSampleError: Not one header can be read; the first one's error.
    """
    rates: Counter[int] = Counter()
    first: UnreadableSampleError | None = None
    for file in files:
        try:
            rates[sound_header(file).rate] += 1
        except UnreadableSampleError as error:
            first = first or error
    if not rates:
        assert first is not None, "a data set without files"
        raise first
    rate = common_rate(rates)
    schema = Schema(modality=Modality.SOUND, channels=1, classes=classes, rate=float(rate))
    return schema, _mixed(rates, rate)


def _mixed(rates: Counter[int], rate: int) -> Sequence[Problem]:
    if len(rates) == 1:
        return ()
    counts = ", ".join(f"{count} at {each:,} Hz" for each, count in rates.most_common())
    asked = sum(rates.values())
    reason = f"the clips differ ({counts} of {asked} looked at): all become {rate:,} Hz"
    return (Problem(key="rate", reason=reason),)
