"""Cells that train: the optimizer's equations, one update, and the next ones."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from codegen.formats.cellpasses import Passes
from codegen.formats.celltext import tuple_text
from codegen.formats.numpycode import INDENT, NumpyPrinter
from derive.expressions import Access
from derive.numbers import Iteration


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
        lines += [
            f"{INDENT}return {', '.join([w, *states])}{',' * (not states)}",
            "",
            "",
            f"trained = [({', '.join(['one', *starts])},) for one in weights]",
            "losses = []",
            f"for count in range(1, {len(found) + 1}):",
            f"{INDENT}now = [one[0] for one in trained]",
            f"{INDENT}losses.append(sum(loss(now, data) for data in samples){self._share})",
            f"{INDENT}slopes = [sum(parts){self._share} for parts in zip(*(gradient(now, data) for data in samples))]",
            f"{INDENT}trained = [step(one[0], slope, count, *one[1:]) for one, slope in zip(trained, slopes)]",
            "",
            'print("losses:", np.array(losses))',
        ]
        for n, (exact, near) in enumerate(zip(found, rough, strict=False)):
            if abs(exact.loss - near.loss) > 1e-9 * max(1, abs(exact.loss)):
                break
            lines.append(self.agrees(f"losses[{n}]", exact.loss, self.decimals))
        return "\n".join(lines)


def _nothing(access: Access) -> str:
    raise AssertionError(f"an optimizer has no tensors: {access}")
