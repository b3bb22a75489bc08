"""Writes src/residua/networks/pretrained/timm_tags.py from the registry of the installed timm.

    .venv/bin/python scripts/make_timm_tags.py

The package itself never imports timm. Run it again when timm has new weights.
"""

import subprocess
import sys
from pathlib import Path

import timm
from timm.models import get_arch_pretrained_cfgs

from residua.networks.catalog import FACTS

TARGET = Path(__file__).parents[1] / "src/residua/networks/pretrained/timm_tags.py"

HEAD = '''"""Weights that timm has of our networks. Free of torch and timm.

Written by scripts/make_timm_tags.py from timm {version}; not to be edited.
"""

from __future__ import annotations

from typing import NamedTuple

Channels = tuple[float, float, float]


class TimmTag(NamedTuple):
    """What timm's registry says about weights: licence, size, share of the crop, filter, mean,
    std. The description in their repository, where it can be had, goes first."""

    licence: str
    size: int
    crop_pct: float
    interpolation: str
    mean: Channels
    std: Channels


USUAL: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: tuple[Channels, Channels] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

TIMM_TAGS: dict[str, dict[str, TimmTag]] = {{
'''


def main() -> None:
    lines = [HEAD.format(version=timm.__version__)]
    for name, facts in FACTS.items():
        if "timm" not in facts.elsewhere:
            continue
        rows = [row for tag, cfg in ordered(name) if (row := row_of(name, tag, cfg))]
        if rows:
            lines += [f'"{name}": {{', *rows, "},"]
    lines += ["}", '"""By network, then by tag; the first tag is the default."""', ""]
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(TARGET)], check=True)


def ordered(name: str):
    """Tags and configurations, timm's default first."""
    found = {key.partition(".")[2]: cfg for key, cfg in get_arch_pretrained_cfgs(name).items()}
    default = timm.get_pretrained_cfg(name).tag
    return sorted(found.items(), key=lambda item: item[0] != default)


def row_of(name: str, tag: str, cfg) -> str:
    """A line of the table; empty for weights that are not in timm's own repositories."""
    if cfg.hf_hub_id != f"timm/{name}.{tag}":
        return ""
    usual = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pairs = {usual: "*USUAL", ((0.5,) * 3, (0.5,) * 3): "*HALF"}
    moments = tuple(map(float, cfg.mean)), tuple(map(float, cfg.std))
    said = pairs.get(moments) or f"{moments[0]}, {moments[1]}"
    values = f'"{cfg.license}", {cfg.input_size[1]}, {cfg.crop_pct}, "{cfg.interpolation}", {said}'
    return f'"{tag}": TimmTag({values}),'


if __name__ == "__main__":
    main()
