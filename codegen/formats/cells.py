"""The code cells of a notebook: what a block of the notes says, done in NumPy, and held against the text.

A small network, shown element by element, is computed element by element as well; any other with arrays.  A cell
belongs to the block above it; cells are asked for in the order of the notes, since each uses what those before it have
computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy

from codegen.formats.celltext import (
    array_text,
    flat,
    functions_in,
    indented,
    list_text,
    needed,
    printed_as,
    tuple_text,
)
from codegen.formats.numpycode import INDENT, Arrays, Elements, Names, NumpyPrinter, definition, slopes
from codegen.formulas.layout import show
from codegen.formulas.matrices import grid, product
from codegen.options import DECIMALS, MOST_DECIMALS
from codegen.trainer.printer import Used
from derive.derivation import Derivation
from derive.evaluate import Number
from derive.expressions import Access, Cases, Equal, accesses, index_symbols, rename
from derive.gradient import adjoint_name
from derive.naming import element_names
from derive.network import Equation, Numbers, Tensor, flatten
from derive.numbers import Iteration, at
from derive.scalars import adjoint
from derive.selection import choices
from derive.steps import ElementDerivation, delta_elements, evaluate_line

SHOWN = 24  # elements of an array that is printed
PLACES = 12  # of an array of weights at which its derivative is compared with a central difference

IMPORTS = """\
import math

import numpy as np

np.set_printoptions(precision=6, suppress=True)
np.seterr(all="ignore")  # np.where works out both of its branches


def same(value, printed, places=6):
    return abs(value - printed) <= 0.51 * 10.0**-places + 1e-12 * abs(printed)
"""

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


@dataclass(frozen=True)
class Draw:
    """How numbers are drawn that a specification does not give."""

    seed: int = 0
    low: float = -1.0


class Cells:
    """The cells of one notebook."""

    def __init__(self, derivation: Derivation, small: bool, draw: Draw, decimals: int = DECIMALS) -> None:
        self.derivation, self.small, self.drawing, self.decimals = derivation, small, draw, decimals
        self.network, self.sweep, self.scalars = derivation.network, derivation.sweep, derivation.scalars
        self.numbers = derivation.numbers
        self.used = Used()
        self.tensors: dict[str, Tensor] = {**self.network.tensors, **self.sweep.tensors}
        self.functions = functions_in([*self.network.flat_equations, *flatten(self.sweep.equations)])
        self.names = Names(self.tensors.values(), self.functions)
        self.arrays = Arrays(self.names, self.tensors, self.used)
        self.elements = Elements(self.names, element_names(self.network.weights, self.network.notation), self.used)
        self.weights, self.data = self.network.weights, self.network.data
        self._steps = list(self.sweep.equations)
        self._known: set[str] = set()
        self._known_elements: set[Access] = set()

    # names

    def variables(self, tensors: Iterable[Tensor], new: bool = False) -> list[str]:
        """The variables of tensors, one for each element where the network is small."""
        if self.small:
            return [self.elements.name(e, new) for t in tensors for e in t.elements()]
        return [self.names.array(t.name) for t in tensors]

    def _gradients(self) -> list[str]:
        if self.small:
            return [self.elements.name(adjoint(e)) for w in self.weights for e in w.elements()]
        return [self.names.array(adjoint_name(w.name)) for w in self.weights]

    @property
    def _loss(self) -> str:
        return self.variables([self.network.tensors[self.network.loss]])[0]

    # data

    def given(self) -> str:
        """Imports, functions, constants, weights and samples."""
        lines: list[str] = []
        for function in self.functions:
            lines += ["", "", *definition(function, self.names, self.used)]
        numbers = ["", ""]
        drawn = any(w.name not in self.network.initial for w in self.weights)
        drawn |= bool(self.data) and not self.network.samples
        if drawn:
            numbers += [f"rng = np.random.default_rng({self.drawing.seed})"]
        for name, value in self.network.constants.items():
            numbers += self.assigned(self.network.tensors[name], value)
        for weight in self.weights:
            numbers += self.assigned(weight, self.network.initial.get(weight.name))
        numbers += [f"weights = {list_text(self.variables(self.weights))}"]
        names = self.variables(self.data)
        if len(self.network.samples) > 1:
            numbers += ["samples = ["]
            numbers += [f"{INDENT}({', '.join(self._sample(sample))},)," for sample in self.network.samples]
            numbers += ["]", f"{tuple_text(names)} = data = samples[0]"]
        else:
            sample = self.network.samples[0] if self.network.samples else {}
            for tensor in self.data:
                numbers += self.assigned(tensor, sample.get(tensor.name))
            numbers += [f"data = {tuple_text(names)}", "samples = [data]"]
        # The functions of all formulas, derivatives included, tell whether erf is needed.
        self._used_everywhere()
        head = IMPORTS.rstrip().split("\n")
        if "erf" in self.used.functions:
            head += ["", "", "erf = np.vectorize(math.erf)"]
        else:
            head = head[2:]
        return "\n".join([*head, *lines, *numbers])

    def _used_everywhere(self) -> None:
        for eq in [*self.network.flat_equations, *flatten(self.sweep.equations)]:
            self.arrays._printer(eq).text(eq.body)
        for function in self.functions:
            list(slopes(function, self.names, self.used))

    def assigned(self, tensor: Tensor, value: Numbers | None) -> list[str]:
        """A tensor's numbers as given, or drawn; in a small network every element is a variable."""
        name = self.names.array(tensor.name)
        if value is not None or tensor.role == "mask":
            if not self.small:
                return [f"{name} = {array_text(tensor, value)}"]
            texts = flat(tensor, value)
            return [f"{', '.join(self.variables([tensor]))} = {', '.join(texts)}"]
        lines = [f"{name} = {text}" for text in self._drawn(tensor, name)]
        if self.small and tensor.shape:
            lines.append(f"{tuple_text(self.variables([tensor]))} = {name}.ravel()")
        return lines

    def _drawn(self, tensor: Tensor, name: str) -> list[str]:
        """Random numbers; targets of which facts are declared are probabilities, choices whole numbers."""
        size = f", {tensor.shape}" if tensor.shape else ""
        if places := choices(self.network.flat_equations).get(tensor.name):
            whole = f"rng.integers(1, {places + 1}{size})"
            return [f"{whole}.astype(float)" if size else f"float({whole})"]
        facts = [f for f in self.network.facts if f.tensor == tensor.name]
        texts = [f"rng.uniform({0.05 if facts else self.drawing.low}, 0.95{size})"]
        for fact in (f for f in facts if f.reduce):
            axes = fact.axes(len(tensor.shape))
            texts.append(f"{name} / np.sum({name}, axis={axes}, keepdims=True)")
        return texts

    def _sample(self, sample: Mapping[str, Numbers]) -> list[str]:
        if self.small:
            return [text for t in self.data for text in flat(t, sample.get(t.name))]
        return [array_text(t, sample.get(t.name)) for t in self.data]

    # passes

    def forward(self) -> str:
        """The forward pass of the first sample."""
        named = [self.tensors[eq.lhs.tensor] for eq in self.network.flat_equations]
        shown = [t for t in dict.fromkeys(named) if not t.anonymous]
        return "\n".join([*self._forward_lines(), "", *self._shown(shown), f"assert np.isfinite({self._loss})"])

    def _forward_lines(self, new: bool = False) -> list[str]:
        if not self.small:
            return self.arrays.lines(self.network.equations, set())
        return self.elements.lines(self._forward_definitions(), new=self._changed if new else frozenset())

    @property
    def _changed(self) -> frozenset[str]:
        """The tensors that an update changes."""
        return frozenset(t.name for t in self.network.tensors.values() if t.role in ("weight", "value"))

    def _forward_definitions(self) -> dict[Access, sympy.Expr]:
        found = {}
        for eq in self.network.flat_equations:
            tensor = self.tensors[eq.lhs.tensor]
            for element in tensor.elements() if not tensor.anonymous else ():
                form = self.scalars.definition(element)
                if form is not None:
                    found[element] = form
        return found

    def _backward_definitions(self) -> dict[Access, sympy.Expr]:
        """The definitions of all δ and all gradients."""
        found = {}
        for name in self.sweep.deltas:
            for delta in map(adjoint, delta_elements(self.scalars, name)):
                form = self.scalars.definition(delta)
                if form is not None:
                    found[delta] = form
        for element in (e for w in self.weights for e in w.elements()):
            found[adjoint(element)] = self.scalars.gradient(element)
        return found

    def _shown(self, tensors: Iterable[Tensor], new: bool = False) -> list[str]:
        lines = []
        for tensor in tensors:
            if self.small:
                given = tensor.role == "value"
                elements = [e for e in tensor.elements() if not given or self.scalars.definition(e) is not None]
                names = [self.elements.name(e, new) for e in elements]
                lines += [f'print(f"{{{name} = :.6g}}")' for name in names]
            elif not tensor.shape:
                lines.append(f'print(f"{{{self.names.array(tensor.name)} = :.6g}}")')
            else:
                name = self.names.array(tensor.name)
                lines.append(f'print("{name} =", {name if tensor.size <= SHOWN else f"..., {name}.shape"})')
        return [line.replace("..., ", '"an array of shape", ') for line in lines]

    def slopes(self) -> str:
        """The derivatives of the functions, held against central differences beside no kink."""
        lines: list[str] = []
        checks: list[str] = []
        for function in self.functions:
            for name, slope, n, code in slopes(function, self.names, self.used):
                lines += [*code, "", ""]
                count = sum(p not in function.defaults for p in function.parameters)
                z = [f"points + {k}.3" if k else "points" for k in range(count)]
                ends = [", ".join([*z[:n], f"{z[n]} {sign} 1e-5", *z[n + 1 :]]) for sign in "+-"]
                found = f"({name}({ends[0]}) - {name}({ends[1]})) / 2e-5"
                checks.append(f"assert np.allclose({slope}({', '.join(z)}), {found}, atol=1e-6, equal_nan=True)")
        if not lines:
            return ""
        points = "points = np.array([-3.417, -1.919, -0.731, -0.137, 0.137, 0.731, 1.919, 3.417])"
        return "\n".join([*lines, points, *checks])

    def expanded(self, element: Access) -> str:
        """An element down to inputs and weights alone."""
        name, text = self.elements.name(element), self.elements.text(self.scalars.expanded(element))
        return f"assert np.isclose({name}, {text})"

    def layer(self, name: str) -> str:
        """The equations of one derivative with those that they need and that were not carried out before."""
        written = adjoint_name(name)
        if self.small:
            definitions = self._backward_definitions()
            wanted = [e for e in definitions if e.tensor == written]
            lines = self.elements.lines(needed(wanted, definitions), self._known_elements)
            return "\n".join([*lines, "", *(f'print(f"{{{self.elements.name(e)} = :.6g}}")' for e in wanted)])
        last = max(
            (n for n, s in enumerate(self._steps) if any(eq.lhs.tensor == written for eq in flatten([s]))), default=-1
        )
        lines = self.arrays.lines(self._steps[: last + 1], self._known)
        del self._steps[: last + 1]
        return "\n".join([*lines, "", *self._shown([self.tensors[written]])])

    def as_functions(self) -> str:
        """Loss and gradient as functions, which give what the cells above gave."""
        check = [
            f"for one, other in zip(gradient(weights, data), {list_text(self._gradients())}):",
            f"{INDENT}assert np.allclose(one, other)",
        ]
        return "\n".join([self.loss_and_gradient(), "", "", *check])

    def loss_and_gradient(self) -> str:
        """Loss and gradient as functions of weights and data: the same statements once more."""
        start = self._unpacked()
        forward, backward = self._forward_lines(), self._backward_lines()
        found = ["def loss(weights, data):", *indented(start), *indented(forward), f"{INDENT}return {self._loss}"]
        found += ["", "", "def gradient(weights, data):", *indented([*start, *forward, *backward])]
        return "\n".join([*found, f"{INDENT}return {list_text(self._gradients())}"])

    def passes(self, backward: bool) -> list[str]:
        """The forward pass, and the backward one, for ``weights`` and ``data``: lines inside a function of these."""
        return [*self._unpacked(), *self._forward_lines(), *(self._backward_lines() if backward else [])]

    def _unpacked(self) -> list[str]:
        start = [f"{tuple_text(self.variables(self.weights))} = weights"]
        if self.data:
            start.append(f"{tuple_text(self.variables(self.data))} = data")
        return start

    def _backward_lines(self) -> list[str]:
        if not self.small:
            return self.arrays.lines(self.sweep.equations, set())
        forward = self._forward_definitions()
        return self.elements.lines({**forward, **self._backward_definitions()})[len(forward) :]

    # one weight

    def steps(self, derived: ElementDerivation) -> str:
        """Every line of a derivation gives the same number."""
        name = self.elements.name(adjoint(derived.element))
        texts = [self.elements.text(evaluate_line(step.after, self.scalars)) for step in derived.steps]
        texts = [text for text in dict.fromkeys([*texts, self.elements.text(derived.result)]) if text != name]
        return "\n".join(f"assert np.isclose({name}, {text})" for text in texts)

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

    # updates

    def _optimizer(self) -> tuple[dict[sympy.Symbol, str], NumpyPrinter]:
        """What the quantities of the optimizer's equations are called, and a printer of these equations."""
        optimizer = self.network.optimizer
        names = {s: self.names.fresh(f"{s.name}_" if s.name in ("w", "g") else s.name) for s in optimizer.settings}
        names |= {optimizer.weight: "w", optimizer.gradient: "g", optimizer.count: self.names.fresh("k")}
        for symbol, _ in optimizer.updates:
            names.setdefault(symbol, self.names.fresh(symbol.name))
        for state in optimizer.states:
            names.setdefault(state, self.names.fresh(state.name))
        return names, NumpyPrinter(_nothing, str, names, self.names.functions, self.used)

    def update_rule(self) -> str:
        """The optimizer's equations as a function of a weight and its derivative."""
        optimizer = self.network.optimizer
        names, printer = self._optimizer()
        lines = [f"{names[optimizer.count]} = 1  # the first update"]
        for symbol, value in optimizer.settings.items():
            formula = optimizer.schedule if symbol == optimizer.rate and optimizer.schedule is not None else value
            lines.append(f"{names[symbol]} = {printer.text(formula)}")
        lines += ["", "", "def update(w, g):"]
        for state in optimizer.states:
            start = optimizer.starts.get(state, sympy.Integer(0))
            lines.append(f"{INDENT}{names[state]} = {printer.text(start)}")
        lines += [f"{INDENT}{names[symbol]} = {printer.text(body)}" for symbol, body in optimizer.updates]
        if all(optimizer.count not in body.free_symbols for _, body in optimizer.updates) and not optimizer.schedule:
            lines = lines[1:]
        return "\n".join([*lines, f"{INDENT}return w"])

    def updates(self) -> str:
        """The gradient of the batch and all new weights, computed from the old ones."""
        lines = [
            "gradients = [gradient(weights, data) for data in samples]",
            "gradients = [sum(parts) / len(samples) for parts in zip(*gradients)]  # the mean over the samples",
        ]
        if self.network.batch == "sum":
            lines[1] = "gradients = [sum(parts) for parts in zip(*gradients)]  # the sum over the samples"
        if len(self.network.samples) <= 1:
            lines = ["gradients = gradient(weights, data)"]
        lines.append("new_weights = [update(w, g) for w, g in zip(weights, gradients)]")
        if self.small:
            lines += [f"{tuple_text(self.variables(self.weights, new=True))} = new_weights", ""]
            lines += self._shown(self.weights, new=True)
        return "\n".join(lines)

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

    def next_updates(self, found: Sequence[Iteration], rough: Sequence[Iteration]) -> str:
        """Training carried on, the optimizer's states handed from update to update.

        The losses are held against the text where those in single steps of 15 digits, ``rough``, agree with it: beside
        a kink, or where training diverges, a rounding may decide.
        """
        optimizer = self.network.optimizer
        names, printer = self._optimizer()
        w, g, k = (names[s] for s in (optimizer.weight, optimizer.gradient, optimizer.count))
        states = [names[s] for s in optimizer.states]
        lines = [f"def step({', '.join([w, g, k, *states])}):"]
        if optimizer.schedule is not None:
            lines.append(f"{INDENT}{names[optimizer.rate]} = {printer.text(optimizer.schedule)}")
        lines += [f"{INDENT}{names[symbol]} = {printer.text(body)}" for symbol, body in optimizer.updates]
        starts = [printer.text(optimizer.starts.get(s, sympy.Integer(0))) for s in optimizer.states]
        share = " / len(samples)" if self.network.batch != "sum" and len(self.network.samples) > 1 else ""
        lines += [
            f"{INDENT}return {', '.join([w, *states])}{',' * (not states)}",
            "",
            "",
            f"trained = [({', '.join(['one', *starts])},) for one in weights]",
            "losses = []",
            f"for count in range(1, {len(found) + 1}):",
            f"{INDENT}now = [one[0] for one in trained]",
            f"{INDENT}losses.append(sum(loss(now, data) for data in samples){share})",
            f"{INDENT}slopes = [sum(parts){share} for parts in zip(*(gradient(now, data) for data in samples))]",
            f"{INDENT}trained = [step(one[0], slope, count, *one[1:]) for one, slope in zip(trained, slopes)]",
            "",
            'print("losses:", np.array(losses))',
        ]
        for n, (exact, near) in enumerate(zip(found, rough, strict=False)):
            if abs(exact.loss - near.loss) > 1e-9 * max(1, abs(exact.loss)):
                break
            lines.append(self.agrees(f"losses[{n}]", exact.loss, self.decimals))
        return "\n".join(lines)

    # numbers in the text

    def agrees(self, name: str, value: Number, decimals: int = MOST_DECIMALS) -> str:
        """The assertion that a variable has the number that is printed."""
        decimals = min(decimals, self.decimals)
        printed, places = printed_as(show(value, decimals), decimals)
        return f"assert same({name}, {printed}{f', places={places}' if places != 6 else ''})"

    def value_of(self, element: Access, value: Number, new: bool = False) -> str:
        return self.agrees(self.elements.name(element, new), value)

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
        total = "sum(loss({}, data) for data in samples)"
        if self.network.batch != "sum" and len(self.network.samples) > 1:
            total += " / len(samples)"
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

    def updated(self) -> str:
        """The new weights."""
        assert self.numbers is not None
        elements = [e for w in reversed(self.weights) for e in reversed(list(w.elements()))]
        return "\n".join(self.value_of(e, at(self.numbers.updated, e), new=True) for e in reversed(elements))

    def after(self) -> str:
        """The second forward pass, for the first sample."""
        assert self.numbers is not None
        lines = self._forward_lines(new=True)
        definitions = self._forward_definitions()
        checks = [self.value_of(e, at(self.numbers.after[0], e), new=True) for e in definitions]
        loss = self.elements.name(Access(self.network.loss), new=True)
        return "\n".join([*lines, "", f'print(f"{{{loss} = :.6g}}")', *checks])

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


def _nothing(access: Access) -> str:
    raise AssertionError(f"an optimizer has no tensors: {access}")
