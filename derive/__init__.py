"""Closed-form gradients of a neural network, derived from one specification.

>>> import derive
>>> derivation = derive.derive(derive.load("net.spec"))

What stands here is loaded when it is first used, so that ``derive --help`` need not wait for SymPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from derive.derivation import derive
    from derive.diagnostics import SpecError
    from derive.network import Network

    __version__: str

__all__ = ["SpecError", "__version__", "derive", "load"]


def load(path: str | Path) -> Network:
    """The network that the specification in a file describes; raises :class:`SpecError`."""
    from derive.language.build import load as build
    from derive.language.parser import read

    return build(read(path))


def __getattr__(name: str) -> object:
    match name:
        case "derive":
            from derive.derivation import derive

            return derive
        case "SpecError":
            from derive.diagnostics import SpecError

            return SpecError
        case "__version__":
            from importlib.metadata import version

            return version("derive-networks")
    raise AttributeError(f"module 'derive' has no attribute {name!r}")
