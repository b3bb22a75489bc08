"""Arguments to commands: tyro, set up once for all verbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    UnsupportedTypeAnnotationError,
)

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
        SystemExit: With 0 after --help, with 2 once a box on standard error says what is wrong.
    """
    prog = f"residua {verb}"
    with _RULES:
        if default is None:
            return tyro.cli(command, args=arguments, prog=prog, config=_STYLE)
        return tyro.cli(command, args=arguments, prog=prog, config=_STYLE, default=default)


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
