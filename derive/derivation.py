"""Everything known about one network: the object that notes, numbers and trainers are printed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive import output
from derive.data import computed, floats, given
from derive.expressions import Access
from derive.gradient import Sweep, adjoint_name, sweep
from derive.index_steps import IndexDerivation, IndexSteps
from derive.network import Equation, Network, Scan
from derive.numbers import WorkedNumbers, work
from derive.proof import Proof, prove
from derive.scalars import Scalars, is_short, is_small
from derive.steps import ElementDerivation, all_steps

if TYPE_CHECKING:
    from derive.interface import Gradients


@dataclass(frozen=True, repr=False, eq=False)
class Derivation(output.Typeset):
    """A network, its derivatives, the proof that they are right, and the numbers of its samples where it has any.

    ``lines`` are the steps for every δ and every weight of a small network, in the order of the notes;
    ``index_lines`` those of a larger one in indices, by the names of tensors.
    """

    network: Network
    sweep: Sweep
    scalars: Scalars
    proof: Proof
    numbers: WorkedNumbers | None
    lines: Mapping[Access, ElementDerivation]
    index_lines: Mapping[str, IndexDerivation] = field(default_factory=dict)

    def __repr__(self) -> str:
        return output.text(self)

    @property
    def gradients(self) -> Gradients:
        """The derivatives by the names of weights: ``derivation.gradients["w5"]``."""
        from derive.interface import Gradients

        return Gradients(self)

    @property
    def loss(self) -> float | None:
        """The loss at the samples and initial weights of the specification; ``None`` where it has none."""
        return float(self.numbers.loss.real) if self.numbers else None

    @property
    def loss_after(self) -> float | None:
        """The loss at the same samples after one update of all weights."""
        return float(self.numbers.loss_after.real) if self.numbers else None

    @property
    def values(self) -> list[dict[str, Any]]:
        """Everything that has a name, at each sample of the specification, as :meth:`forward` gives it."""
        return [floats(self.network, sample) for sample in self.numbers.samples] if self.numbers else []

    def forward(self, **data: Any) -> dict[str, Any]:
        """Everything that has a name, for one sample: ``derivation.forward(x=[2, 3], t=1)["h"]``.

        Parameters
        ----------
        data
            A number or an array for every input and target; for weights as well, in place of their initial values.
            Targets may be left out if no loss is wanted: then everything that depends on them is left out too.

        Returns
        -------
        dict
            floats and NumPy arrays of float64, worked in 50 digits.

        Raises
        ------
        SpecError
            for a name that is no input, target or weight, for a missing value or a wrong shape, and where something
            has no real value at these numbers.
        """
        values = given(self.network, data, needed=("input", "weight"))
        missing = {t.name for t in self.network.of_role("target")} - values.keys()
        steps = _without(self.network.equations, missing)
        return floats(self.network, computed(steps, values, self.network.tensors))

    def gradient(self, **data: Any) -> dict[str, Any]:
        """The derivative of the loss by every weight array, for one sample: floats and NumPy arrays of float64.

        Parameters, errors and precision are those of :meth:`forward`; here targets are needed.
        """
        values = given(self.network, data, needed=("input", "target", "weight"))
        steps = (*self.network.equations, *self.sweep.equations)
        computed(steps, values, {**self.network.tensors, **self.sweep.tensors})
        return floats(self.network, {w.name: values[adjoint_name(w.name)] for w in self.network.weights})

    def write(self, *targets: str | Path, force: bool = False, **options: Any) -> None:
        """Write files, the kind told by the ending, as ``derive net.spec -o …`` does.

        Files are replaced only if derive generated them, or with ``force``; they appear whole or not at all.  How the
        notes are written is told by ``options``, those of :class:`codegen.options.Options`: ``decimals=4``.

        Raises
        ------
        SpecError
            for an unknown ending or option, and where a file cannot or must not be written; then nothing is.
        """
        output.write(self, targets, force, **options)


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
    index_lines = {} if lines else {d.element.tensor: d for d in IndexSteps(scalars).all()}
    proof = prove(network, swept, scalars, lines)
    return Derivation(network, swept, scalars, proof, work(network, swept), lines, index_lines)


def _without(steps: Iterable[Equation | Scan], names: set[str]) -> list[Equation | Scan]:
    """The equations but those that need something of these names."""
    kept: list[Equation | Scan] = []
    for step in steps:
        equations = step.equations if isinstance(step, Scan) else (step,)
        if any(a.tensor in names for eq in equations for a in eq.reads):
            names = names | {eq.lhs.tensor for eq in equations}
        else:
            kept.append(step)
    return kept
