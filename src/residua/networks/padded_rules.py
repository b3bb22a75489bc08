"""What torch's functions do to batches of unequal lengths: all the rules behind `Padded`.

Each rule takes the function it stands for and that function's own arguments.
"""

from __future__ import annotations

from residua.networks import padded_steps, padded_whole, padded_windows

RULES = padded_steps.RULES | padded_windows.RULES | padded_whole.RULES
"""The rule for each of torch's functions that has one."""
