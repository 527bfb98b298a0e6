"""All plans of a network, each checked: whole rows always, the others where they are legal and worth while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.arithmetic.program import Program
from codegen.arithmetic.select import scatter
from codegen.arithmetic.stable import stable_program
from codegen.trainer.lanes import PRESENT, Lanes, lanes
from codegen.trainer.legality import check
from codegen.trainer.networks import Networks, networks
from codegen.trainer.samples import explicit
from codegen.trainer.schedule import TOTAL, Schedule, schedule
from codegen.trainer.sequence import Sequence, sequence
from derive.gradient import Sweep
from derive.network import Network, Tensor

GIVEN = ("input", "target", "constant", "weight", "mask")


@dataclass(frozen=True)
class Plans:
    """Minibatches as whole rows; their samples in lanes; one sample after the other; many networks in lanes."""

    program: Program
    whole: Schedule
    lanes: Lanes | None
    sequence: Sequence | None
    networks: Networks | None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of all plans; those of several as the first of them has them."""
        plans = [plan for plan in (self.networks, self.sequence, self.lanes, self.whole) if plan is not None]
        found = {name: tensor for plan in plans for name, tensor in plan.tensors.items()}
        return {name: found[name] for plan in reversed(plans) for name in plan.tensors}


def plans(network: Network, sweep: Sweep) -> Plans:
    """The plans of a network."""
    program = explicit(scatter(stable_program(network, sweep)), network)
    return Plans(
        program,
        schedule(program, network.outputs, network.loss),
        lanes(program, network.loss),
        sequence(program, network.loss),
        networks(program, network.loss),
    )


def check_plans(found: Plans, network: Network, places: Mapping[str, str], names: Mapping[str, str]) -> None:
    """Check every plan; ``places`` are where the arrays of whole rows are, ``names`` what the others' are called.

    Raises :class:`codegen.trainer.legality.IllegalPlan`.
    """
    tensors = found.tensors
    given = {name for name, t in tensors.items() if t.role in GIVEN} | {PRESENT}
    slopes = {f"∂{w.name}" for w in network.weights} & tensors.keys()
    wanted = {*network.outputs, TOTAL, *slopes}
    whole = found.whole
    check([whole.forward, whole.losses, whole.backward], tensors, given=given, results=wanted, memory=places)
    if whole.alone:
        known = given | set(whole.statistics)
        check([whole.alone], tensors, given=known, results=set(network.outputs) - known, memory=places)
    if found.lanes:
        used = {t: names[t] for t in found.lanes.arrays}
        check([found.lanes.nodes], tensors, given=given, started=slopes, results={TOTAL, *slopes}, memory=used)
    if found.networks:
        many = found.networks
        used = {t: names[t] for t in many.arrays}
        parts = [many.before, many.sample, many.added, many.tile, many.after]
        check(parts, many.tensors, given=given, results={TOTAL, *slopes}, memory=used)
    if found.sequence:
        used = {t: names[t] for t in found.sequence.arrays}
        results = {network.loss, *(w.name for w in network.weights)}
        check([found.sequence.nodes], tensors, given=given, results=results, memory=used)
