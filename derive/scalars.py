"""Single elements of a network: definitions and derivatives with every index a number and every sum written out.

Three depths of a closed form meet here: the equations in indices (:mod:`derive.gradient`) put in give

* :meth:`Scalars.gradient`: ∂L/∂w in quantities that have a name, ``Δ w5 i1``;
* :meth:`Scalars.expanded`: the same down to inputs, targets and weights alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product

import sympy

from derive.expressions import Access, Index, accesses, rename
from derive.functions import Largest, maximum
from derive.gradient import Sweep, adjoint_name
from derive.network import Equation, Network, Scan, Tensor, flatten

MAX_SIZE = 10_000  # symbols of an element written out; beyond, they are not counted
MAX_STEPS = 4  # of a recurrence that is unrolled
MAX_CHOICES = 8  # elements of which the largest is written out


class Scalars:
    """Element-level view of a network and its derivatives."""

    def __init__(self, network: Network, sweep: Sweep) -> None:
        self.network = network
        self.sweep = sweep
        self.tensors: dict[str, Tensor] = {**network.tensors, **sweep.tensors}
        self._by_tensor: dict[str, list[Equation]] = {}
        for eq in flatten((*network.equations, *sweep.equations, *sweep.absorbed)):
            self._by_tensor.setdefault(eq.lhs.tensor, []).append(eq)
        self._definitions: dict[Access, sympy.Expr] = {}
        self._expanded: dict[Access, sympy.Expr] = {}
        self._sizes: dict[Access, int] = {}

    def definition(self, element: Access) -> sympy.Expr | None:
        """The right side for one element, anonymous sums written out; ``None`` for data, weights and constants."""
        tensor = self.tensors[element.tensor]
        if tensor.role not in ("value", "adjoint"):
            return None
        if element not in self._definitions:
            self._definitions[element] = sympy.Add(*(self._terms(element)))
        return self._definitions[element]

    def _terms(self, element: Access) -> Iterator[sympy.Expr]:
        for eq in self._by_tensor.get(element.tensor, ()):
            for binding in self._bindings(eq, element):
                yield self._write_out(eq, binding)

    def _bindings(self, eq: Equation, element: Access) -> Iterator[dict[Index, sympy.Expr]]:
        """The index values for which an equation speaks of this element."""
        binding: dict[Index, sympy.Expr] = {}
        affine = False
        for mine, wanted in zip(eq.lhs.indices, element.indices, strict=True):
            if mine.is_Symbol:
                first, last = eq.ranges[mine]
                if not first <= wanted <= last or binding.get(mine, wanted) != wanted:
                    return
                binding[mine] = wanted
            elif mine.is_Integer:
                if mine != wanted:
                    return
            else:
                affine = True
        loose = [s for s in eq.ranges if s not in binding and s not in eq.reduce]
        if not affine and not loose:
            yield binding
            return
        for point in product(*(range(eq.ranges[s][0], eq.ranges[s][1] + 1) for s in loose)):
            full = {**binding, **dict(zip(loose, map(sympy.Integer, point), strict=True))}
            if rename(eq.lhs, full) == element:
                yield full

    def _write_out(self, eq: Equation, binding: dict[Index, sympy.Expr]) -> sympy.Expr:
        spans = [range(eq.ranges[s][0], eq.ranges[s][1] + 1) for s in eq.reduce]
        terms = []
        for point in product(*spans):
            inner = dict(zip(eq.reduce, map(sympy.Integer, point), strict=True))
            terms.append(self.named(rename(eq.body, {**binding, **inner})))
        if eq.kind == "sum":
            return sympy.Add(*terms)
        if len(terms) > MAX_CHOICES:
            return Largest(*terms)
        largest = terms[-1]
        for term in reversed(terms[:-1]):
            largest = maximum(term, largest)
        return largest

    def named(self, expression: sympy.Expr) -> sympy.Expr:
        """Anonymous sums in an expression written out, the zeros of borders as zeros."""
        found = accesses(expression)
        borders = [a for a in found if self.tensors[a.tensor].border and self.definition(a) == 0]
        anonymous = [a for a in found if self.tensors[a.tensor].anonymous]
        known = {a: self.definition(a) for a in anonymous} | dict.fromkeys(borders, sympy.Integer(0))
        return expression.xreplace(known) if known else expression

    def gradient(self, weight: Access) -> sympy.Expr:
        """∂L/∂weight in named quantities: values, δs, weights."""
        result = self.definition(adjoint(weight))
        return sympy.Integer(0) if result is None else result

    def expanded(self, element: Access) -> sympy.Expr:
        """An element down to inputs, targets, weights and constants alone."""
        if element not in self._expanded:
            definition = self.definition(element)
            if definition is None:
                return element
            self._expanded[element] = self.expand(definition)
        return self._expanded[element]

    def expand(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression with every named value replaced by what it is made of."""
        return expression.xreplace({a: self.expanded(a) for a in accesses(expression)})

    def size(self, element: Access) -> int:
        """About how many symbols the expanded element has, without expanding it; stops counting at ``MAX_SIZE``."""
        if element not in self._sizes:
            definition = self.definition(element)
            self._sizes[element] = 1
            if definition is not None:
                total = sum(self.size(a) * times for a, times in occurrences(definition).items())
                self._sizes[element] = min(MAX_SIZE, max(1, total))
        return self._sizes[element]


def is_short(scalars: Scalars, limit: int = 16) -> bool:
    """Whether every value and every derivative of a network can be written on a line or two."""
    network = scalars.network
    defined = [e for t in network.tensors.values() if t.role == "value" and not t.anonymous for e in t.elements()]
    weights = [e for w in network.weights for e in w.elements()]
    forms = [scalars.definition(e) for e in defined] + [scalars.gradient(w) for w in weights]
    return all(form is None or occurrences(form).total() <= limit for form in forms)


def occurrences(expression: sympy.Expr) -> Counter[Access]:
    """How often every element stands in an expression."""
    found: Counter[Access] = Counter()
    waiting: list[sympy.Basic] = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Access):
            found[node] += 1
        else:
            waiting += node.args
    return found


def adjoint(element: Access) -> Access:
    """∂L/∂element as an access."""
    return Access(adjoint_name(element.tensor), *element.indices)


def is_small(network: Network, limit: int = 40) -> bool:
    """Whether every single weight can be shown: at most ``limit`` weights, no long sums, no long way back in time.

    The largest of k elements, written out as cases inside cases, has 2^k of them.
    """
    steps = [step.last - step.first + 1 for step in network.equations if isinstance(step, Scan)]
    return (
        sum(t.size for t in network.weights) <= limit
        and all(t.size <= 4 * limit for t in network.tensors.values())
        and max(steps, default=0) <= MAX_STEPS
        and all(_choices(eq) <= MAX_CHOICES for eq in network.flat_equations if eq.kind != "sum")
    )


def _choices(eq: Equation) -> int:
    return math.prod(eq.ranges[s][1] - eq.ranges[s][0] + 1 for s in eq.reduce)
