"""SymPy expressions spelled in the specification language.

A network put together in Python becomes the text of a specification, which is then read like any other: so every check
and every error message is the language's own, and a network from Python equals the one from the text.

SymPy keeps no order of terms and factors.  They are spelled as a lecturer would: in a sum, what compares with a target
stands first, then what was declared first; a target alone and numbers stand last, and a positive term before negative
ones.  In a product, numbers stand before constants, weights, values, inputs and brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from derive.diagnostics import SpecError
from derive.expressions import Access, Cases, sort_key
from derive.functions import Formula, elementary
from derive.quantities import MatrixProduct, Named, Quantity, Reduction

ADD, MUL, POW, ATOM = range(4)  # precedence, loosest first
TOGETHER = 30  # terms or factors in a row; longer ones are bracketed in groups, since the language limits depth
ROLES = ("constant", "weight", "target", "value", "mask", "input")

Written = tuple[str, int]


#: Functions that the language does not have, by those that it has.
REWRITTEN: dict[Any, Callable[[sympy.Expr], sympy.Expr]] = {
    sympy.tan: lambda z: sympy.sin(z) / sympy.cos(z),
    sympy.cot: lambda z: sympy.cos(z) / sympy.sin(z),
    sympy.sec: lambda z: 1 / sympy.cos(z),
    sympy.csc: lambda z: 1 / sympy.sin(z),
    sympy.coth: lambda z: sympy.cosh(z) / sympy.sinh(z),
    sympy.sech: lambda z: 1 / sympy.cosh(z),
    sympy.csch: lambda z: 1 / sympy.sinh(z),
    sympy.asinh: lambda z: sympy.log(z + sympy.sqrt(z**2 + 1)),
    sympy.acosh: lambda z: sympy.log(z + sympy.sqrt(z - 1) * sympy.sqrt(z + 1)),
    sympy.atanh: lambda z: (sympy.log(1 + z) - sympy.log(1 - z)) / 2,
    sympy.erfc: lambda z: 1 - sympy.erf(z),
}


class Speller:
    """Spells expressions; ``roles`` are the tensors declared so far, in order."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.roles = roles
        places = {name: n for n, name in enumerate(roles)}
        self.places = {name: n + len(roles) * (roles[name] == "target") for name, n in places.items()}

    def __call__(self, expression: sympy.Expr) -> str:
        try:
            return self.write(expression)[0]
        except RecursionError:
            help = "give a part of the expression a name, in an equation of its own"
            raise SpecError("this expression is too deep", help=help) from None

    # one kind of expression after the other

    def write(self, e: sympy.Basic) -> Written:
        if isinstance(e, sympy.Symbol):
            return self.name(e), ATOM
        if isinstance(e, Access | sympy.Indexed):
            name = e.tensor if isinstance(e, Access) else str(e.base.label)
            return f"{checked(name)}[{', '.join(map(self, e.indices))}]", ATOM
        if isinstance(e, sympy.IndexedBase | sympy.Idx):
            return checked(str(e.label)), ATOM
        if e.is_number and not e.args:
            return number(e)
        if e.is_Add:
            return self.sum(e)
        if e.is_Mul:
            return self.product(e)
        if e.is_Pow:
            return self.power(e)
        if isinstance(e, MatrixProduct):
            left, right = e.args
            return f"{self.bracketed(left, MUL)} @ {self.bracketed(right, POW)}", MUL
        if isinstance(e, Reduction):
            over = f"{', '.join(map(self.bound, e.over))}: " if e.over else ""
            return f"{e.kind}({over}{self(e.body)})", ATOM
        if isinstance(e, sympy.Sum):
            return self.write(from_one(e))
        if isinstance(e, Named):
            return f"{checked(str(e.args[0].name))} = {self(e.args[1])}", ATOM
        if isinstance(e, sympy.Piecewise):
            return self.write(piecewise(e))
        if isinstance(e, sympy.Heaviside):
            return self.write(Cases(e.args[0], 1, Cases(-e.args[0], 0, e.args[1])))
        if isinstance(e, sympy.Max | sympy.Min):
            return self.extremum(e)
        if isinstance(e, sympy.Function):
            return self.function(e)
        raise refuse(e)

    def name(self, symbol: sympy.Symbol) -> str:
        if isinstance(symbol, sympy.Dummy):
            raise SpecError(f"'{symbol}' is a Dummy, which has no name of its own", help="use a Symbol")
        return checked(symbol.name)

    def bound(self, place: sympy.Basic) -> str:
        """An index of a reduction, with its size where it has one."""
        return self.name(place) if isinstance(place, sympy.Symbol) else f"{self.name(place.args[0])} in {place.args[1]}"

    def bracketed(self, e: sympy.Basic, level: int) -> str:
        text, own = self.write(e)
        return text if own >= level else f"({text})"

    # sums

    def sum(self, e: sympy.Add) -> Written:
        terms = sorted(e.args, key=self.term_key)
        first = next((t for t in terms if not _is_negative(t)), terms[0])
        terms.remove(first)
        return self.joined([first, *terms]), ADD

    def joined(self, terms: list[sympy.Expr]) -> str:
        """Terms with their signs, in order; many of them in groups."""
        if len(terms) > TOGETHER:
            groups = [terms[n : n + TOGETHER] for n in range(0, len(terms), TOGETHER)]
            return self.grouped([f"({self.joined(group)})" for group in groups], " + ")
        text = ""
        for term in terms:
            negative = _is_negative(term)
            written = self.bracketed(-term if negative else term, MUL)
            text += (("-" if negative else "") if not text else (" - " if negative else " + ")) + written
        return text

    def grouped(self, parts: list[str], sign: str) -> str:
        while len(parts) > TOGETHER:
            rows = [parts[n : n + TOGETHER] for n in range(0, len(parts), TOGETHER)]
            parts = [f"({sign.join(row)})" for row in rows]
        return sign.join(parts)

    def term_key(self, term: sympy.Expr) -> tuple[Any, ...]:
        """Where a term stands in a sum: what compares with a target, then by the first thing declared in it."""
        found = {a.tensor for a in term.atoms(Access)} | {s.name for s in term.atoms(sympy.Symbol)}
        declared = [name for name in found if name in self.places]
        compares = len({self.roles[name] == "target" for name in declared}) == 2
        place = min((self.places[name] for name in declared), default=2 * len(self.places))
        return (not declared and bool(term.is_number), not compares, place, *sort_key(term))

    # products

    def product(self, e: sympy.Mul) -> Written:
        coefficient, rest = e.as_coeff_Mul()
        if coefficient.is_negative:
            return f"-{self.bracketed(-e, MUL)}", ADD
        above: list[sympy.Expr] = []
        below: list[sympy.Expr] = []
        for factor in sympy.Mul.make_args(rest):
            inverted = factor.is_Pow and factor.exp.is_number and factor.exp.is_negative
            (below if inverted else above).append(1 / factor if inverted else factor)
        numerator = [] if coefficient == 1 and above and coefficient.is_Integer else [number(coefficient)[0]]
        top = [*numerator, *self.factors(above)]
        text = self.grouped(top, " * ")
        if not below:
            return text, MUL
        bottom = self.grouped(self.factors(below), " * ")
        return f"{text} / {bottom if len(below) == 1 else f'({bottom})'}", MUL

    def factors(self, factors: list[sympy.Expr]) -> list[str]:
        return [self.bracketed(f, POW) for f in sorted(factors, key=self.factor_key)]

    def factor_key(self, factor: sympy.Expr) -> tuple[Any, ...]:
        base = factor.base if factor.is_Pow else factor
        name = base.tensor if isinstance(base, Access) else str(base) if base.is_Symbol else ""
        role = ROLES.index(self.roles[name]) if name in self.roles else len(ROLES)
        return (role, self.places.get(name, 0), *sort_key(factor))

    # powers, extrema, functions

    def power(self, e: sympy.Pow) -> Written:
        if e.exp == sympy.S.Half:
            return f"sqrt({self(e.base)})", ATOM
        if e.exp.is_number and e.exp.is_negative:
            return f"1 / {self.bracketed(1 / e, POW)}", MUL
        return f"{self.bracketed(e.base, ATOM)}^{self.bracketed(e.exp, ATOM)}", POW

    def extremum(self, e: sympy.Max | sympy.Min) -> Written:
        """In pairs, numbers last: ``max(a, max(b, 0))``."""
        word = "max" if isinstance(e, sympy.Max) else "min"
        *arguments, text = [self(a) for a in sorted(e.args, key=self.term_key)]
        for argument in reversed(arguments):
            text = f"{word}({argument}, {text})"
        return text, ATOM

    def function(self, e: sympy.Function) -> Written:
        words = {function: name for name, function in elementary().items()}
        if e.func in REWRITTEN:
            return self.write(REWRITTEN[e.func](*e.args))
        if e.func in words:
            name = words[e.func]
        elif isinstance(e, AppliedUndef | Formula | Cases):
            name = checked(e.func.__name__).lower() if isinstance(e, Cases) else checked(e.func.__name__)
        else:
            raise refuse(e)
        return f"{name}({', '.join(map(self, e.args))})", ATOM


def _is_negative(term: sympy.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def from_one(e: sympy.Sum) -> sympy.Expr:
    """SymPy's sum with all limits from 1, as a reduction."""
    if any(len(limits) != 3 or limits[1] != 1 or not limits[2].is_Integer for limits in e.limits):
        raise SpecError(f"'{sympy.sstr(e)[:60]}' does not run from 1 to a number", help="indices count from 1")
    return Reduction("sum", e.function, *(sympy.Tuple(limits[0], limits[2]) for limits in e.limits))


def piecewise(e: sympy.Piecewise) -> sympy.Expr:
    """Branches as :class:`Cases`; a condition u > 0 has its kink on the other branch, u ≥ 0 on this one."""
    *branches, (last, condition) = e.args
    if condition != sympy.true:
        raise SpecError("a Piecewise has no value where none of its conditions holds", help="end it with (value, True)")
    found = last
    for value, condition in reversed(branches):
        found = _choose(condition, value, found)
    return found


def _choose(condition: Any, value: sympy.Expr, otherwise: sympy.Expr) -> sympy.Expr:
    if condition in (sympy.true, sympy.false):
        return value if condition == sympy.true else otherwise
    if isinstance(condition, sympy.And | sympy.Or):
        first, *rest = sorted(condition.args, key=str)
        rest_of_it = _choose(condition.func(*rest), value, otherwise)
        return _choose(first, *((rest_of_it, otherwise) if isinstance(condition, sympy.And) else (value, rest_of_it)))
    match condition:
        case sympy.StrictGreaterThan():
            return Cases(condition.lhs - condition.rhs, value, otherwise)
        case sympy.StrictLessThan():
            return Cases(condition.rhs - condition.lhs, value, otherwise)
        case sympy.GreaterThan():
            return Cases(condition.rhs - condition.lhs, otherwise, value)
        case sympy.LessThan():
            return Cases(condition.lhs - condition.rhs, otherwise, value)
    raise SpecError(f"'{condition}' cannot be a condition", help="conditions are built of <, <=, > and >=")


def number(e: sympy.Expr) -> Written:
    """A real number; floats as the decimal number that Python shows."""
    if isinstance(e, sympy.Integer):
        return str(e), ATOM if e >= 0 else ADD
    if isinstance(e, sympy.Rational):
        return f"{e.p}/{e.q}", MUL if e > 0 else ADD
    if isinstance(e, sympy.Float) and e.is_finite:
        return repr(float(e)) if e._prec == 53 else str(e), ATOM if e >= 0 else ADD
    if e == sympy.E:
        return "exp(1)", ATOM
    if e == sympy.pi:
        return "pi", ATOM
    raise SpecError(f"'{e}' is not a real number of the language", help="write a rational or a decimal number")


def checked(name: str) -> str:
    """A name that is one word; what else is wrong with it the language says."""
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise SpecError(f"'{name}' cannot be a name", help="names hold ASCII letters, digits and underscores")
    return name


def refuse(e: sympy.Basic) -> SpecError:
    """The error for what the language has no words for."""
    kind = type(e).__name__
    message = f"'{sympy.sstr(e)[:60]}' has no meaning in a network"
    if isinstance(e, sympy.Derivative | sympy.Integral | sympy.Subs | sympy.Limit):
        return SpecError(message, help=f"{kind} is not carried out: write .doit() behind it")
    if isinstance(e, sympy.Function):
        known = ", ".join(elementary())
        return SpecError(message, help=f"give {kind} a formula by define, built of {known}")
    return SpecError(message, help=f"{kind} is not built of sums, products, powers and functions of tensors")


def names_of(expressions: Iterable[sympy.Expr]) -> list[sympy.Symbol]:
    """The symbols in expressions, in the order of their names."""
    found = {s for e in expressions for s in e.free_symbols if isinstance(s, sympy.Symbol)}
    return sorted(found, key=lambda s: (s.name, isinstance(s, Quantity)))
