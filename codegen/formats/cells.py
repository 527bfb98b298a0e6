"""The code cells of a notebook: what a block of the notes says, done in NumPy, and held against the text.

A small network, shown element by element, is computed element by element as well; any other with arrays.  A cell
belongs to the block above it; cells are asked for in the order of the notes, since each uses what those before it have
computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import sympy

from codegen.arithmetic.rules import QUANTITIES, RULES
from codegen.formats.celltext import indented, list_text
from codegen.formats.cellupdates import Updates
from codegen.formats.numpycode import INDENT
from codegen.formulas.matrices import grid, product
from derive.doubles import AGREE
from derive.evaluate import compile_scalar
from derive.expressions import Access, Cases, Equal, accesses, index_symbols, rename
from derive.gradient import adjoint_name
from derive.network import Equation, flatten
from derive.numbers import at
from derive.scalars import adjoint
from derive.steps import ElementDerivation, evaluate_line

PLACES = 12  # of an array of weights at which its derivative is compared with a central difference

DIFFERENCE = """\
def difference(weights, data, n, place, step=1e-5):
    \"\"\"The slope of the loss along one element of weights[n], by a central difference.\"\"\"
    losses = []
    for shift in (step, -step):
        moved = [np.array(w, dtype=float) for w in weights]
        moved[n][place] += shift
        losses.append(loss(moved, data))
    return (losses[0] - losses[1]) / (2 * step)
"""


class Cells(Updates):
    """The cells of one notebook."""

    # one weight

    def steps(self, derived: ElementDerivation) -> str:
        """Every line of a derivation gives the same number, but at a tie of what a maximum is taken of."""
        name = self.elements.name(adjoint(derived.element))
        steps = [evaluate_line(step.after, self.scalars) for step in derived.steps]
        alike = [form for form in steps if not self._is_tied(form, derived.element)]
        texts = [self.elements.text(form) for form in dict.fromkeys([*alike, derived.result])]
        lines = [f"assert np.isclose({name}, {text})" for text in dict.fromkeys(texts) if text != name]
        if len(alike) < len(steps):
            lines.append("# Of equal numbers, lines in between take one for the largest; the result shares among them.")
        return "\n".join(lines)

    def _is_tied(self, form: sympy.Expr, element: Access) -> bool:
        """Whether a form of a derivative has another number, though the same wherever the loss has a slope."""
        if self.numbers is None or not form.has(Cases):
            return False
        first = self.numbers.samples[0]
        expected = at(first, adjoint(element))
        try:
            value = compile_scalar(form)({}, first)
        except KeyError:  # a zero before the first element of a recurrence
            return False
        return bool(abs(value - expected) > AGREE * max(1, abs(expected)))

    def chosen(self, weights: Iterable[Access]) -> str:
        """Single weights of a network that is computed with arrays: closed forms, and the numbers where there are."""
        lines, sums = [], set()
        for weight in weights:
            found = self.derivation.index_lines[weight.tensor]
            pairs = zip(found.element.indices, weight.indices, strict=True)
            here = found.at({i: n for i, n in pairs if i.is_Symbol})
            if not index_symbols(here.result):
                sums |= {a.tensor for a in accesses(here.result)}
                lines.append(f"assert np.isclose({self.arrays.text(adjoint(weight))}, {self.arrays.text(here.result)})")
            if self.numbers is not None:
                n = [w.name for w in self.weights].index(weight.tensor)
                place = ", ".join(self.arrays.position(i) for i in weight.indices)
                lines.append(self.agrees(f"gradients[{n}][{place}]", at(self.numbers.gradient, weight)))
                lines.append(self.agrees(f"new_weights[{n}][{place}]", at(self.numbers.updated, weight)))
        absorbed: list[Equation] = []  # sums that the text mentions and that are whole right sides above
        for eq in reversed(self.sweep.absorbed):
            if eq.lhs.tensor in sums:
                absorbed.insert(0, eq)
                sums |= {a.tensor for a in eq.reads}
        return "\n".join([*self.arrays.lines(absorbed, set()), *lines])

    # matrices

    def matrices(self) -> str:
        """Gradients of single samples as the products that the matrix form shows, held against the elements."""
        lines = []
        for weight in reversed(self.weights):
            found = self.sweep.adjoints[weight.name]
            layout = grid(weight, found.indices, False)
            split = product(layout, found.closed)
            if layout is None or split is None:
                continue
            sides = [(split.left, layout.down, len(layout.rows)), (split.right, layout.across, len(layout.rows[0]))]
            vectors = [
                list_text([self._element(part, {place: sympy.Integer(n)}) for n in range(1, extent + 1)])
                for part, place, extent in sides
                if part is not None and place is not None
            ]
            text = f"np.outer({', '.join(vectors)})" if len(vectors) == 2 else f"np.array({vectors[0]})"
            if split.scalar != 1:
                scalar = self._element(split.scalar, {})
                text = f"{scalar if scalar.isidentifier() else f'({scalar})'} * {text}"
            rows = [list_text([self.elements.name(adjoint(e)) for e in row]) for row in layout.rows]
            name = self.names.array(adjoint_name(weight.name)) if weight.shape else ""
            if name:
                lines += [f"{name} = {text}", f"print({name})"]
                lines.append(f"assert np.allclose({name}, np.array({list_text(rows)}).reshape({name}.shape))")
        return "\n".join(lines)

    def _element(self, part: sympy.Expr, places: Mapping[sympy.Expr, sympy.Expr]) -> str:
        return self.elements.text(self.scalars.named(rename(part, dict(places))))

    # numbers in the text

    def first_values(self) -> str:
        """The values of the first sample."""
        assert self.numbers is not None
        first = self.numbers.samples[0]
        return "\n".join(self.value_of(e, at(first, e)) for e in self._forward_definitions())

    def first_slopes(self) -> str:
        """The derivatives of the first sample."""
        assert self.numbers is not None
        first = self.numbers.samples[0]
        return "\n".join(self.value_of(e, at(first, e)) for e in self._backward_definitions())

    def losses(self) -> str:
        """The loss of the batch before and after the update."""
        assert self.numbers is not None
        total = f"sum(loss({{}}, data) for data in samples){self._share}"
        lines = [
            self.agrees(total.format("weights"), self.numbers.loss),
            self.agrees(total.format("new_weights"), self.numbers.loss_after),
        ]
        return "\n".join(lines)

    def batch_losses(self) -> str:
        """The losses of the samples."""
        assert self.numbers is not None
        lines = [
            self.agrees(f"loss(weights, samples[{n}])", sample[self.network.loss][()])
            for n, sample in enumerate(self.numbers.samples)
        ]
        return "\n".join(lines)

    def table(self, shown: int) -> str:
        """The derivatives of the samples, and the batch's."""
        assert self.numbers is not None
        weights = [e for w in self.weights for e in w.elements()]
        lines = []
        for n, sample in enumerate(self.numbers.samples[:shown]):
            lines.append(f"slopes = gradient(weights, samples[{n}])")
            lines += [self.agrees(f"slopes[{k}]", at(sample, adjoint(w)), 4) for k, w in enumerate(weights)]
        lines += [self.agrees(f"gradients[{k}]", at(self.numbers.gradient, w), 4) for k, w in enumerate(weights)]
        return "\n".join(lines)

    def after(self) -> str:
        """The second forward pass, for the first sample."""
        assert self.numbers is not None
        lines = self._forward_lines(new=True)
        definitions = self._forward_definitions()
        checks = [self.value_of(e, at(self.numbers.after[0], e), new=True) for e in definitions]
        loss = self.elements.name(Access(self.network.loss), new=True)
        return "\n".join([*lines, "", f'print(f"{{{loss} = :.6g}}")', *checks])

    # safe arithmetic

    def equalities(self, rules: Iterable[str]) -> str:
        """What rules of safe arithmetic say, in a function of its own: elsewhere its letters have other meanings."""
        pairs = {name: RULES[name].equal for name in rules if RULES[name].equal}
        waiting = [text for found in pairs.values() for pair in found for text in pair]
        used: set[str] = set()
        while waiting:
            new = (set(re.findall(r"[A-Za-z]+", waiting.pop())) & set(QUANTITIES)) - used
            used |= new
            waiting += [QUANTITIES[name] for name in new]
        lines = [line for name, line in QUANTITIES.items() if name in used]
        if used & {"erf", "erfc"}:
            lines.insert(0, "import math\n")
        for name, found in pairs.items():
            lines += [f"# rule {name}", *(f"assert np.allclose({one}, {other})" for one, other in found)]
        lines.append(f'print({sum(map(len, pairs.values()))}, "equalities hold")')
        function = self.names.fresh("equalities")
        return "\n".join([f"def {function}():", *indented(lines), "", "", f"{function}()"])

    # proof

    def proof(self) -> str:
        """All derivatives held against central differences; beside the point itself where a kink may lie in it."""
        lines = [*DIFFERENCE.split("\n"), ""]
        weights = "weights"
        if self._kinked():
            lines += [
                "# Beside the weights themselves, since they may lie at a kink, where a difference has no meaning.",
                "rng = np.random.default_rng(1)",
                "nearby = [w + rng.uniform(0.01, 0.02, np.shape(w)) for w in weights]",
            ]
            weights = "nearby"
        lines += [
            "count = 0",
            f"for n, slopes in enumerate(gradient({weights}, data)):",
            f"{INDENT}places = list(np.ndindex(np.shape(slopes)))",
            f"{INDENT}for place in places[:: max(1, len(places) // {PLACES})]:",
            f"{INDENT * 2}slope = np.array(slopes)[place]",
            f"{INDENT * 2}assert np.isclose(slope, difference({weights}, data, n, place), rtol=1e-5, atol=1e-6)",
            f"{INDENT * 2}count += 1",
            'print(count, "derivatives agree with central differences")',
        ]
        return "\n".join(lines)

    def _kinked(self) -> bool:
        equations = [*self.network.flat_equations, *flatten(self.sweep.equations)]
        bodies = [*(eq.body for eq in equations), *(f.body for f in self.functions)]
        return any(b.has(Cases, Equal, sympy.Abs, sympy.sign) for b in bodies)
