"""What all sections of the notes share: the names of one derivation's quantities and how updates are written."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import sympy

from codegen.formulas.batches import BatchWriter
from codegen.formulas.formwriter import COUNT
from codegen.formulas.hues import Hues
from codegen.formulas.latex import Latex, equations_of
from codegen.formulas.layout import Shown, relation, show
from codegen.formulas.matrices import MatrixWriter
from codegen.formulas.notation import Notation
from codegen.notes.choice import chosen
from codegen.notes.document import Row
from codegen.numbering import equation_numbers
from codegen.options import MOST_DECIMALS, STANDARD, Options
from codegen.pictures.equation_graph import equation_figure
from codegen.pictures.figure import Figure
from codegen.pictures.graphs import figure_of, graph_of
from derive.derivation import Derivation
from derive.evaluate import Number, number
from derive.expressions import Access, is_negative
from derive.formproof import has_batches, named_equations
from derive.formtree import Form
from derive.gradient import adjoint_name
from derive.network import Equation
from derive.numbers import Iteration, iterations
from derive.scalars import adjoint

if TYPE_CHECKING:
    from codegen.formats.celldata import Draw
    from codegen.formats.cells import Cells

UPDATES = 10  # by which the worked example is carried on
MAX_VALUES = 400  # numbers of all its samples; with more, the notes would wait for the fifty digits


class Lecture:
    """One derivation with its notation and its writers."""

    def __init__(self, derivation: Derivation, options: Options = STANDARD) -> None:
        self.derivation, self.options = derivation, options
        self.network, self.sweep, self.scalars = derivation.network, derivation.sweep, derivation.scalars
        self.notation = Notation(self.network, self.sweep, options.notation)
        self.writer = Latex(self.notation, equations_of(self.network, self.sweep))
        self.matrix = MatrixWriter(self.writer, (*self.network.equations, *self.sweep.equations))
        self.small = bool(derivation.lines)
        self.chosen = chosen(self.network, options, self.small)
        self.graph = graph_of(self.network, self.scalars)
        if options.colour:
            whole = self.graph is not None and self.graph.whole
            self.writer.hues = Hues(self.network, self.graph.hues() if self.graph else {}, whole)
        self.numbers = {id(eq): n for n, eq in equation_numbers(self.network, self.sweep)}
        self.orders = self._orders() if self.small else {}
        self.loss = self.writer.access(Access(self.network.loss))

    @cached_property
    def cells(self) -> Cells:
        """The same in NumPy, for one notebook: cells are asked for in order, each only once."""
        from codegen.formats.celldata import Draw

        return self._cells(Draw())

    @cached_property
    def iterations(self) -> list[Iteration]:
        """The worked example carried on, where there is one and not of too many numbers."""
        numbers = self.derivation.numbers
        if numbers is None or sum(len(v) for sample in numbers.samples for v in sample.values()) > MAX_VALUES:
            return []
        return iterations(self.network, self.sweep, numbers, UPDATES)

    @cached_property
    def vector_forms(self) -> list[list[tuple[Equation, Form]]]:
        """The equations with a matrix form: of values, of δs and of derivatives by weights; none of numbers only."""
        if self.network.coupling:  # nothing is said of one sample alone
            return [[], [], []]
        groups = [
            [(eq, form) for eq in equations if (form := self.matrix.form(eq)) is not None]
            for equations in named_equations(self.network, self.sweep)
        ]
        vectors = any(self.matrix.speaks_of_vectors(form) for group in groups for _, form in group)
        return groups if vectors else [[], [], []]

    @cached_property
    def batch(self) -> BatchWriter | None:
        """The writer for a batch; none for one sample, recurrences, numbered weights, and where letters would clash."""
        network, style = self.network, self.notation.profile
        if not has_batches(network) or self.notation.numbered:
            return None
        rows = style.rows if style.samples == "vectors" else style.samples == "rows"
        writer = BatchWriter(self.writer, self.sweep, rows)
        names = [t.name for t in network.tensors.values() if not t.anonymous and t.name != network.loss]
        letters = [writer.letter(name) for name in (*names, *map(adjoint_name, self.sweep.deltas))]
        single = len(network.samples) == 1 or COUNT in network.tensors
        clash = len(set(letters)) < len(letters)
        return None if clash or (single and not network.coupling) else writer

    def begin_cells(self, draw: Draw) -> None:
        """Cells for another notebook."""
        self.cells = self._cells(draw)

    def _cells(self, draw: Draw) -> Cells:
        from codegen.formats.cells import Cells

        found, numbers = self.iterations, self.derivation.numbers
        if not found and numbers is not None:
            found = iterations(self.network, self.sweep, numbers, 1)
        return Cells(self.derivation, self.small, draw, self.options.decimals, found)

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
        """What is new in its mark, and the relation after it."""
        return self.notation.new(symbol)

    def letters(self, weight: Access | None) -> dict[sympy.Symbol, str]:
        """What the quantities of the optimizer's equations are called for one weight, or for any."""
        optimizer = self.network.optimizer
        letter = self.writer.access(weight) if weight is not None else "w"
        found = {symbol: self.notation.symbol(symbol.name).latex(*([letter] if weight is not None else []))
                 for symbol in (optimizer.gradient, *(s for s, _ in optimizer.updates))}  # fmt: skip
        return {**found, optimizer.weight: letter}

    def update_rows(self, weight: Access | None, gradient: sympy.Expr) -> list[Row]:
        """The optimizer's equations for one weight with its derivative put in, or named first if it occurs often."""
        optimizer = self.network.optimizer
        names = self.letters(weight)
        rows = []
        if weight is not None and optimizer.repeats_gradient:
            rows.append(Row(names[optimizer.gradient], self.writer.line(gradient)))
            gradient = optimizer.gradient
        for symbol, body in optimizer.updates:
            self.writer.numbers = dict(names)
            right = self.writer.line(body.xreplace({optimizer.gradient: gradient}), optimizer.order(symbol))
            self.writer.numbers = {}
            left, arrow = self.new(names[symbol])
            rows.append(Row(left, right, relation=arrow))
            names[symbol] = left
        return rows

    def setting(self, symbol: sympy.Symbol, update: int = 1) -> Row:
        """``a = 0.05``, or ``a_2 = 0.05`` where the learning rate is another one in every update."""
        optimizer = self.network.optimizer
        shown = self.number_shown(optimizer.rate_at(update) if symbol == optimizer.rate else optimizer.settings[symbol])
        index = str(update) if symbol.name in self.notation.changing else ""
        return Row(self.notation.setting(symbol.name, index).latex(), shown.text, relation(shown))

    def number_shown(self, value: sympy.Expr) -> Shown:
        """A number of the specification as it stands there, or one worked out from such."""
        return Shown(self.writer.setting(value), True) if value.is_Rational else self.show(number(value))

    def show(self, value: Number, decimals: int = MOST_DECIMALS) -> Shown:
        """A worked number to the places asked for, and to no more than ``decimals``."""
        return show(value, min(self.options.decimals, decimals))

    def derivative(self, by: str) -> str:
        """∂loss/∂…, the lower side already typeset."""
        return f"\\frac{{\\partial {self.loss}}}{{\\partial {by}}}"

    def place(self, access: Access) -> str:
        """What stands below in a derivative: an element, or in brackets the sum that has no name."""
        return self.writer.quantity(access)

    @property
    def minus(self) -> str:
        """The sign of the derivative that δ is."""
        return "-" if self.notation.signs.tensors else ""

    def step_sign(self, weight: str) -> str:
        """The sign before the rate in the update of a weight array.

        δ of the other sign turns w − a (−δ x) into w + a δ x.  The factors of what the rate multiplies are then
        :meth:`unsigned`.
        """
        closed = self.sweep.adjoints[weight].closed
        return "+" if self.minus and closed is not None and is_negative(self.notation.signs.expression(closed)) else "-"

    def unsigned(self, factor: sympy.Expr, sign: str) -> sympy.Expr:
        """A factor of an update without the sign that stands before the rate already."""
        factor = self.notation.signs.expression(factor)
        return -factor if sign == "+" and is_negative(factor) else factor

    @property
    def slope(self) -> str:
        """What δ is, in words."""
        return "minus the derivative" if self.minus else "derivative"

    def delta(self, name: str) -> str:
        return self.writer.access(adjoint(self.generic(name)))

    def generic(self, name: str) -> Access:
        return Access(name, *self.sweep.adjoints[name].indices)
