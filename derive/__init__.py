"""Closed-form gradients of a neural network, derived from one specification.

>>> import derive
>>> network = derive.load("net.spec")            # or derive.parse("...the text of a specification...")
>>> derive.gradients(network)["w5"]
>>> derive.derive(network).write("notes.tex", "net_trainer.py")
>>> Trainer = derive.trainer(network)

A network can be put together from SymPy expressions as well.  ``docs/python.md`` shows all of it.

What stands here is loaded when it is first used, so that ``derive --help`` need not wait for SymPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from derive import catalogue
    from derive.derivation import Derivation, derive
    from derive.diagnostics import SpecError
    from derive.interface import Gradient, Gradients
    from derive.model import Model, from_sympy
    from derive.network import Network
    from derive.quantities import indices

    __version__: str

__all__ = [
    "Derivation",
    "Gradient",
    "Gradients",
    "Model",
    "Network",
    "SpecError",
    "__version__",
    "catalogue",
    "derive",
    "from_sympy",
    "gradients",
    "indices",
    "load",
    "parse",
    "trainer",
]

#: Where the names live that are imported when they are first used.
_HOMES = {
    "Derivation": "derive.derivation",
    "derive": "derive.derivation",
    "SpecError": "derive.diagnostics",
    "Gradient": "derive.interface",
    "Gradients": "derive.interface",
    "UnknownName": "derive.interface",
    "Model": "derive.model",
    "from_sympy": "derive.model",
    "Network": "derive.network",
    "indices": "derive.quantities",
}


def load(path: str | Path) -> Network:
    """The network that the specification in a file describes.

    Raises
    ------
    SpecError
        where the file cannot be read, or for a mistake in it: what is wrong, where, why, and what to write instead.
    """
    from derive.language.build import load as build
    from derive.language.parser import read

    return build(read(path))


def parse(text: str, name: str = "<text>") -> Network:
    """The network that the text of a specification describes; ``name`` is what messages call the text.

    Raises
    ------
    SpecError
        for a mistake in the text.
    """
    from derive.diagnostics import Source
    from derive.language.build import load as build

    return build(Source(name, text.replace("\r\n", "\n")))


def gradients(network: Network | Derivation) -> Gradients:
    """The closed-form derivatives of the loss by the names of weights: ``gradients(network)["w5"]``.

    They are derived and proved first, unless a derivation is given, which has them already.
    """
    return _derivation(network).gradients


def trainer(network: Network | Derivation, path: str | Path | None = None) -> type[Any]:
    """The class ``Trainer`` for a network, compiled from the derived equations when it first computes something.

    Parameters
    ----------
    network
        A network, or what was derived from it.
    path
        Where to keep the trainer module, a file ending in ``.py``, which then remembers its compiled kernels; if left
        out, it lives in a temporary folder until Python ends.

    Raises
    ------
    SpecError
        where ``path`` cannot or must not be written.
    """
    from derive.output import trainer as make

    return make(_derivation(network), path)


def _derivation(network: Network | Derivation) -> Derivation:
    from derive.derivation import Derivation, derive

    return network if isinstance(network, Derivation) else derive(network)


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "catalogue":
        return import_module("derive.catalogue")
    if name == "__version__":
        from importlib.metadata import version

        return version("derive-networks")
    raise AttributeError(f"module 'derive' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
