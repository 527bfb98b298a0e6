"""What all sections of the notes share: the names of one derivation's quantities and how updates are written."""

from __future__ import annotations

import sympy

from codegen.document import Row
from codegen.equation_graph import equation_figure
from codegen.figure import Figure
from codegen.graphs import figure_of, graph_of
from codegen.latex import Latex, equations_of
from codegen.matrices import MatrixWriter
from codegen.notation import Notation
from codegen.numbering import equation_numbers
from derive.derivation import Derivation
from derive.expressions import Access
from derive.network import Equation
from derive.scalars import adjoint


class Lecture:
    """One derivation with its notation and its writers."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.network, self.sweep, self.scalars = derivation.network, derivation.sweep, derivation.scalars
        self.notation = Notation(self.network, self.sweep)
        self.writer = Latex(self.notation, equations_of(self.network, self.sweep))
        self.matrix = MatrixWriter(self.writer)
        self.small = bool(derivation.lines)
        self.graph = graph_of(self.network, self.scalars)
        self.numbers = {id(eq): n for n, eq in equation_numbers(self.network, self.sweep)}
        self.orders = self._orders() if self.small else {}
        self.loss = self.writer.access(Access(self.network.loss))

    def _orders(self) -> dict[sympy.Expr, tuple[str, ...]]:
        """The user's order of terms for every definition that may stand in a line."""
        found = {}
        for eq in self.network.flat_equations:
            for element in self.network.tensors[eq.lhs.tensor].elements():
                found[self.scalars.definition(element)] = self.order(eq)
        return found

    def drawn(self) -> Figure | None:
        """The network as a picture: its units with their weights, or its equations."""
        if self.graph is not None:
            return figure_of(self.graph, "The network", self.writer.access, self.writer.access)
        return equation_figure(self.network, self.notation)

    def order(self, eq: Equation) -> tuple[str, ...]:
        """The order of what an equation mentions, once its anonymous sums are written out."""
        inner = {e.lhs.tensor: e for e in self.network.flat_equations if self.network.tensors[e.lhs.tensor].anonymous}
        return tuple(n for name in eq.order for n in (self.order(inner[name]) if name in inner else (name,)))

    def number(self, eq: Equation) -> int | None:
        """The number under which an equation stands in the notes and in the trainer."""
        return self.numbers.get(id(eq))

    def new(self, symbol: str) -> tuple[str, str]:
        """The mark of a new value and the relation after it: a star before it, or an arrow."""
        return (f"{{}}^{{*}}{symbol}", "=") if self.notation.numbered else (symbol, "\\leftarrow")

    def update_rows(self, weight: Access | None, gradient: sympy.Expr) -> list[Row]:
        """The optimizer's equations for one weight with its derivative put in."""
        optimizer = self.network.optimizer
        letter = self.writer.access(weight) if weight is not None else "w"
        names: dict[sympy.Expr, str] = {optimizer.weight: letter}
        for state in optimizer.states:
            names[state] = str(state) if weight is None else f"{state}_{{{letter}}}"
        rows = []
        fresh: dict[sympy.Expr, str] = {}
        for symbol, body in optimizer.updates:
            self.writer.numbers = {**names, **fresh}
            right = self.writer.line(
                body.xreplace({optimizer.gradient: gradient}), tuple(map(str, (optimizer.weight,)))
            )
            self.writer.numbers = {}
            left, arrow = self.new(names[symbol])
            rows.append(Row(left, right, relation=arrow))
            if self.notation.numbered:
                fresh[symbol] = left
        return rows

    def derivative(self, by: str) -> str:
        """∂loss/∂…, the lower side already typeset."""
        return f"\\frac{{\\partial {self.loss}}}{{\\partial {by}}}"

    def place(self, access: Access) -> str:
        """What stands below in a derivative: an element, or in brackets the sum that has no name."""
        if self.notation.tensors[access.tensor].anonymous:
            return self.writer.brackets(self.writer.line(access))
        return self.writer.access(access)

    def delta(self, name: str) -> str:
        return self.writer.access(adjoint(self.generic(name)))

    def generic(self, name: str) -> Access:
        return Access(name, *self.sweep.adjoints[name].indices)
