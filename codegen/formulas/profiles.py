"""Notation profiles: how a book or a course writes what every network has, as data.

A profile is a file of words (TOML); nothing in it is LaTeX, so a file from anywhere is harmless.  Those that come with
derive lie in ``templates/notation``.  A profile spells what the language itself has named: the weights, biases and
values of layers, δ, the learning rate where the specification names none.  What a user has named keeps its name.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from codegen.resources import template
from derive.diagnostics import SpecError, did_you_mean
from derive.language.names import NOTATIONS

#: How the number of a layer is set; ``below`` it is a subscript, before the other indices.
LAYERS = {"plain": "{}", "round": "({})", "square": "[{}]", "below": "{}"}
PRODUCTS = {"odot": "\\odot", "circ": "\\circ", "ast": "\\ast", "bullet": "\\bullet"}
#: The mark of what is new, ``#`` being what it was called, and the sign behind it.
MARKS = {
    "arrow": ("#", "\\leftarrow"),
    "assign": ("#", ":="),
    "star": ("{}^{*}#", "="),
    "prime": ("{#}'", "="),
    "plus": ("{#}^{+}", "="),
    "next": ("{#}^{(\\tau+1)}", "="),
}
#: In place of a letter: the derivative of the loss by z is called dz.
DIFFERENTIAL = "differential"

_CHOICES = {
    "layer": tuple(LAYERS),
    "order": ("to from", "from to"),
    "product": tuple(PRODUCTS),
    "new": tuple(MARKS),
    "lone_delta": ("bare", "layered"),
    "sign": ("plus", "minus"),
    "samples": ("vectors", "columns", "rows"),
}
_LETTERS = ("weight", "matrix", "bias", "preactivation", "activation", "delta", "rate")
_EMPTY = ("matrix", "rate")  # letters that may be left empty


@dataclass(frozen=True)
class Profile:
    """One way of writing.

    Parameters
    ----------
    title
        Whose notation it is.
    layer
        How the number of a layer is set: ``plain`` W¹, ``round`` W⁽¹⁾, ``square`` W[1], ``below`` W₁.
    first_weights, first_values
        The number of the first weights and of the first values computed with them: 2 where the input is layer 1.
    order
        Whether ``w[j, k]`` leads ``"to from"``, to j from k, vectors being columns; or ``"from to"``, vectors being
        rows.
    weight, matrix, bias, preactivation, activation
        Letters; ``matrix`` for a whole array of weights, if it is another one.
    delta
        The letter of the derivative of the loss that several weights share; ``differential`` for dz.
    lone_delta
        Whether a single δ is ``bare`` or ``layered``.
    sign
        Whether δ is the derivative, ``plus``, or ``minus`` the derivative.
    samples
        Whether the samples of a batch are ``columns`` or ``rows`` of a matrix, or stand as ``vectors`` do.
    product
        The sign of the elementwise product: ``odot``, ``circ``, ``ast``, ``bullet``.
    new
        The mark of a new weight: ``arrow``, ``assign``, ``star``, ``prime``, ``plus``, ``next``.
    rate
        The letter of the learning rate where the specification has not named it; empty for derive's own choice.
    numbered
        Whether single weights are called w1, w2, … in reading order.
    """

    title: str = ""
    layer: str = "round"
    first_weights: int = 1
    first_values: int = 1
    order: str = "to from"
    weight: str = "W"
    matrix: str = ""
    bias: str = "b"
    preactivation: str = "z"
    activation: str = "a"
    delta: str = "delta"
    lone_delta: str = "layered"
    sign: str = "plus"
    samples: str = "vectors"
    product: str = "odot"
    new: str = "arrow"
    rate: str = ""
    numbered: bool = False

    @property
    def rows(self) -> bool:
        """Whether vectors are rows, multiplied by matrices from the right."""
        return self.order == "from to"


@lru_cache(maxsize=32)
def profile(name: str) -> Profile:
    """The profile of a name, or the one that a file ending in ``.toml`` defines.

    Raises
    ------
    SpecError
        for an unknown name, a file that cannot be read, and for everything in it that a profile does not know.
    """
    if name in NOTATIONS:
        return _read(template(f"notation/{name}.toml"), name)
    if not name.endswith(".toml"):
        known = f"the notations are {', '.join(NOTATIONS)};\na file of your own ends in .toml"
        raise SpecError(f"unknown notation '{name}'", help=did_you_mean(name, NOTATIONS) or known)
    return _read(Path(name), name)


def _read(path: Path, name: str) -> Profile:
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"cannot read the notation '{name}': {error.strerror}"
        raise SpecError(message, help=f"the notations that need no file are {', '.join(NOTATIONS)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"'{name}' is not TOML: {error}", help='a line reads: weight = "w"') from None
    known = {f.name: f for f in fields(Profile)}
    for key, value in given.items():
        if key not in known:
            help = did_you_mean(key, known) or f"a notation knows {', '.join(known)}"
            raise SpecError(f"'{name}' says '{key}', which a notation does not know", help=help)
        _check(name, key, value)
    return Profile(**given)


def _check(name: str, key: str, value: object) -> None:
    """Refuse what is not of the kind, or not among the words, that a key takes."""

    def refuse(help: str) -> SpecError:
        return SpecError(f"'{name}' sets {key} to {str(value)!r}", help=help)

    if key in _CHOICES and value not in _CHOICES[key]:
        words = _CHOICES[key]
        raise refuse(did_you_mean(str(value), words) or f"write one of {', '.join(words)}")
    if key in _LETTERS and not (isinstance(value, str) and re.fullmatch(r"[A-Za-z]*", value)):
        raise refuse('write a letter, or the name of a Greek one: "w", "eta"')
    if key in _LETTERS and not value and key not in _EMPTY:
        raise refuse("a letter is needed here")
    if key.startswith("first_") and not (type(value) is int and 0 <= value <= 9):
        raise refuse("write a whole number from 0 to 9")
    if key == "numbered" and not isinstance(value, bool):
        raise refuse("write true or false")
    if key == "title" and not isinstance(value, str):
        raise refuse("write a text in quotes")
