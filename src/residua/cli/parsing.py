"""Arguments to commands: tyro, set up once for all verbs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    UnsupportedTypeAnnotationError,
)

from residua.cli.usage import usage_error

T = TypeVar("T")

_STYLE = (
    tyro.conf.OmitArgPrefixes,  # --lr, not --config.training.optimizer.lr
    tyro.conf.FlagCreatePairsOff,  # --json, without --no-json
)
_RULES = ConstructorRegistry()


def parse(command: type[T], arguments: Sequence[str], *, verb: str, default: T | None = None) -> T:
    """``command`` as ``arguments`` say it.

    Args:
        default: Values of what is not said; by default those of the class.

    Raises:
        SystemExit: With 0 after --help.
        UsageError: The arguments are not as they should be.
    """
    prog, said = f"residua {verb}", StringIO()
    try:
        with _RULES, redirect_stderr(said):
            if default is None:
                return tyro.cli(command, args=arguments, prog=prog, config=_STYLE)
            return tyro.cli(command, args=arguments, prog=prog, config=_STYLE, default=default)
    except SystemExit as stop:
        if stop.code != 2:
            raise
        raise usage_error(said.getvalue(), verb=verb) from None


@_RULES.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """``X | None`` reads as X does, also in help and errors: None is what is not said."""
    kinds = get_args(info.type)
    if info.type_origin not in (Union, UnionType) or len(kinds) != 2 or NoneType not in kinds:
        return None
    kind = next(each for each in kinds if each is not NoneType)
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kind, info.markers))
    if isinstance(spec, UnsupportedTypeAnnotationError):
        return None

    def is_instance(value: Any) -> bool | Literal["~"]:
        return value is None or spec.is_instance(value)

    def shown(value: Any) -> list[str]:
        return ["none"] if value is None else spec.str_from_instance(value)

    return replace(spec, is_instance=is_instance, str_from_instance=shown)
