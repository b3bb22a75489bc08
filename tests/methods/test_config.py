"""What `residua list methods` says, against what the options take."""

import typing

from residua.methods.config import METHODS, PretrainConfig, SemiConfig


def test_every_method_that_can_be_said_is_listed():
    said = {"supervised"}
    for config, name in ((SemiConfig, "semi"), (PretrainConfig, "pretrain")):
        literal = typing.get_type_hints(config)[name]
        said |= set(typing.get_args(literal))
    assert set(METHODS) == said - {"none"}
