"""How a derivation is written, as far as its reader may choose: what the command line and ``write`` hand to the notes.

An option changes what is shown and how it is spelled, never a formula or a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from derive.diagnostics import SpecError, did_you_mean

Detail = Literal["brief", "normal", "full"]

DECIMALS = 6
MATRIX_DECIMALS = 4  # of the numbers in matrices
_SEPARATOR = re.compile(r",(?![^\[]*\])")  # a comma between names, not between the indices of one
MOST_DECIMALS = 30  # of the fifty digits that are worked with


@dataclass(frozen=True)
class Options:
    """The choices of a reader.

    Parameters
    ----------
    notation
        The name of a notation profile, or a file ending in ``.toml`` that defines one; empty for what the
        specification says.
    decimals
        The places to which worked numbers are printed.
    colour
        Whether symbols have, in every formula, the colour they have in the pictures; where single weights are not
        drawn, all have one colour.
    detail
        How much is shown: ``brief``, the derivatives layer by layer and the updates; ``normal``, up to twelve weights
        one by one and of a larger network one of each array; ``full``, every weight of a small network. Empty is what
        suits the format: on slides ``brief`` with one weight of each array, else ``normal``.
    weights
        The names of the weights whose derivatives are shown step by step; none for those that ``detail`` chooses.
    fragment
        Whether LaTeX is written without a preamble, for ``\\input``.

    Raises
    ------
    SpecError
        for a choice that there is not.
    """

    notation: str = ""
    decimals: int = DECIMALS
    colour: bool = False
    detail: Detail | Literal[""] = ""
    weights: tuple[str, ...] = ()
    fragment: bool = False

    def __post_init__(self) -> None:
        if self.notation:
            from codegen.formulas.profiles import profile

            profile(self.notation)
        if isinstance(self.decimals, bool) or not isinstance(self.decimals, int):
            raise SpecError(f"'{self.decimals}' is not a number of decimals", help="for example: 6")
        if not 1 <= self.decimals <= MOST_DECIMALS:
            help = f"numbers are printed to 1, 2, … or {MOST_DECIMALS} places"
            raise SpecError(f"cannot print {self.decimals} decimals", help=help)
        if self.detail and self.detail not in get_args(Detail):
            levels = get_args(Detail)
            help = did_you_mean(str(self.detail), levels) or f"the levels are {', '.join(levels)}"
            raise SpecError(f"unknown level of detail '{self.detail}'", help=help)
        names = (self.weights,) if isinstance(self.weights, str) else self.weights
        listed = (part.strip() for name in names for part in _SEPARATOR.split(name))
        object.__setattr__(self, "weights", tuple(name for name in listed if name))


#: The options where nothing is chosen.
STANDARD = Options()
