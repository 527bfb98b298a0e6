"""Cells that train: the optimizer's equations, one update, and the next ones."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from codegen.formats.cellpasses import Passes
from codegen.formats.celltext import indented, list_text, tuple_text
from codegen.formats.numpycode import INDENT, NumpyPrinter
from derive.evaluate import number
from derive.expressions import Access
from derive.network import Tensor
from derive.numbers import Iteration, at
from derive.scalars import adjoint
from derive.steps import ElementDerivation


class Updates(Passes):
    """The updates of one notebook."""

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

    def update_rule(self, told: Sequence[int] = ()) -> str:
        """The optimizer's equations as a function of a weight and its derivative; the learning rates that are told."""
        optimizer = self.network.optimizer
        names, printer = self._optimizer()
        lines = [f"{names[optimizer.count]} = 1  # the first update"]
        for symbol, value in optimizer.settings.items():
            formula = optimizer.schedule if symbol == optimizer.rate and optimizer.schedule is not None else value
            lines.append(f"{names[symbol]} = {printer.text(formula)}")
        lines += ["", "", "def update(w, g):", *self._first_update()]
        if all(optimizer.count not in body.free_symbols for _, body in optimizer.updates) and not optimizer.schedule:
            lines = lines[1:]
        lines.append(f"{INDENT}return w")
        if optimizer.schedule is not None:
            lines += ["", ""]
            for k in told:
                rate = optimizer.schedule.subs(optimizer.count, k)
                lines.append(self.agrees(printer.text(rate), number(rate)))
        return "\n".join(lines)

    def _first_update(self) -> list[str]:
        """The optimizer's equations with its states as they start."""
        optimizer, (names, printer) = self.network.optimizer, self._optimizer()
        starts = {names[s]: optimizer.starts.get(s, sympy.Integer(0)) for s in optimizer.states}
        equations = [*starts.items(), *((names[symbol], body) for symbol, body in optimizer.updates)]
        return [f"{INDENT}{name} = {printer.text(body)}" for name, body in equations]

    def updated(self) -> str:
        """The derivatives over the batch, what the optimizer computes from each, the new weights."""
        assert self.numbers is not None
        optimizer, lines = self.network.optimizer, []
        elements = [e for w in self.weights for e in w.elements()]
        if len(self.network.samples) > 1:
            lines += [self.agrees(f"gradients[{n}]", at(self.numbers.gradient, e)) for n, e in enumerate(elements)]
        computed = [symbol for symbol, _ in optimizer.updates if symbol != optimizer.weight]
        if computed:
            names, found = self._optimizer()[0], self.names.fresh("computed")
            head, results = f"def {found}(w, g):", list_text([names[s] for s in computed])
            lines = [head, *self._first_update(), f"{INDENT}return {results}", "", "", *lines]
            for n, e in enumerate(elements):
                for m, symbol in enumerate(computed):
                    value = at(self.numbers.states[str(symbol)], e)
                    lines.append(self.agrees(f"{found}(weights[{n}], gradients[{n}])[{m}]", value))
        return "\n".join([*lines, *(self.value_of(e, at(self.numbers.updated, e), new=True) for e in elements)])

    def updates(self) -> str:
        """The gradient of the batch and all new weights, computed from the old ones."""
        lines = ["gradients = gradient(weights, data)"]
        if len(self.network.samples) > 1:
            batch = (
                f"[sum(parts){self._share} for parts in zip(*gradients)]  # the {self.network.batch} over the samples"
            )
            lines = ["gradients = [gradient(weights, data) for data in samples]", f"gradients = {batch}"]
        lines.append("new_weights = [update(w, g) for w, g in zip(weights, gradients)]")
        if self.small:
            lines += [f"{tuple_text(self.variables(self.weights, new=True))} = new_weights", ""]
            lines += self._shown(self.weights, new=True)
        return "\n".join(lines)

    def whole_update(self) -> str:
        """For gradient descent, the step that all weights of an array take at once."""
        rate = self._optimizer()[0][self.network.optimizer.rate]
        return "\n".join([
            "for w, g, new in zip(weights, gradients, new_weights):",
            f"{INDENT}assert np.allclose(new, np.array(w) - {rate} * np.array(g))",
        ])  # fmt: skip

    def one_update(self, derived: ElementDerivation) -> str:
        """The new value of a weight by the closed form of its derivative, for the first sample."""
        name, slope = self.elements.name(derived.element), self.elements.text(derived.result)
        lines = [f'print(f"{{update({name}, {slope}) = :.6g}}")']
        if slope != (gradient := self.elements.name(adjoint(derived.element))):
            lines.append(f"assert np.isclose(update({name}, {slope}), update({name}, {gradient}))")
        return "\n".join(lines)

    def matrix_updates(self, shown: Sequence[tuple[Sequence[Sequence[Access]], str]]) -> str:
        """Arrays of weights, laid out in rows and each with the sign of its step: old, change and new as printed."""
        assert self.numbers is not None
        rate = self.network.optimizer.rate
        step, written = number(self.network.optimizer.settings[rate]), self._optimizer()[0][rate]
        old, change, new = (self.names.fresh(name) for name in ("old", "change", "new"))
        lines = []
        for rows, sign in shown:
            forward = 1 if sign == "-" else -1
            values, gradients = (
                list_text([list_text([self.elements.name(e) for e in row]) for row in found])
                for found in (rows, [list(map(adjoint, row)) for row in rows])
            )
            lines += [
                f"{old} = np.array({values})",
                f"{change} = {'-' * (forward < 0)}{written} * np.array({gradients})",
            ]
            lines += [f"{new} = {old} {sign} {change}", f"print({new})"]
            for place, e in ((f"[{r}, {c}]", e) for r, row in enumerate(rows) for c, e in enumerate(row)):
                lines.append(self.agrees(change + place, forward * step * at(self.numbers.gradient, e)))
                lines.append(self.agrees(new + place, at(self.numbers.updated, e)))
        return "\n".join(lines)

    def descent(self, weight: Access) -> str:
        """The loss as a function of one weight, before its step and after it."""
        assert self.numbers is not None
        n = [e for w in self.weights for e in w.elements()].index(weight)
        along, moved = self.names.fresh("along"), self.names.fresh("moved")
        lines = [
            f"def {along}(value):",
            f"{INDENT}{moved} = [*weights[:{n}], value, *weights[{n + 1} :]]",
            f"{INDENT}return sum(loss({moved}, data) for data in samples){self._share}",
            "",
            "",
            f"print({along}(weights[{n}]), {along}(new_weights[{n}]))",
        ]
        for name, values in (("weights", "weights"), ("gradients", "gradient"), ("new_weights", "updated")):
            lines.append(self.agrees(f"{name}[{n}]", at(getattr(self.numbers, values), weight), 4))
        return "\n".join(lines)

    def next_updates(self, found: Sequence[Iteration], output: Tensor | None) -> str:
        """Training carried on, the optimizer's states handed from update to update.

        The losses, and what is predicted for the first sample if that is one ``output``, are held against the text as
        long as double precision agrees with it: where training diverges, roundings grow.
        """
        place = None if output is None else next(iter(output.elements()))
        optimizer = self.network.optimizer
        names, printer = self._optimizer()
        w, g, k = (names[s] for s in (optimizer.weight, optimizer.gradient, optimizer.count))
        states = [names[s] for s in optimizer.states]
        lines = [f"def step({', '.join([w, g, k, *states])}):"]
        if optimizer.schedule is not None:
            lines.append(f"{INDENT}{names[optimizer.rate]} = {printer.text(optimizer.schedule)}")
        lines += [f"{INDENT}{names[symbol]} = {printer.text(body)}" for symbol, body in optimizer.updates]
        starts = [printer.text(optimizer.starts.get(s, sympy.Integer(0))) for s in optimizer.states]
        lines += [f"{INDENT}return {', '.join([w, *states])}{',' * (not states)}", "", ""]
        if output is not None:
            lines += ["def predicted(weights, data):", *indented(self.passes(backward=False))]
            lines += [f"{INDENT}return {self.variables([output])[0]}", "", ""]
        lines += [
            f"trained = [({', '.join(['one', *starts])},) for one in weights]",
            "losses = []",
            *["predictions = []"] * (output is not None),
            f"for count in range(1, {len(found) + 1}):",
            f"{INDENT}now = [one[0] for one in trained]",
            f"{INDENT}losses.append(sum(loss(now, data) for data in samples){self._share})",
            *[f"{INDENT}predictions.append(predicted(now, samples[0]))"] * (output is not None),
            f"{INDENT}slopes = [sum(parts){self._share} for parts in zip(*(gradient(now, data) for data in samples))]",
            f"{INDENT}trained = [step(one[0], slope, count, *one[1:]) for one, slope in zip(trained, slopes)]",
            "",
            'print("losses:", np.array(losses))',
        ]
        for n, exact in enumerate(found[: self.agreement.iterations]):
            if n in (0, len(found) - 1):  # the ends of the curve, with fewer places
                lines.append(self.agrees(f"losses[{n}]", exact.loss, 4))
            lines.append(self.agrees(f"losses[{n}]", exact.loss, self.decimals))
            if place is not None:
                lines.append(self.agrees(f"predictions[{n}]", at(exact.samples[0], place), self.decimals))
        if self.agreement.iterations < len(found):
            lines.append(f"# From update {self.agreement.iterations} on, roundings of double precision are seen.")
        return "\n".join(lines)


def _nothing(access: Access) -> str:
    raise AssertionError(f"an optimizer has no tensors: {access}")
