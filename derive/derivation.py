"""Everything known about one network: the object that notes, numbers and trainers are printed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive.expressions import Access
from derive.gradient import Sweep, sweep
from derive.network import Network
from derive.numbers import WorkedNumbers, work
from derive.proof import Proof, prove
from derive.scalars import Scalars, is_short, is_small
from derive.steps import ElementDerivation, all_steps


@dataclass(frozen=True)
class Derivation:
    """A network, its derivatives, the proof that they are right, and the numbers of its samples where it has any.

    ``lines`` are the steps for every δ and every weight of a small network, in the order of the notes.
    """

    network: Network
    sweep: Sweep
    scalars: Scalars
    proof: Proof
    numbers: WorkedNumbers | None
    lines: Mapping[Access, ElementDerivation]


def derive(network: Network) -> Derivation:
    """Differentiate, prove, and work the numbers.

    Raises
    ------
    derive.proof.ProofError
        when two forms of a derivative disagree: a bug of ours, nothing may be printed.
    """
    swept = sweep(network)
    scalars = Scalars(network, swept)
    lines = dict(all_steps(scalars)) if is_small(network) and is_short(scalars) else {}
    return Derivation(network, swept, scalars, prove(network, swept, scalars, lines), work(network, swept), lines)
