"""Rows of a data set's table, as all of storage passes them on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
