"""The equations of a network and of its derivatives as one numbered program: what rewriting and scheduling work on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import sympy

from codegen.arithmetic.rules import remarks
from codegen.numbering import PlainText, equation_numbers
from derive.expressions import Access, Index, rename
from derive.gradient import Sweep
from derive.network import Equation, Network, Scan, Tensor


@dataclass(frozen=True)
class Line:
    """An equation under its number; ``scan`` is the recurrence that it is part of.

    ``text`` is the equation as the notes have it; rewriting changes ``equation`` only.  ``rules`` names what has
    rewritten it, in order of use; ``remark`` says what a line is that rewriting has brought in.
    """

    number: int
    equation: Equation
    text: str
    scan: Scan | None = None
    remark: str = ""
    rules: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The line as a comment."""
        remark = self.remark or remarks(self.rules)
        return f"({self.number}) {self.text}" + (f", {remark}" if remark else "")

    def with_body(self, body: sympy.Expr, rule: str = "") -> Line:
        """The same line with another right side, which ``rule`` has led to."""
        if body == self.equation.body:
            return self
        rules = tuple(dict.fromkeys((*self.rules, rule))) if rule else self.rules
        return replace(self, equation=replace(self.equation, body=body), rules=rules)


@dataclass(frozen=True)
class Program:
    """The forward equations, then those of the derivatives, and every tensor that occurs in them.

    Samples are unwritten, or, where equations reduce over them, explicit: then ``sampled`` are the tensors that have
    the samples as their first index, which their shapes leave out.
    """

    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    tensors: Mapping[str, Tensor]
    sampled: frozenset[str] | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.forward + self.backward

    def map(self, rewrite: Callable[[sympy.Expr], sympy.Expr], rule: str = "") -> Program:
        """Rewrite every right side by a rule."""
        return replace(
            self,
            forward=tuple(line.with_body(rewrite(line.equation.body), rule) for line in self.forward),
            backward=tuple(line.with_body(rewrite(line.equation.body), rule) for line in self.backward),
        )

    def replace(self, line: Line, other: Line) -> Program:
        """With another line in the place of one."""
        forward, backward = (
            tuple(other if each is line else each for each in part) for part in (self.forward, self.backward)
        )
        return replace(self, forward=forward, backward=backward)

    def insert_before(self, position: int, line: Line, tensor: Tensor) -> Program:
        """With one more line, which defines a new tensor, before the forward line at ``position``."""
        forward = (*self.forward[:position], line, *self.forward[position:])
        return replace(self, forward=forward, tensors={**self.tensors, tensor.name: tensor})

    def replace_forward(self, position: int, line: Line) -> Program:
        """With another forward line at ``position``."""
        return replace(self, forward=(*self.forward[:position], line, *self.forward[position + 1 :]))


def program_of(network: Network, sweep: Sweep) -> Program:
    """Number the equations and note which of them belong to a recurrence."""
    numbers = iter(number for number, _ in equation_numbers(network, sweep))
    plain_text = PlainText(network, sweep)

    def lines(steps: Iterable[Equation | Scan]) -> tuple[Line, ...]:
        found = []
        for step in steps:
            if isinstance(step, Scan):
                found += [Line(next(numbers), eq, plain_text(eq), step) for eq in step.equations]
            else:
                found.append(Line(next(numbers), step, plain_text(step)))
        return tuple(found)

    return Program(lines(network.equations), lines(sweep.equations), {**network.tensors, **sweep.tensors})


def definitions(lines: Iterable[Line]) -> dict[str, Equation]:
    """The equations that define a tensor elementwise: ``T[i, j] = body``, all at once and without a reduction."""
    found: dict[str, Equation] = {}
    several: set[str] = set()
    for line in lines:
        eq = line.equation
        if eq.lhs.tensor in found or eq.accumulate:
            several.add(eq.lhs.tensor)
        found[eq.lhs.tensor] = eq
    return {name: eq for name, eq in found.items() if name not in several and not eq.reduce and is_plain(eq)}


def is_plain(eq: Equation) -> bool:
    """Whether the left side runs over distinct index symbols."""
    return all(i.is_Symbol for i in eq.lhs.indices) and len(set(eq.lhs.indices)) == len(eq.lhs.indices)


def choosers(lhs: Access) -> list[Access]:
    """The data that stand as indices on a left side."""
    return [a for i in lhs.indices for a in i.atoms(Access)]


def inlined(access: Access, defined: Mapping[str, Equation]) -> sympy.Expr:
    """The right side of the access's definition at its indices, or the access itself where there is none."""
    eq = defined.get(access.tensor)
    if eq is None:
        return access
    mapping: dict[Index, sympy.Expr] = dict(zip(eq.lhs.indices, access.indices, strict=True))
    return rename(eq.body, mapping)
