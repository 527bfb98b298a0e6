"""The steps from the chain rule to a closed form, as data: what a lecturer writes line by line.

A :class:`Derivation` of one element (a weight, or a δ that several weights share) is a list of :class:`Step`.  The
lines are small trees over SymPy scalars (:class:`Partial`, :class:`Product`, :class:`Total`) because a line such as
``2 · ½ (y − t) · ∂(y − t)/∂y`` is exactly what SymPy would simplify away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import sympy

from derive.expressions import Access, accesses, partial
from derive.gradient import adjoint_name
from derive.network import Scan, cut
from derive.scalars import Scalars, adjoint
from derive.tidy import tidy

Chain: TypeAlias = tuple[Access, ...]
MAX_PATHS = 6  # of a sum over paths; with more of them only the result is given
MAX_TERMS = 6  # of a sum that is differentiated; the others are dots
DOTS = sympy.Symbol("⋯")
MAX_SYMBOLS = 12  # of a definition that is put into a line down to inputs and weights


@dataclass(frozen=True)
class Partial:
    """∂of/∂by, not carried out; the other quantities in ``of`` are held fixed, unless it is ``total``."""

    of: sympy.Expr
    by: Access
    total: bool = False

    def __repr__(self) -> str:
        return cut(plain(self))


@dataclass(frozen=True)
class Product:
    """Factors in the order of the chain rule."""

    factors: tuple[Line, ...]

    def __repr__(self) -> str:
        return cut(plain(self))


@dataclass(frozen=True)
class Total:
    """Terms of a sum over paths."""

    terms: tuple[Line, ...]

    def __repr__(self) -> str:
        return cut(plain(self))


@dataclass(frozen=True)
class Summed:
    """A line summed over indices, each from its first to its last value, where all ``conditions`` hold.

    A condition is an index expression with its least and its greatest value, either of them infinite perhaps.
    """

    line: Line
    over: tuple[tuple[sympy.Symbol, int, int], ...]
    conditions: tuple[tuple[sympy.Expr, sympy.Expr, sympy.Expr], ...] = ()

    def __repr__(self) -> str:
        return cut(plain(self))


Line: TypeAlias = sympy.Expr | Partial | Product | Total | Summed


@dataclass(frozen=True)
class Step:
    """One line: ``after`` follows from the line before by the rule ``rule``; ``uses`` are the equalities it needs."""

    rule: str
    after: Line
    uses: tuple[tuple[sympy.Expr, sympy.Expr], ...] = ()

    def __repr__(self) -> str:
        return f"<Step {self.rule}: {cut(plain(self.after))}>"


@dataclass(frozen=True)
class ElementDerivation:
    """All steps for ∂loss/∂element; ``result`` is the closed form in named quantities."""

    element: Access
    steps: tuple[Step, ...]
    result: sympy.Expr
    several_paths: bool

    def __repr__(self) -> str:
        rules = ", ".join(step.rule for step in self.steps)
        return f"<ElementDerivation of {self.element}: {rules}; {cut(str(self.result))}>"


class Stepwise:
    """Makes the steps for single elements of one network."""

    def __init__(self, scalars: Scalars) -> None:
        self.scalars = scalars
        self.loss = Access(scalars.network.loss)
        self.deltas = set(scalars.sweep.deltas)
        self._users: dict[Access, list[Access]] = {}
        for tensor in scalars.network.tensors.values():
            if tensor.role == "value" and not tensor.anonymous:
                for element in tensor.elements():
                    for read in accesses(scalars.definition(element) or sympy.Integer(0)):
                        self._users.setdefault(read, []).append(element)

    # paths

    def chains(self, element: Access, is_delta: bool = False) -> list[Chain]:
        """The paths by which the loss depends on an element, each from its top down to the element.

        A path starts at the loss, or at the nearest quantity whose derivative has a name, unless the loss reads
        that quantity directly: then the line from the loss is short.
        """
        found: list[Chain] = []

        def climb(path: Chain) -> None:
            top = path[0]
            if len(found) > MAX_PATHS:
                return
            if top == self.loss or (len(path) > 1 and top.tensor in self.deltas):
                found.append(path)
                return
            for user in self._users.get(top, ()):
                climb((user, *path))

        climb((element,))
        if not is_delta and len(found) == 1:
            top = found[0][0]
            above = self.chains(top, is_delta=True) if top != self.loss else []
            if len(above) == 1 and above[0] == (self.loss, top):
                return [(*above[0], *found[0][1:])]
        return found

    # lines

    def derive(self, element: Access) -> ElementDerivation:
        """The steps for one element."""
        is_delta = element.tensor in self.deltas
        chains = self.chains(element, is_delta)
        result = self.result(element)
        steps: list[Step] = []
        if 0 < len(chains) <= MAX_PATHS:
            if chains != [(self.loss, element)]:
                steps.append(Step("chain rule", self._total(chains, self._chain)))
            substituted = self._total(chains, lambda c: self._substituted(c, is_delta))
            steps.append(Step("substitution", substituted, tuple(self._definitions_used(chains))))
            steps.append(Step("differentiation", self._total(chains, lambda c: self._differentiated(c, is_delta))))
        undelta, uses = self._without_short_deltas(result, chains)
        uses += self._names_restored(result, chains, is_delta)
        if undelta != result:
            steps.append(Step("simplification", undelta))
        steps.append(Step("named quantities", result, uses))
        return ElementDerivation(element, tuple(_distinct(steps)), result, len(chains) > 1)

    def result(self, element: Access) -> sympy.Expr:
        """The closed form of ∂loss/∂element in named quantities, itself not named."""
        form = self.scalars.definition(adjoint(element))
        return form if form is not None else sympy.Integer(0)

    def _total(self, chains: list[Chain], make: Callable[[Chain], Line]) -> Line:
        lines = [make(chain) for chain in chains]
        return lines[0] if len(lines) == 1 else Total(tuple(lines))

    def _chain(self, chain: Chain) -> Line:
        pairs = list(pairwise(chain))
        factors: list[Line] = [Partial(above, below) for above, below in pairs]
        if chain[0] != self.loss:
            factors.insert(0, Partial(self.loss, chain[0], total=True))
        return _product(factors)

    def _substituted(self, chain: Chain, is_delta: bool) -> Line:
        factors: list[Line] = [] if chain[0] == self.loss else [adjoint(chain[0])]
        for above, below in pairwise(chain):
            last = below == chain[-1] and not is_delta
            factors.append(Partial(abridged(self._inserted(above, below, last), below), below))
        return _product(factors)

    def _inserted(self, above: Access, below: Access, last: bool) -> sympy.Expr:
        """The right side that stands for ``above``: its definition, or for the last factor inputs and weights."""
        definition = self.scalars.definition(above)
        assert definition is not None
        if not last or above == self.loss or self.scalars.size(above) > MAX_SYMBOLS:
            return definition
        values = [a for a in accesses(definition) if self.scalars.definition(a) is not None]
        expanded = self.scalars.expand(definition)
        several_ways = any(self.scalars.expanded(v).has(below) for v in values)
        if several_ways or expanded.atoms(sympy.Function):
            return definition
        return expanded

    def _differentiated(self, chain: Chain, is_delta: bool) -> Line:
        factors: list[Line] = [] if chain[0] == self.loss else [adjoint(chain[0])]
        for above, below in pairwise(chain):
            last = below == chain[-1] and not is_delta
            factors += outer_derivative(self._inserted(above, below, last), below)
        return _product(factors)

    def _definitions_used(self, chains: list[Chain]) -> list[tuple[sympy.Expr, sympy.Expr]]:
        used: dict[Access, sympy.Expr] = {}
        for chain in chains:
            for above in chain[:-1]:
                if not (above == chain[0] and above != self.loss and above.tensor in self.deltas and len(chains) > 1):
                    used.setdefault(above, self.scalars.definition(above) or above)
        return list(used.items())

    def _names_restored(
        self, result: sympy.Expr, chains: list[Chain], is_delta: bool
    ) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
        """The values in the result that the lines before wrote out: ``h2 = i1 w3 + i2 w4``."""
        if is_delta or len(chains) != 1 or len(chains[0]) < 2:
            return ()
        above, below = chains[0][-2:]
        definition = self.scalars.definition(above)
        if definition is None or self._inserted(above, below, last=True) == definition:
            return ()
        values = [a for a in accesses(result) if self.scalars.tensors[a.tensor].role == "value"]
        return tuple((a, self.scalars.definition(a) or a) for a in values)

    def _without_short_deltas(
        self, result: sympy.Expr, chains: list[Chain]
    ) -> tuple[sympy.Expr, tuple[tuple[sympy.Expr, sympy.Expr], ...]]:
        """The result with every δ that the chains passed through written out, and the equalities that name it."""
        tops = {chain[0] for chain in chains}
        inside = {adjoint(e): e for chain in chains for e in chain[1:-1] if e not in tops}
        mapping = {delta: self.result(inside[delta]) for delta in accesses(result) if delta in inside}
        return result.xreplace(mapping), tuple(mapping.items())


def all_steps(scalars: Scalars) -> Iterator[tuple[Access, ElementDerivation]]:
    """The steps for every δ from the loss backwards, then for every weight, the last first."""
    stepwise = Stepwise(scalars)
    network = scalars.network
    for name in scalars.sweep.deltas:
        if scalars.sweep.adjoints[name].closed is not None:
            yield from ((element, stepwise.derive(element)) for element in delta_elements(scalars, name))
    weights = [element for w in network.weights for element in w.elements()]
    yield from ((element, stepwise.derive(element)) for element in reversed(weights))


def plain(line: Line) -> str:
    """A line in SymPy's spelling, for a ``repr``."""
    match line:
        case Partial():
            return f"∂{line.of if isinstance(line.of, Access) else f'({line.of})'}/∂{line.by}"
        case Product():
            return " · ".join(map(plain, line.factors))
        case Total():
            return " + ".join(map(plain, line.terms))
        case Summed():
            where = "".join(f"[{first} ≤ {s} ≤ {last}] " for s, first, last in line.conditions)
            return f"Σ_{','.join(str(i) for i, *_ in line.over)} {where}({plain(line.line)})"
    return f"({line})" if line.is_Add else str(line)


def delta_elements(scalars: Scalars, name: str) -> list[Access]:
    """The elements of a tensor that have a derivative; in a recurrence those of the last time step first."""
    elements = [Access(name, *e.indices) for e in scalars.tensors[adjoint_name(name)].elements()]
    for step in scalars.sweep.equations:
        for eq in step.equations if isinstance(step, Scan) else ():
            if eq.lhs.tensor == adjoint_name(name) and isinstance(step, Scan) and step.index in eq.lhs.indices:
                time = eq.lhs.indices.index(step.index)
                elements.sort(key=lambda e: -int(e.indices[time]))
    return elements


def abridged(body: sympy.Expr, by: Access) -> sympy.Expr:
    """A long sum without most of the terms that do not depend on ``by``."""
    terms = sympy.Add.make_args(body)
    if len(terms) <= MAX_TERMS:
        return body
    return sympy.Add(*(t for t in terms if t.has(by)), DOTS)


def outer_derivative(body: sympy.Expr, by: Access) -> list[Line]:
    """∂body/∂by with the outer function differentiated and the derivative of its inside left to be seen.

    ``½ (y − t)²`` by y gives 2 · ½, (y − t), ∂(y − t)/∂y.  What does not depend on ``by`` drops out first.
    """
    terms = [t for t in sympy.Add.make_args(body) if t.has(by)]
    if len(terms) == 1:
        number, rest = terms[0].as_coeff_Mul()
        if rest.is_Pow and rest.exp.is_Integer and rest.exp > 1 and rest.base != by and rest.base.has(by):
            inner = [] if rest.exp == 2 else [rest.exp - 1]
            powered = rest.base ** (inner[0] if inner else 1)
            return [*([rest.exp] if number == 1 else [rest.exp, number]), powered, Partial(rest.base, by)]
    return [tidy(partial(body, by)).expression]


def evaluate_line(line: Line, scalars: Scalars) -> sympy.Expr:
    """A line as one SymPy expression in named quantities, its partial derivatives carried out."""
    match line:
        case Partial(total=True):
            return adjoint(line.by)
        case Partial() if line.of == line.by:
            return sympy.Integer(1)
        case Partial():
            definition = scalars.definition(line.of) if isinstance(line.of, Access) else None
            return partial(line.of if definition is None else definition, line.by)
        case Product():
            return sympy.Mul(*(evaluate_line(f, scalars) for f in line.factors))
        case Total():
            return sympy.Add(*(evaluate_line(t, scalars) for t in line.terms))
    return line


def _product(factors: list[Line]) -> Line:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _distinct(steps: list[Step]) -> list[Step]:
    """Without lines that repeat the line before."""
    kept: list[Step] = []
    for step in steps:
        if kept and _same(kept[-1].after, step.after):
            if step.uses and not kept[-1].uses:
                kept[-1] = Step(kept[-1].rule, kept[-1].after, step.uses)
            continue
        kept.append(step)
    return kept


def _same(one: Line, other: Line) -> bool:
    if one == other:
        return True
    plain = not _has_partial(one) and not _has_partial(other)
    return plain and isinstance(one, Product) and 1 not in one.factors and sympy.Mul(*one.factors) == other


def _has_partial(line: Line) -> bool:
    match line:
        case Partial():
            return True
        case Product():
            return any(_has_partial(f) for f in line.factors)
        case Total():
            return any(_has_partial(t) for t in line.terms)
    return False
