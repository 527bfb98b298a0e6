"""Scalar SymPy expressions as Python source for Numba kernels that serve float32 and float64 alike.

No bare number stands in arithmetic: Numba would widen ``0.5 * x`` to double precision.  Numbers are written
``real(0.5)``, where ``real`` is the kernels' scalar type, or by a name such as ``half``.  A node that the printer does
not know is an error, never printed as it happens to print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import sympy

from codegen.arithmetic import primitives
from codegen.trainer.nodes import SAMPLES
from derive.expressions import Access, Cases, Equal, index_symbols, sort_key

CHOICE, SUM, PRODUCT, UNARY, ATOM = range(5)  # how tightly printed text binds

#: Numbers that have a name in the kernels.
NAMED = {
    sympy.Integer(0): "zero",
    sympy.Integer(1): "one",
    sympy.Integer(2): "two",
    sympy.Integer(3): "three",
    sympy.Integer(4): "four",
    sympy.Rational(1, 2): "half",
    sympy.Rational(1, 4): "quarter",
}

#: Functions of the printed code by their SymPy class: all but ``abs`` and ``sqrt`` from ``vectormath``.
FUNCTIONS: dict[type[sympy.Function], str] = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.tanh: "tanh",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.erf: "erf",
    sympy.Abs: "abs",
    primitives.Sigmoid: "sigmoid",
    primitives.SigmoidSlope: "sigmoid_slope",
    primitives.Softplus: "softplus",
    primitives.Log1p: "log1p",
    primitives.Expm1: "expm1",
    primitives.Erfc: "erfc",
    primitives.XLogY: "xlogy",
    primitives.Difference: "difference",
}
NATIVE = frozenset({"abs", "xlogy", "difference"})


def is_native(name: str) -> bool:
    """Whether Numba knows a function, or the module has it without :mod:`codegen.trainer.vectormath`."""
    return name in NATIVE or name.startswith("math.")


class UnknownNode(Exception):
    """An expression holds a node that has no printed form: a mistake of ours, not of the specification."""

    def __init__(self, node: sympy.Basic) -> None:
        super().__init__(f"internal error: no Python form for {type(node).__name__} {node}")


@dataclass
class Used:
    """What the printed text refers to and its surroundings must define."""

    functions: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    samples: bool = False
    double: bool = False
    contractions: dict[str, str] = field(default_factory=dict)  # what makes them, and their names


class Printer:
    """Prints expressions; ``access`` gives the text of an element, ``position`` that of an index as an integer.

    ``temporary`` stores an expression in a variable and returns its name; it is asked where a text is wanted twice.
    """

    def __init__(
        self,
        access: Callable[[Access], str],
        position: Callable[[sympy.Expr], str],
        temporary: Callable[[str], str],
        symbols: Mapping[sympy.Symbol, str],
        used: Used,
    ) -> None:
        self._access = access
        self._position = position
        self._temporary = temporary
        self._symbols = symbols
        self._used = used

    def text(self, expression: sympy.Expr, least: int = CHOICE) -> str:
        """The expression as source, in brackets if it binds less tightly than ``least``."""
        text, binds = self._print(expression)
        return text if binds >= least else f"({text})"

    def _print(self, e: sympy.Expr) -> tuple[str, int]:
        if isinstance(e, Access):
            return self._access(e), ATOM
        if e.is_number and not e.has(primitives.Primitive):
            return self._number(e)
        if e in self._symbols:
            return self._symbols[e], ATOM
        if e == SAMPLES:
            self._used.samples = True
            return "samples", ATOM
        if index_symbols(e) and not e.atoms(Access) and e.is_integer:
            return f"real({self._position(e)})", ATOM
        if e.is_Add:
            return self._sum(e), SUM
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e.base, e.exp)
        return self._function(e)

    def _number(self, e: sympy.Expr) -> tuple[str, int]:
        if not e.is_real:
            raise UnknownNode(e)
        if e.is_negative:
            return f"-{self._number(-e)[0]}", UNARY
        if e in NAMED:
            self._used.numbers.add(NAMED[e])
            return NAMED[e], ATOM
        value = repr(int(e)) if e.is_Integer and e < 2**53 else repr(float(e.evalf(25)))
        return f"real({value})", ATOM

    def _sum(self, e: sympy.Expr) -> str:
        terms = list(e.args)
        first = next((t for t in terms if not _is_negative(t)), terms[0])
        terms.remove(first)
        text = self.text(first, SUM)
        for term in terms:
            text += f" - {self.text(-term, PRODUCT)}" if _is_negative(term) else f" + {self.text(term, PRODUCT)}"
        return text

    def _product(self, e: sympy.Expr) -> tuple[str, int]:
        number, rest = e.as_coeff_Mul()
        if number.is_negative:
            return f"-{self.text(-e, PRODUCT)}", UNARY
        above = [f for f in sympy.Mul.make_args(rest) if not _is_divisor(f)]
        below = [1 / f for f in sympy.Mul.make_args(rest) if _is_divisor(f)]
        if number != 1 or not above:
            above.insert(0, number)
        text = " * ".join(self.text(f, PRODUCT if n == 0 else UNARY) for n, f in enumerate(above))
        for f in below:
            text += f" / {self.text(f, UNARY)}"
        return text, PRODUCT

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
        if exponent.is_negative:
            return self._product(sympy.Mul(1, sympy.Pow(base, exponent), evaluate=False))
        if exponent.is_Integer and exponent <= 4:
            text = self.text(base, ATOM)
            name = text if isinstance(base, Access | sympy.Symbol) else self._temporary(self.text(base))
            return " * ".join([name] * int(exponent)), PRODUCT
        if exponent.is_Integer:
            return f"{self._temporary(self.text(base))}**{int(exponent)}", UNARY
        whole, rest = divmod(exponent, 1) if exponent.is_Rational else (0, exponent)
        if rest == sympy.Rational(1, 2):
            self._used.functions.add("math.sqrt")
            root = f"math.sqrt({self.text(base)})"
            if whole == 0:
                return root, ATOM
            return f"{self.text(base**whole, PRODUCT)} * {root}", PRODUCT
        self._used.functions |= {"exp", "log"}
        return f"exp({self.text(exponent, PRODUCT)} * log({self.text(base)}))", ATOM

    def _function(self, e: sympy.Expr) -> tuple[str, int]:
        if isinstance(e, Cases):
            self._used.numbers.add("zero")
            condition, positive, otherwise = (self.text(a, SUM) for a in e.args)
            return f"{positive} if {condition} > zero else {otherwise}", CHOICE
        if isinstance(e, primitives.Precise):
            self._used.double = True
            short, exact = (self.text(a, SUM) for a in e.args)
            return f"{exact} if double else {short}", CHOICE
        if isinstance(e, Equal):
            self._used.numbers |= {"zero", "one"}
            left, right = (self.text(a, SUM) for a in e.args)
            return f"one if {left} == {right} else zero", CHOICE
        if isinstance(e, primitives.XOverY):
            self._used.numbers.add("zero")
            name = self._temporary(self.text(e.args[0]))
            return f"{name} / {self.text(e.args[1], UNARY)} if {name} != zero else zero", CHOICE
        if isinstance(e, sympy.sign):
            self._used.numbers |= {"zero", "one"}
            text = self.text(e.args[0])
            name = text if isinstance(e.args[0], sympy.Symbol) else self._temporary(text)
            return f"one if {name} > zero else -one if {name} < zero else {name}", CHOICE
        name = FUNCTIONS.get(type(e), "")
        if not name:
            raise UnknownNode(e)
        self._used.functions.add(name)
        return f"{name}({', '.join(self.text(a) for a in e.args)})", ATOM


SHORT = 8  # characters of a fraction that is written in decimals


class DoublePrinter(Printer):
    """Prints formulas that are worked out once an update, in double precision: plain numbers, functions of ``math``."""

    def _number(self, e: sympy.Expr) -> tuple[str, int]:
        if not e.is_real:
            raise UnknownNode(e)
        if e.is_negative:
            return f"-{self._number(-e)[0]}", UNARY
        if e == sympy.pi:
            self._used.functions.add("math.pi")
            return "math.pi", ATOM
        return (str(int(e)) if e.is_Integer and e < 2**53 else repr(float(e.evalf(25)))), ATOM

    def _product(self, e: sympy.Expr) -> tuple[str, int]:
        number, rest = e.as_coeff_Mul()
        if number.is_Rational and number.q != 1 and number.q < 2**53 and len(repr(float(number))) > SHORT:
            return f"{self.text(number.p * rest, PRODUCT)} / {number.q}", PRODUCT
        return super()._product(e)

    def _sum(self, e: sympy.Expr) -> str:
        """A common factor of all terms stands before a bracket: (k - 1) / 10 is exact where k / 10 - 0.1 is not."""
        content, inside = e.primitive()
        return super()._sum(e) if content == 1 else self._shared(content, inside)

    def _shared(self, content: sympy.Rational, inside: sympy.Expr) -> str:
        text = f"({super()._sum(inside)})"
        text = text if content.p == 1 else f"{content.p} * {text}"
        return text if content.q == 1 else f"{text} / {content.q}"

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
        if exponent.is_number and exponent.is_negative:
            return self._product(sympy.Mul(1, sympy.Pow(base, exponent), evaluate=False))
        if exponent == sympy.Rational(1, 2):
            return self._call("math.sqrt", base)
        left, right = self.text(base, ATOM), self.text(exponent, ATOM)
        return (f"{left} ** {right}" if set(")]") & set(left + right) else f"{left}**{right}"), UNARY

    def _function(self, e: sympy.Expr) -> tuple[str, int]:
        if isinstance(e, Cases):
            condition, positive, otherwise = (self.text(a, SUM) for a in e.args)
            return f"{positive} if {condition} > 0 else {otherwise}", CHOICE
        if isinstance(e, sympy.sign):
            argument = self.text(e.args[0], SUM)
            return f"({argument} > 0) - ({argument} < 0)", SUM
        if isinstance(e, sympy.Abs):
            return f"abs({self.text(e.args[0])})", ATOM
        name = "floor" if isinstance(e, sympy.floor) else FUNCTIONS.get(type(e), "")
        if not name:
            raise UnknownNode(e)
        return self._call(f"math.{name}", *e.args)

    def _call(self, name: str, *arguments: sympy.Expr) -> tuple[str, int]:
        self._used.functions.add(name)
        return f"{name}({', '.join(self.text(a) for a in arguments)})", ATOM


def repeated(expression: sympy.Expr) -> list[sympy.Expr]:
    """Function values that occur more than once, the innermost first: worth a variable."""
    count: dict[sympy.Expr, int] = {}
    for node in sympy.preorder_traversal(expression):
        if type(node) in FUNCTIONS and not isinstance(node, sympy.Abs):
            count[node] = count.get(node, 0) + 1
    return sorted((f for f, n in count.items() if n > 1), key=sort_key)


def _is_negative(term: sympy.Expr) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def _is_divisor(factor: sympy.Expr) -> bool:
    return bool(factor.is_Pow and factor.exp.is_number and factor.exp.is_negative and not factor.is_number)


def number_lines(used: Used) -> list[str]:
    """Definitions of the named numbers that a text uses."""
    values = {name: value for value, name in NAMED.items()}
    lines = [f"{name} = real({_number(values[name])})" for name in values if name in used.numbers]
    lines += ["samples = real(count)"] if used.samples else []
    return lines + (["double = is_double(real)"] if used.double else [])


def needs_real(lines: Iterable[str]) -> bool:
    """Whether statements name the type of the numbers, which then is called ``real``."""
    return any("real(" in line or "(real)" in line for line in lines)


def _number(value: sympy.Rational) -> str:
    return str(int(value)) if value.is_Integer else repr(float(value))
