"""Where data sets are looked for, and where residua keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path | None:
    """$RESIDUA_DATA, the folder that holds one's data sets by name; None if it is not set."""
    value = os.environ.get("RESIDUA_DATA")
    return Path(value).expanduser() if value else None


def cache_folder() -> Path:
    """$RESIDUA_CACHE, else ~/.cache/residua; it need not exist yet."""
    value = os.environ.get("RESIDUA_CACHE")
    return Path(value).expanduser() if value else Path.home() / ".cache" / "residua"
