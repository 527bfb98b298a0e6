"""Python identifiers for the quantities of a network: readable, distinct, and never a word that means something else.

Names in a specification are ASCII letters, digits and underscores (:mod:`derive.language.names`); the core adds ``∂``
for derivatives and ``Σ`` for anonymous sums.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

#: What kernels use besides the quantities of the network.
KERNEL_WORDS = frozenset(
    "np numba math njit real zero one two three four half quarter double count samples total theta weights inputs "
    "targets constants values gradient xlogy difference exp log log1p expm1 tanh sigmoid sigmoid_slope softplus "
    "sin cos sinh cosh erf sqrt sign equal forward losses backward allocate gradients lanes data width order "
    "start sample local part orders begin number states fixed settings updated LANES into_lanes contraction is_double "
    "matrix product clear copy_run at kept slot updates learning_rate sum_of_losses".split()
)
NUMBERED = re.compile(r"(contract|loops)_\d+")  # functions that the kernels of one network call
_RESERVED = KERNEL_WORDS | frozenset(keyword.kwlist) | frozenset(dir(builtins))
_SPELLED = {"Σ∂": "sum_d", "∂": "d_", "Σ": "sum", "⌈": "max_", "⟨": "terms_", "⌊": "rest_", "⌉": "top_", "-": "minus"}


def spell(name: str) -> str:
    """A name in ASCII: ``∂z2`` is ``d_z2``, ``Σ1`` is ``sum1``, and ``h_-1``, an element of h, is ``h_minus1``."""
    for sign, spelling in _SPELLED.items():
        name = name.replace(sign, spelling)
    return name


class Identifiers:
    """Hands out identifiers; no two the same."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(_RESERVED) | set(reserved)

    def new(self, name: str) -> str:
        """An identifier as close to ``name`` as possible: with underscores behind it where it is taken."""
        spelled = spell(name)
        assert spelled.isidentifier(), name
        while spelled in self._taken or NUMBERED.fullmatch(spelled):
            spelled += "_"
        self._taken.add(spelled)
        return spelled

    def scope(self) -> Identifiers:
        """For names inside one function: they avoid all names handed out so far."""
        return Identifiers(self._taken)
