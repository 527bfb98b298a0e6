"""What networks and derivations look like at a prompt (plain text) and in a notebook (LaTeX).

The formulas are those of the notes, set by the same writers.  LaTeX stays within what MathJax and KaTeX know: one
``aligned`` environment, no labels, no macros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import singledispatch

import sympy

from codegen import summary
from codegen.formulas.latex import Code, Latex, Text, equations_of
from codegen.formulas.matrices import MatrixWriter
from codegen.formulas.notation import Name, Notation, name_of
from codegen.formulas.writer import Writer
from codegen.notes.document import Row
from derive.derivation import Derivation
from derive.expressions import Access, Cases, Equal, Within, accesses
from derive.functions import Formula
from derive.gradient import Sweep, adjoint_name
from derive.interface import Gradient, Gradients, Steps
from derive.language.optimizers import catalogued
from derive.network import Equation, Network, Optimizer, Scan, Tensor, flatten
from derive.scalars import adjoint

MAX_ROWS = 24  # gradients listed one below the other

_NO_DERIVATIVES = Sweep({}, (), (), {}, frozenset())


class Board:
    """One network, and its derivatives where they are known, written by one writer."""

    def __init__(self, kind: type[Writer], network: Network, sweep: Sweep = _NO_DERIVATIVES) -> None:
        self.network, self.sweep = network, sweep
        self.writer = kind(Notation(network, sweep), equations_of(network, sweep))

    def row(self, eq: Equation) -> Row:
        relation = "=" if not eq.accumulate else "\\mathrel{+}=" if isinstance(self.writer, Latex) else "+="
        return Row(self.left(eq.lhs), self.writer.equation(eq), relation)

    def left(self, lhs: Access) -> str:
        """A left side; a derivative that has a name is told to be one: Δ = ∂Error/∂prediction."""
        if not lhs.tensor.startswith("∂") or not self.network.loss:
            return self.writer.access(lhs)
        derivative = self.derivative(Access(lhs.tensor[1:], *lhs.indices))
        return f"{self.writer.access(lhs)} = {derivative}" if lhs.tensor[1:] in self.sweep.deltas else derivative

    def derivative(self, by: Access) -> str:
        """∂loss/∂by; what has no name stands in brackets."""
        loss = self.writer.access(Access(self.network.loss))
        below = self.writer.access(by) if by.tensor in self.writer.notation.names else self.writer.factor(by)
        if isinstance(self.writer, Latex):
            return f"\\frac{{\\partial {loss}}}{{\\partial {below}}}"
        return f"∂{loss}/∂{below}"

    def forward(self) -> list[Row]:
        """The equations of the network that have a name."""
        return [self.row(eq) for eq in self.network.flat_equations if not self._is_anonymous(eq)]

    def deltas(self) -> list[Row]:
        """The derivatives that others refer to by name."""
        return [self.row(eq) for eq in flatten(self.sweep.equations) if eq.lhs.tensor[1:] in self.sweep.deltas]

    def gradient(self, tensor: str) -> list[Row]:
        """The derivative by a weight array, in indices."""
        return [self.row(eq) for eq in flatten(self.sweep.equations) if eq.lhs.tensor == adjoint_name(tensor)]

    def _is_anonymous(self, eq: Equation) -> bool:
        return self.writer.notation.tensors[eq.lhs.tensor].anonymous


def gradient_rows(found: Gradient, kind: type[Writer]) -> list[Row]:
    """The equation, or the equations, for one derivative."""
    derivation = found.derivation
    board = Board(kind, derivation.network, derivation.sweep)
    if found.is_array:
        return board.gradient(found.element.tensor)
    return [Row(board.derivative(found.element), board.writer.line(derivation.scalars.gradient(found.element)))]


def matrix_row(found: Gradient) -> Row | None:
    """The derivative by an array as a product of matrices, in LaTeX; ``None`` where there is no such form.

    The numbered notation has none: there every column of a matrix belongs to one unit, unlike in the equations.
    """
    board = Board(Latex, found.derivation.network, found.derivation.sweep)
    equations = [eq for eq in flatten(board.sweep.equations) if eq.lhs.tensor == adjoint_name(found.element.tensor)]
    if not found.is_array or len(equations) != 1 or board.writer.notation.numbered:
        return None
    assert isinstance(board.writer, Latex)
    matrix = MatrixWriter(board.writer)
    text, loss = matrix.gradient(equations[0]), board.writer.access(Access(board.network.loss))
    return Row(f"\\frac{{\\partial {loss}}}{{\\partial {matrix.letter(found.element.tensor)}}}", text) if text else None


def with_matrices(found: Gradient) -> list[Row]:
    """One derivative in LaTeX: in indices and, where there is such a form, in matrices."""
    row = matrix_row(found)
    return [*gradient_rows(found, Latex), *([row] if row else [])]


def all_gradients(gradients: Gradients, kind: type[Writer]) -> Iterator[Row]:
    """What is named, then the derivative by everything that the gradients are listed by."""
    derivation = gradients.derivation
    yield from Board(kind, derivation.network, derivation.sweep).deltas()
    for gradient in gradients.values():
        yield from with_matrices(gradient) if kind is Latex else gradient_rows(gradient, kind)


def step_rows(steps: Steps, kind: type[Writer]) -> list[Row]:
    """The lines of the derivation of one derivative, each with what was done."""
    derivation = steps.derivation
    board = Board(kind, derivation.network, derivation.sweep)
    rows, left = [], board.derivative(steps.derived.element)
    for step in steps.derived.steps:
        rows.append(Row(left, board.writer.line(step.after), remark=step.rule))
        left = ""
    return rows


# Plain text -----------------------------------------------------------------------------------------------------


@singledispatch
def text(thing: object) -> str:
    """Several lines of plain text."""
    raise NotImplementedError(f"no text for {type(thing).__name__}")


@text.register
def _(network: Network) -> str:
    arrays, single = len(network.weights), sum(w.size for w in network.weights)
    head = f'<Network "{network.title}": {counted(single, "weight")} in {counted(arrays, "array")}>'
    roles = [(r, network.of_role(r)) for r in ("input", "target", "mask", "weight", "constant")]
    declared = [Row(role, ", ".join(map(str, tensors)), "") for role, tensors in roles if tensors]
    return "\n".join([head, *_columns([*declared, *Board(Text, network).forward()])])


@text.register
def _(derivation: Derivation) -> str:
    return summary.text(derivation)


@text.register
def _(gradient: Gradient) -> str:
    return "\n".join(line.strip() for line in _columns(gradient_rows(gradient, Text)))


@text.register
def _(gradients: Gradients) -> str:
    rows = list(all_gradients(gradients, Text))
    more = [f" … and {len(rows) - MAX_ROWS} more"] if len(rows) > MAX_ROWS else []
    head = f"<Gradients of {gradients.derivation.network.loss}: {', '.join(list(gradients)[:8])}"
    return "\n".join([head + ("…>" if len(gradients) > 8 else ">"), *_columns(rows[:MAX_ROWS]), *more])


@text.register
def _(steps: Steps) -> str:
    return "\n".join(line.rstrip() for line in _columns(step_rows(steps, Text)))


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _columns(rows: list[Row]) -> list[str]:
    """Rows of text with their relations one below the other, remarks at the right."""
    left = max(len(r.left) for r in rows)
    right = max(len(r.right) for r in rows)
    lines = [f" {r.left:{left}} {r.relation or ' '} {r.right}" for r in rows]
    width = left + right + 6
    return [f"{line:{width}}{r.remark}" if r.remark else line for line, r in zip(lines, rows, strict=True)]


# LaTeX ----------------------------------------------------------------------------------------------------------


@singledispatch
def latex(thing: object) -> str:
    """LaTeX for display mathematics."""
    raise NotImplementedError(f"no LaTeX for {type(thing).__name__}")


@latex.register
def _(network: Network) -> str:
    return aligned(Board(Latex, network).forward())


@latex.register
def _(derivation: Derivation) -> str:
    board = Board(Latex, derivation.network, derivation.sweep)
    return aligned([*board.forward(), *all_gradients(derivation.gradients, Latex)])


@latex.register
def _(gradient: Gradient) -> str:
    return aligned(with_matrices(gradient))


@latex.register
def _(gradients: Gradients) -> str:
    return aligned(all_gradients(gradients, Latex))


@latex.register
def _(steps: Steps) -> str:
    return aligned(step_rows(steps, Latex))


@latex.register
def _(equation: Equation) -> str:
    return aligned([_alone([equation]).row(equation)])


@latex.register
def _(scan: Scan) -> str:
    first, last = (scan.last, scan.first) if scan.backward else (scan.first, scan.last)
    board = _alone(scan.equations)
    rows = [board.row(eq) for eq in scan.equations]
    when = f"{sympy.latex(scan.index)} = {first}, \\dots, {last}"
    return aligned([*rows[:-1], replace(rows[-1], right=f"{rows[-1].right}, \\qquad {when}")])


@latex.register
def _(optimizer: Optimizer) -> str:
    writer = Board(Latex, _network([])).writer
    rows = [(writer.symbol(str(s)), writer.line(body, optimizer.order(s))) for s, body in optimizer.updates]
    return aligned(Row(left, right, "\\leftarrow") for left, right in rows)


def aligned(rows: Iterable[Row]) -> str:
    """Rows in one ``aligned`` environment; the first :data:`MAX_ROWS` of a long list."""
    rows = list(rows)
    lines = [
        f"{r.left} &{r.relation} {r.right}" + (f" &&\\text{{{r.remark}}}" if r.remark else "") for r in rows[:MAX_ROWS]
    ]
    more = [f"&\\;\\;\\vdots \\quad \\text{{and {len(rows) - MAX_ROWS} more}}"] if len(rows) > MAX_ROWS else []
    return "\\begin{aligned} " + " \\\\[0.3em] ".join([*lines, *more]) + " \\end{aligned}"


def _alone(equations: Iterable[Equation]) -> Board:
    """A board for equations whose network is not known: names are all there is."""
    found = {a.tensor: len(a.indices) for eq in equations for a in (eq.lhs, *eq.reads)}
    board = Board(Latex, _network([Tensor(name, (1,) * rank, "value") for name, rank in found.items()]))
    notation, unspoken = board.writer.notation, {name: _unspoken(name) for name in found if not name.isascii()}
    notation.names |= unspoken
    notation.deltas |= {name[1:]: letter for name, letter in unspoken.items() if name.startswith("∂")}
    return board


def _unspoken(name: str) -> Name:
    """A letter for what no user can name: sums without a name and derivatives."""
    stem = name.lstrip("∂Σ⌈⟨")
    signs = name[: len(name) - len(stem)].replace("∂", "\\partial ").replace("Σ", "\\Sigma ")
    base = signs.replace("⌈", "M").replace("⟨", "T").strip()
    if stem.isdigit() or not stem:
        return Name(f"{{{base}}}", "", stem, name)
    inner = name_of(stem, is_array=True)
    return Name(f"{{{base} {inner.base}}}", inner.upper, inner.lower, name)


def _network(tensors: list[Tensor]) -> Network:
    return Network("", {t.name: t for t in tensors}, (), "", catalogued("sgd"), ())


# SymPy ----------------------------------------------------------------------------------------------------------


def as_sympy(gradient: Gradient) -> sympy.Expr | None:
    """The derivative as SymPy's own expression: scalars are symbols, elements of arrays are indexed, sums are ``Sum``.

    ``None`` where the derivative is spread over several equations.
    """
    derivation = gradient.derivation
    if not gradient.is_array:
        form = derivation.scalars.gradient(gradient.element)
    else:
        equations = [e for e in flatten(derivation.sweep.equations) if e.lhs == adjoint(gradient.element)]
        if len(equations) != 1 or equations[0].accumulate:
            return None
        (equation,) = equations
        form = _summed(equation, equation.body)
    return _plain(form, Board(Code, derivation.network, derivation.sweep))


def expanded(gradient: Gradient) -> sympy.Expr:
    """The derivative by a single weight down to inputs, targets, weights and constants, as SymPy's own expression."""
    derivation = gradient.derivation
    board = Board(Code, derivation.network, derivation.sweep)
    return _plain(derivation.scalars.expanded(adjoint(gradient.element)), board)


def _plain(form: sympy.Expr, board: Board) -> sympy.Expr:
    while formulas := form.atoms(Formula):
        form = form.xreplace({f: f.expanded() for f in formulas})
    while cases := form.atoms(Cases):
        form = form.xreplace({c: sympy.Piecewise((c.args[1], c.args[0] > 0), (c.args[2], True)) for c in cases})
    while inside := form.atoms(Within):
        form = form.xreplace({w: _within(*w.args) for w in inside})
    form = form.xreplace({e: sympy.Piecewise((1, sympy.Eq(*e.args)), (0, True)) for e in form.atoms(Equal)})
    replaced: dict[sympy.Expr, sympy.Expr] = {}
    for access in accesses(form):
        if access.tensor not in board.writer.notation.tensors:
            continue
        if board.writer.notation.tensors[access.tensor].anonymous:
            equation = board.writer.equations[access.tensor]
            there: Mapping[sympy.Expr, sympy.Expr] = dict(zip(equation.lhs.indices, access.indices, strict=True))
            replaced[access] = _plain(_summed(equation, equation.body).xreplace(there), board)
        else:
            name, *subscripts = board.writer.access(access).removesuffix("]").split("[")
            replaced[access] = sympy.IndexedBase(name)[access.indices] if subscripts else sympy.Symbol(name)
    return form.xreplace(replaced)


def _within(subscript: sympy.Expr, first: sympy.Expr, last: sympy.Expr, value: sympy.Expr) -> sympy.Expr:
    return sympy.Piecewise((value, sympy.And(first <= subscript, subscript <= last)), (0, True))


def _summed(equation: Equation, body: sympy.Expr) -> sympy.Expr:
    """A body under the reduction of its equation."""
    if not equation.reduce:
        return body
    if equation.kind == "max":
        name = sympy.Function("Maximum")
        return name(body, *equation.reduce)
    return sympy.Sum(body, *((s, *equation.ranges[s]) for s in equation.reduce))
