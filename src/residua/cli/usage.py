"""What the parser has against the arguments, in one line instead of its box."""

from __future__ import annotations

import re

from residua.errors import UsageError

_FRAME, _RULE, _FLAG = "│╭╮╰╯", re.compile(r"[─-]{4,}"), re.compile(r"--[\w-]+")


def usage_error(box: str, *, verb: str) -> UsageError:
    """The error that says what ``box``, tyro's text on standard error, says.

    Its title and first part name the fault, later parts near names and where help is.
    """
    title, fault, *rest = _parts(box)
    text = " ".join(line.strip() for line in fault).rstrip(".")
    if "Required options" in title[0]:
        indents = [len(line) - len(line.lstrip()) for line in fault]
        lines = zip(fault, indents, strict=True)
        names = [line.strip() for line, indent in lines if indent == indents[0] + 4]
        text = f"missing: {', '.join(names)}"
    found = [_FLAG.match(line.strip()) for part in rest for line in part]
    near = list(dict.fromkeys(match[0] for match in found if match))
    meant = f"Did you mean {' or '.join(near[:3])}? " if near and "nrecognized" in text else ""
    return UsageError(text[:1].lower() + text[1:], fix=f"{meant}All options: residua {verb} --help")


def _parts(box: str) -> list[list[str]]:
    """The lines between rules, without frames: the title, the fault, and more."""
    parts: list[list[str]] = [[]]
    for line in box.replace("╭─", "").splitlines():
        inner = _RULE.sub("", line.translate({ord(sign): " " for sign in _FRAME})).rstrip()
        if inner:
            parts[-1].append(inner)
        if _RULE.search(line) and parts[-1]:
            parts.append([])
    return [part for part in parts if part] + [[""], [""]]
