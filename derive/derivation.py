"""Everything known about one network: the object that notes, numbers and trainers are printed from."""

from __future__ import annotations

from dataclasses import dataclass

from derive.gradient import Sweep, sweep
from derive.network import Network
from derive.numbers import WorkedNumbers, work
from derive.proof import Proof, prove
from derive.scalars import Scalars


@dataclass(frozen=True)
class Derivation:
    """A network, its derivatives, the proof that they are right, and the numbers of its samples where it has any."""

    network: Network
    sweep: Sweep
    scalars: Scalars
    proof: Proof
    numbers: WorkedNumbers | None


def derive(network: Network) -> Derivation:
    """Differentiate, prove, and work the numbers.

    Raises
    ------
    derive.proof.ProofError
        when two forms of a derivative disagree: a bug of ours, nothing may be printed.
    """
    swept = sweep(network)
    scalars = Scalars(network, swept)
    return Derivation(network, swept, scalars, prove(network, swept, scalars), work(network, swept))
