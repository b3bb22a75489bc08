"""Samples of unequal lengths, alone and together."""

import math

import torch
from hypothesis import strategies as st

from residua.networks.padded import Padded, with_lengths

LENGTHS = (11, 1, 14, 6, 2)


def signals(lengths=LENGTHS, channels=4, rows=None, **options):
    """One tensor ``[1, c, n]`` or ``[1, c, rows, n]`` a length."""
    generator = torch.Generator().manual_seed(0)
    rows = () if rows is None else (rows,)
    options = {"dtype": torch.float64, "generator": generator, **options}
    return [torch.randn(1, channels, *rows, n, **options) for n in lengths]


def together(samples, size=17, garbage=math.nan):
    x = samples[0].new_full((len(samples), *samples[0].shape[1:-1], size), garbage)
    for i, sample in enumerate(samples):
        x[i, ..., : sample.shape[-1]] = sample[0]
    return with_lengths(x, torch.tensor([sample.shape[-1] for sample in samples]))


def check(function, samples, **options):
    """``function`` of all together gives each what it gives it alone."""
    made = function(together(samples, **options))
    for i, sample in enumerate(samples):
        alone = function(sample)
        if isinstance(made, Padded):
            values = made.data[i : i + 1, ..., : made.lengths[i]]
            assert made.data.isfinite().all()
            if made.is_zeroed:
                assert not made.data[i, ..., made.lengths[i] :].any()
        else:
            values = made[i : i + 1]
        torch.testing.assert_close(values, alone, atol=1e-12, rtol=1e-12)
    return made


# Windows ------------------------------------------------------------------------------------------

windows = st.builds(
    lambda kernel, stride, pad, gap: (kernel, stride, min(pad, kernel // 2), gap),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(1, 3),
)
