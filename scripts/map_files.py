"""Writes the map of files into docs/architecture.md: the first line of every module's docstring.

python scripts/map_files.py            writes it
python scripts/map_files.py --check    exits 1 if it is not up to date
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- map: scripts/map_files.py -->\n", "<!-- end of map -->\n"


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty for an empty file."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def file_map() -> str:
    """One table a folder, one row a file."""
    parts: list[str] = []
    source = ROOT / "src" / "residua"
    for folder in sorted({path.parent for path in source.rglob("*.py")}):
        rows = [
            f"| `{path.name}` | {line} |"
            for path in sorted(folder.glob("*.py"))
            if (line := first_line(path))
        ]
        if rows:
            heading = folder.relative_to(ROOT).as_posix()
            parts.append(f"### {heading}\n\n| file | what it does |\n| --- | --- |\n")
            parts.append("\n".join(rows) + "\n\n")
    return "".join(parts)


def main() -> int:
    old = PAGE.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = before + BEGIN + "\n" + file_map() + END + after
    if "--check" in sys.argv:
        if new != old:
            print("docs/architecture.md is out of date: run python scripts/map_files.py")
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
