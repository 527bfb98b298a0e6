"""The lecture notes: a derivation laid out in sections of paragraphs and formulas, printed by a LaTeX template.

Everything mathematical comes out of :class:`~derive.derivation.Derivation`; this module chooses what is shown in
which order, the templates hold the layout.
"""

from __future__ import annotations

from functools import lru_cache

import jinja2
import sympy

from codegen.document import Row, Section
from codegen.latex import Latex, equations_of
from codegen.layout import escape
from codegen.matrices import MatrixWriter, bmatrix, factored, grid
from codegen.notation import Notation
from codegen.numbering import equation_numbers
from codegen.resources import template_folders
from codegen.worked import worked_sections
from derive.derivation import Derivation
from derive.expressions import Access, Cases, accesses
from derive.functions import Formula
from derive.network import Equation, Scan, Tensor
from derive.scalars import adjoint, is_small
from derive.steps import ElementDerivation, Step, Stepwise
from derive.tidy import RULES, derivative_of


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(f) for f in template_folders()]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )


def render(derivation: Derivation, spec_name: str) -> str:
    """The notes as a LaTeX document that plain TeX Live compiles."""
    notes = Notes(derivation)
    return (
        _environment()
        .get_template("notes/notes.tex.jinja")
        .render(source=escape(spec_name), title=escape(derivation.network.title), sections=notes.sections())
    )


class Notes:
    """Makes the sections for one derivation."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.network, self.sweep, self.scalars = derivation.network, derivation.sweep, derivation.scalars
        self.notation = Notation(self.network, self.sweep)
        self.writer = Latex(self.notation, equations_of(derivation))
        self.matrix = MatrixWriter(self.writer)
        self.small = is_small(self.network)
        self.stepwise = Stepwise(self.scalars) if self.small else None
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

    def sections(self) -> list[Section]:
        """All sections, in reading order."""
        found = [self.the_network(), *self.made_of(), self.update_rule(), self.backward()]
        if self.small:
            found += [self.every_weight(), self.all_updates()]
        found += self.matrix_form()
        found += worked_sections(self)
        return [*found, self.proof()]

    # the network

    def the_network(self) -> Section:
        section = Section("The network")
        roles = {"input": "Inputs", "target": "Targets", "weight": "Weights", "constant": "Constants"}
        for role, word in roles.items():
            tensors = [t for t in self.network.tensors.values() if t.role == role and not t.anonymous]
            if tensors:
                section.say(f"{word}: {'; '.join(self.declared(t) for t in tensors)}.")
        section.say("The forward pass computes, in this order,")
        section.display(*self.forward_rows())
        written = self.element_rows() if self.small else []
        if written:
            section.say("Written out element by element, this is")
            section.display(*written)
        for text, rows in self.functions_used():
            section.say(text)
            section.display(*rows)
        return section

    def declared(self, tensor: Tensor) -> str:
        """``$W^{(1)}$ ($2 \\times 2$): …``: a tensor, its shape, and its elements where there are few."""
        letter = self.notation.names[tensor.name].latex()
        if not tensor.shape:
            return f"${letter}$"
        shape = " \\times ".join(map(str, tensor.shape))
        if tensor.size > 8:
            return f"${letter}$ with ${shape}$ elements"
        elements = [self.writer.access(e) for e in tensor.elements()]
        if len(tensor.shape) == 2:
            step = tensor.shape[1]
            table = [elements[n : n + step] for n in range(0, len(elements), step)]
            return f"${letter} = {bmatrix(table, small=True)}$"
        return f"${letter} = ({', '.join(elements)})$"

    def forward_rows(self) -> list[Row]:
        rows = []
        for step in self.network.equations:
            for eq in step.equations if isinstance(step, Scan) else (step,):
                if not self.network.tensors[eq.lhs.tensor].anonymous:
                    rows.append(Row(self.writer.access(eq.lhs), self.writer.equation(eq), self.number(eq)))
        return rows

    def number(self, eq: Equation) -> str:
        return f"\\tag*{{({self.numbers[id(eq)]})}}" if id(eq) in self.numbers else ""

    def element_rows(self) -> list[Row]:
        """Every value of a small network, sums written out."""
        rows = []
        for eq in self.network.flat_equations:
            tensor = self.network.tensors[eq.lhs.tensor]
            if tensor.anonymous or (not tensor.shape and not eq.reduce and not self._reads_sum(eq)):
                continue
            for element in tensor.elements():
                definition = self.scalars.definition(element)
                if definition is not None:
                    rows.append(Row(self.writer.access(element), self.writer.line(definition, self.order(eq))))
        return rows

    def order(self, eq: Equation) -> tuple[str, ...]:
        """The order of what an equation mentions, once its anonymous sums are written out."""
        inner = {e.lhs.tensor: e for e in self.network.flat_equations if self.network.tensors[e.lhs.tensor].anonymous}
        return tuple(n for name in eq.order for n in (self.order(inner[name]) if name in inner else (name,)))

    def _reads_sum(self, eq: Equation) -> bool:
        return any(self.network.tensors[a.tensor].anonymous for a in eq.reads)

    def functions_used(self) -> list[tuple[str, list[Row]]]:
        """The functions given by a formula, with the derivatives derived for them."""
        found: dict[str, type[Formula]] = {}
        for eq in self.network.flat_equations:
            for f in sorted(eq.body.atoms(Formula), key=str):
                found.setdefault(type(f).__name__, type(f))
        rows, kinks = [], False
        for name, function in found.items():
            for n, parameter in enumerate(function.parameters):
                call = self.writer.function(name, [self.writer.line(p) for p in function.parameters])
                if n == 0:
                    rows.append(Row(call, self.writer.line(function.body)))
                derivative = derivative_of(function, n)
                left = f"\\frac{{\\partial}}{{\\partial {self.writer.line(parameter)}}}\\, {call}"
                rows.append(Row(left, self.writer.line(derivative)))
                kinks |= bool(function.body.atoms(Cases))
        if not rows:
            return []
        text = "The functions in it and their derivatives are"
        if kinks:
            text += " (a bracket $[z > 0]$ is 1 where the condition holds and 0 elsewhere, so at the kink, $z = 0$, "
            text += "the derivative is taken to be 0)"
        return [(text, rows)]

    def made_of(self) -> list[Section]:
        """The prediction down to inputs and weights: what there is to change."""
        section = Section("What the prediction is made of")
        for name in self.network.outputs:
            for element in self.network.tensors[name].elements() if self.small else ():
                if self.scalars.size(element) > 16:
                    continue
                named = self.writer.line(self.scalars.definition(element) or element)
                expanded = self.writer.line(self.scalars.expanded(element))
                rows = [Row(self.writer.access(element), named)] + ([Row("", expanded)] if expanded != named else [])
                section.display(*rows)
        if not section.blocks:
            return []
        section.say(
            "Inputs and targets are given. To change the prediction, and with it the loss, we must change the weights."
        )
        return [section]

    # updates

    def update_rule(self) -> Section:
        optimizer = self.network.optimizer
        section = Section("The update rule")
        rate = self.writer.symbol(str(optimizer.rate))
        section.say(
            f"Training looks for weights that make ${self.loss}$ small. Where $\\partial {self.loss} / \\partial w$ is "
            f"positive, a smaller $w$ makes ${self.loss}$ smaller; where it is negative, a larger $w$ does. So every "
            "weight takes a small step against its derivative:"
        )
        derivative = f"\\frac{{\\partial {self.loss}}}{{\\partial w}}"
        if optimizer.name == "sgd":
            new, arrow = self.new("w")
            right = (
                f"\\underbrace{{w}}_{{\\text{{old weight}}}} - \\underbrace{{{rate}}}_{{\\text{{learning rate}}}} "
                f"\\underbrace{{{derivative}}}_{{\\text{{derivative of }} {self.loss}}}"
            )
            section.display(Row(f"\\underbrace{{{new}}}_{{\\text{{new weight}}}}", right, relation=arrow))
        else:
            section.display(*self.update_rows(None, sympy.Symbol("g", real=True)))
            section.say(f"with $g = {derivative}$ and states that start at zero.")
        settings = ", ".join(
            f"${self.writer.symbol(str(s))} = {self.writer.setting(v)}$" for s, v in optimizer.settings.items()
        )
        section.say(f"Here {settings}. All updates use the old weights on their right-hand sides.")
        if self.is_linear():
            section.say(
                f"None of these derivatives depends on a weight: ${self.loss}$ is linear in the weights, its slopes are "
                f"the same everywhere. So ${self.loss}$ has no least value, and descent on it never ends."
            )
        if len(self.network.samples) > 1:
            word = "sum" if self.network.batch == "sum" else "mean"
            section.say(f"With several samples, the derivative is the {word} of the samples' derivatives.")
        return section

    def is_linear(self) -> bool:
        """Whether no derivative depends on a weight, directly or through a value."""
        closed = [self.sweep.adjoints[w.name].closed for w in self.network.weights]
        read = [a for c in closed if c is not None for a in accesses(c)]
        roles = {self.notation.tensors[a.tensor].role for a in read}
        return None not in closed and roles <= {"input", "target", "constant"}

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

    # derivatives

    def backward(self) -> Section:
        """The derivative equations from the loss backwards, in index form, with the rules that shaped them."""
        section = Section("The derivatives, layer by layer")
        deltas = self.sweep.deltas
        if deltas:
            names = ", ".join(
                f"${self.delta(d)} = \\partial {self.loss} / \\partial {self.writer.access(self._generic(d))}$"
                for d in deltas
            )
            section.say(
                f"The chain rule, applied from the loss backwards. What several weights share is named once: {names}."
            )
        else:
            section.say("The chain rule gives")
        for name in [*deltas, *(w.name for w in self.network.weights)]:
            self._layer_block(section, name)
        return section

    def _generic(self, name: str) -> Access:
        return Access(name, *self.sweep.adjoints[name].indices)

    def delta(self, name: str) -> str:
        return self.writer.access(adjoint(self._generic(name)))

    def _layer_block(self, section: Section, name: str) -> None:
        found = self.sweep.adjoints[name]
        element = self._generic(name)
        left = f"\\frac{{\\partial {self.loss}}}{{\\partial {self.writer.access(element)}}}"
        if name in self.sweep.deltas:
            left = f"{self.delta(name)} = {left}"
        equations = [
            eq
            for step in self.sweep.equations
            for eq in (step.equations if isinstance(step, Scan) else (step,))
            if eq.lhs.tensor == adjoint(element).tensor
        ]
        if found.closed is None:
            rows = []
            for eq in equations:
                place = Access(name, *eq.lhs.indices)
                side = f"\\frac{{\\partial {self.loss}}}{{\\partial {self.writer.access(place)}}}"
                rows.append(Row(side, self.writer.equation(eq), self.number(eq), "\\mathrel{+}="))
            section.say(f"Contributions to ${left}$ are added one after the other, the last time step first:")
            section.display(*rows)
            return
        eq = equations[0]
        section.display(Row(left, self.writer.equation(eq), self.number(eq)))
        reasons = [RULES[r] for r in found.rules]
        if reasons:
            section.say(f"\\textit{{Rules used: {'; '.join(reasons)}.}}")

    def every_weight(self) -> Section:
        """Chain rule, substitution, differentiation, named quantities and update for every single weight."""
        assert self.stepwise is not None
        section = Section("Every weight, step by step")
        for name in self.sweep.deltas:
            if self.sweep.adjoints[name].closed is None:
                continue
            for element in self.network.tensors[name].elements():
                self._steps(section, self.stepwise.derive(element), self.writer.access(adjoint(element)))
        weights = [e for w in self.network.weights for e in w.elements()]
        for weight in reversed(weights):
            derived = self.stepwise.derive(weight)
            self._steps(section, derived, "")
            section.say("Hence the update")
            section.display(*self.update_rows(weight, derived.result))
        return section

    def _steps(self, section: Section, derived: ElementDerivation, name: str) -> None:
        element = self.writer.access(derived.element)
        section.say(f"\\step{{${name + ' = ' if name else ''}\\partial {self.loss} / \\partial {element}$}}")
        left = f"\\frac{{\\partial {self.loss}}}{{\\partial {element}}}"
        rows = []
        for step in derived.steps:
            rows.append(Row(left, self.writer.line(step.after), self.remark(step)))
            left = ""
        if name:
            rows.append(Row("", name))
        section.display(*rows)
        uses = [(a, b) for step in derived.steps for a, b in step.uses]
        if uses:
            facts = ", ".join(f"${self.writer.line(a)} = {self.short(b)}$" for a, b in dict(uses).items())
            section.say(f"\\uses{{{facts}}}")

    def short(self, expression: sympy.Expr) -> str:
        return self.writer.line(expression, self.orders.get(expression, ()))

    @staticmethod
    def remark(step: Step) -> str:
        return f"\\remark{{{step.rule}}}"

    def all_updates(self) -> Section:
        section = Section("All updates")
        rows = []
        for weight in reversed([e for w in self.network.weights for e in w.elements()]):
            rows += self.update_rows(weight, self.scalars.gradient(weight))
        section.display(*rows)
        return section

    # matrix form

    def matrix_form(self) -> list[Section]:
        section = Section("The same as matrices")
        rows = self.matrix_rows()
        if rows and not self.notation.numbered and any(t.shape for t in self.network.tensors.values()):
            section.say("With vectors as columns, row $i$ of a weight matrix holding the weights into unit $i$:")
            section.display(*rows)
        if self.small:
            blocks = self.element_matrices()
            if blocks:
                section.say("All weights of an array at once:")
                for block in blocks:
                    section.display(*block)
        return [section] if section.blocks else []

    def element_matrices(self) -> list[list[Row]]:
        """For gradient descent, the update of every small weight array, factored and element by element."""
        optimizer = self.network.optimizer
        if optimizer.name != "sgd":
            return []
        rate = self.writer.line(optimizer.rate)
        blocks = []
        for weight in reversed(self.network.weights):
            layout = grid(weight, self.sweep.adjoints[weight.name].indices, self.notation.numbered)
            if layout is None:
                continue
            old = bmatrix([[self.writer.access(e) for e in r] for r in layout.rows])
            new = bmatrix([[self.new(self.writer.access(e))[0] for e in r] for r in layout.rows])
            changes = [[self.writer.line(optimizer.rate * self.scalars.gradient(e)) for e in r] for r in layout.rows]
            product = factored(layout, self.sweep.adjoints[weight.name].closed, self.scalars, self._symbols)
            rows = [Row(new, f"{old} - {rate}\\, {product}", relation=self.new("")[1])] if product else []
            left = "" if rows else new
            rows.append(Row(left, f"{old} - {bmatrix(changes)}", relation="=" if rows else self.new("")[1]))
            blocks.append(rows)
        return blocks

    def _symbols(self, expression: sympy.Expr, scalar: bool = False) -> str:
        return self.writer.factor(expression) if scalar else self.writer.line(expression)

    def matrix_rows(self) -> list[Row]:
        rows = []
        for eq in self.network.flat_equations:
            if not self.network.tensors[eq.lhs.tensor].anonymous:
                text = self.matrix.equation(eq)
                if text and "\\sum" not in text:
                    rows.append(Row(self.matrix.bold(eq.lhs.tensor), text))
        flat = [e for s in self.sweep.equations for e in (s.equations if isinstance(s, Scan) else (s,))]
        for eq in flat:
            name = eq.lhs.tensor.removeprefix("∂")
            if name in self.sweep.deltas and not eq.accumulate:
                text = self.matrix.equation(eq)
                if text:
                    rows.append(Row(self.matrix.bold(eq.lhs.tensor), text))
            elif name in self.sweep.weights and not eq.accumulate:
                text = self.matrix.gradient(eq)
                if text:
                    left = f"\\frac{{\\partial {self.loss}}}{{\\partial {self.matrix.bold(name)}}}"
                    rows.append(Row(left, text))
        return rows

    # the proof

    def proof(self) -> Section:
        section = Section("How these formulas were checked")
        proof = self.derivation.proof
        where = " at narrow sizes (the formulas hold for any width)" if proof.narrow else ""
        checks = "; ".join(
            f"{c.name}, {c.comparisons} comparisons, largest difference {_power(c.error)}" for c in proof.checks
        )
        section.say(
            f"Before they were printed, all derivatives were compared{where} at {proof.points} random points in "
            f"50-digit arithmetic: {checks}."
        )
        return section


def _power(error: float) -> str:
    if error == 0:
        return "none"
    return f"below $10^{{{int(f'{error:e}'.split('e')[1]) + 1}}}$"
