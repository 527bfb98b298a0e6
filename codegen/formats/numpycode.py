"""Equations as NumPy source that a student can read beside the formula: for notebooks, not for speed.

An equation over indices becomes arithmetic on index grids, letter by letter as it stands in the notes,

    j, k = np.ogrid[0:2, 0:3]
    h = np.sum(W1[j, k] * x[k], axis=1)

with places counted from 0.  An affine index is ``x[j + k]``, a recurrence a loop over time, and what is added up
``np.add.at``.  An equation of single elements becomes arithmetic on plain numbers, ``h1 = i1 * w1 + i2 * w2``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from codegen.trainer.identifiers import Identifiers
from codegen.trainer.printer import ATOM, FUNCTIONS, PRODUCT, SUM, DoublePrinter, Printer, UnknownNode, Used
from derive.expressions import Access, Cases, Equal, Index, Within, accesses, extent_of, index_symbols
from derive.functions import Formula
from derive.network import Equation, Scan, Tensor
from derive.tidy import derivative_of

#: What the cells of a notebook use besides the quantities of a network.
WORDS = (
    "rng samples weights data loss gradient gradients update same difference new_weights erf one other slopes points "
    "place places slope count nearby batch found elements trained losses now step parts predicted predictions side"
).split()

INDENT = "    "


@dataclass
class Code(Used):
    """What the cells of a notebook use; where kinks are ``reaching``, what is beside one by a rounding lies in it."""

    reaching: bool = False

    def side(self, text: str) -> str:
        """What tells the side of a kink at 0: a value, or only its sign."""
        if not self.reaching:
            return text
        self.functions.add("side")
        return f"side({text})"


class NumpyPrinter(DoublePrinter):
    """Prints scalar expressions for NumPy; functions given by a formula are called by the names in ``functions``."""

    _used: Code

    def __init__(
        self,
        access: Callable[[Access], str],
        position: Callable[[sympy.Expr], str],
        symbols: Mapping[sympy.Symbol, str],
        functions: Mapping[type[Formula], str],
        used: Code,
    ) -> None:
        super().__init__(access, position, str, symbols, used)
        self.functions = functions

    def _print(self, e: sympy.Expr) -> tuple[str, int]:
        if e not in self._symbols and index_symbols(e) and not e.atoms(Access) and e.is_integer:
            return f"({self._position(e)} + 1.0)", ATOM
        return super()._print(e)

    def _number(self, e: sympy.Expr) -> tuple[str, int]:
        if e == sympy.pi:
            return "np.pi", ATOM
        return super()._number(e)

    def _sum(self, e: sympy.Expr) -> str:
        return Printer._sum(self, e)

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, int]:
        if exponent == sympy.Rational(1, 2):
            return f"np.sqrt({self.text(base)})", ATOM
        return super()._power(base, exponent)

    def _function(self, e: sympy.Expr) -> tuple[str, int]:
        if isinstance(e, Formula):
            given = [self.text(a) for a in e.operands]
            settings = zip(e.parameters, e.args, strict=True)
            given += [self.text(a) for p, a in settings if p in e.defaults]
            return f"{self.functions[type(e)]}({', '.join(given)})", ATOM
        if isinstance(e, Cases):
            condition, positive, otherwise = (self.text(a, SUM) for a in e.args)
            return f"np.where({self._used.side(condition)} > 0, {positive}, {otherwise})", ATOM
        if isinstance(e, Equal):
            left, right = e.args
            if self._used.reaching:
                apart = self._used.side(f"{self.text(left, SUM)} - {self.text(right, PRODUCT)}")
                return f"1.0 * ({apart} == 0)", PRODUCT
            return f"1.0 * ({self.text(left, SUM)} == {self.text(right, SUM)})", PRODUCT
        if isinstance(e, sympy.sign):
            return f"np.sign({self._used.side(self.text(e.args[0]))})", ATOM
        if isinstance(e, sympy.Abs):
            return f"np.abs({self.text(e.args[0])})", ATOM
        if isinstance(e, Within):
            return self._within(e), ATOM
        name = "floor" if isinstance(e, sympy.floor) else FUNCTIONS.get(type(e), "")
        if not name:
            raise UnknownNode(e)
        self._used.functions.add(name)
        return f"{name if name == 'erf' else f'np.{name}'}({', '.join(self.text(a) for a in e.args)})", ATOM

    def _within(self, e: Within) -> str:
        subscript, first, last, value = e.args
        place = self._position(subscript)
        bounds = [f"({int(first) - 1} <= {place})"] if first.is_finite else []
        bounds += [f"({place} <= {int(last) - 1})"] if last.is_finite else []
        return f"np.where({' & '.join(bounds) or 'True'}, {self.text(value)}, 0.0)"


class Names:
    """Identifiers for arrays, single elements, indices and functions of one network."""

    def __init__(self, tensors: Iterable[Tensor], functions: Iterable[type[Formula]]) -> None:
        self._identifiers = Identifiers(WORDS)
        self.functions = {f: self._identifiers.new(f.__name__) for f in functions}
        self._found: dict[object, str] = {}
        for tensor in tensors:
            self.array(tensor.name)

    def _new(self, key: object, name: str) -> str:
        if key not in self._found:
            self._found[key] = self._identifiers.new(name)
        return self._found[key]

    def array(self, tensor: str) -> str:
        """``W1`` for W1, ``dW1`` for ∂loss/∂W1."""
        return self._new(tensor, _derivative(tensor))

    def index(self, symbol: Index) -> str:
        return self._new(symbol, symbol.name)

    def fresh(self, name: str) -> str:
        """An identifier for something that is no quantity of the network: the same one at every call."""
        return self._new(f"fresh {name}", name)

    def element(self, element: Access, called: Mapping[Access, str], mark: str = "") -> str:
        """``h1`` for h[1], ``W1_1_2`` for W1[1, 2] unless it is ``called`` otherwise, ``dw1`` for its derivative.

        A zero before the first element, h[-1], is ``h_minus1``.
        """
        if not element.indices and not mark:
            plain = element.tensor.removeprefix("∂")
            if called.get(Access(plain), plain) == plain:
                return self.array(element.tensor)
        origin = Access(element.tensor.removeprefix("∂"), *element.indices)
        name = called.get(origin, "")
        if "[" in name or not name:
            places = [str(i) for i in element.indices]
            apart = len(places) > 1 or (places and (origin.tensor[-1].isdigit() or places[0].startswith("-")))
            name = origin.tensor + "_" * bool(apart) + "_".join(places)
        sign = "∂" if element.tensor.startswith("∂") else ""
        return self._new((element, mark), _derivative(sign + name) + mark)


def _derivative(name: str) -> str:
    return f"d{name[1:]}" if name.startswith("∂") and name[1:2].isalpha() and name[1] != "Σ" else name


def definition(function: Any, names: Names, used: Code) -> list[str]:
    """A function given by a formula as a ``def``."""
    return _def(function, names.functions[function], function.body, names, used)


def slopes(function: Any, names: Names, used: Code) -> Iterator[tuple[str, str, int, list[str]]]:
    """For every argument that is no setting: function, its derivative's name, the argument's place, the ``def``."""
    operands = [n for n, p in enumerate(function.parameters) if p not in function.defaults]
    for n in operands:
        suffix = f"_{n + 1}" if len(operands) > 1 else ""
        name = names.fresh(f"{function.__name__}_slope{suffix}")
        lines = _def(function, name, derivative_of(function, n), names, used)
        yield names.functions[function], name, n, lines


def _def(function: Any, name: str, body: sympy.Expr, names: Names, used: Code) -> list[str]:
    scope = Identifiers([*names.functions.values(), "erf"])
    symbols = {p: scope.new(p.name) for p in function.parameters}
    printer = NumpyPrinter(_no_access, str, symbols, names.functions, used)
    given = [symbols[p] for p in function.parameters if p not in function.defaults]
    given += [f"{symbols[p]}={float(v)!r}" for p, v in function.defaults.items()]
    return [f"def {name}({', '.join(given)}):", f"{INDENT}return {printer.text(body)}"]


def _no_access(access: Access) -> str:
    raise UnknownNode(access)


class Arrays:
    """Equations over indices as array code."""

    def __init__(self, names: Names, tensors: Mapping[str, Tensor], used: Code) -> None:
        self.names, self.tensors, self.used = names, tensors, used
        self._grid = ""  # the line that made the index grids in use

    def lines(self, steps: Sequence[Equation | Scan], known: set[str]) -> list[str]:
        """The code of equations and recurrences; ``known`` are the arrays that exist, and grows."""
        found: list[str] = []
        self._grid = ""
        for step in steps:
            equations = step.equations if isinstance(step, Scan) else (step,)
            for eq in equations:
                name = eq.lhs.tensor
                if name not in known and (isinstance(step, Scan) or not self._is_whole(eq)):
                    shape = self.tensors[name].shape
                    found.append(f"{self.names.array(name)} = {f'np.zeros({shape})' if shape else '0.0'}")
                known.add(name)
            if isinstance(step, Equation):
                found += self._equation(step, set())
                continue
            time = self.names.index(step.index)
            span = f"range({step.first - 1}, {step.last})"
            found.append(f"for {time} in {f'reversed({span})' if step.backward else span}:")
            self._grid = ""
            for eq in equations:
                found += [INDENT + line for line in self._equation(eq, {step.index})]
        return found

    def text(self, expression: sympy.Expr) -> str:
        """An expression of single elements."""
        return self._printer(Equation(Access(""), expression)).text(expression)

    def _is_whole(self, eq: Equation) -> bool:
        """Whether an equation gives all elements of its tensor, in the order of its indices."""
        tensor = self.tensors[eq.lhs.tensor]
        spans = [(tensor.start(d), last) for d, last in enumerate(tensor.last)]
        return (
            not eq.accumulate
            and list(eq.lhs.indices) == list(eq.free)
            and [tuple(eq.ranges[i]) for i in eq.free] == spans
        )

    def _equation(self, eq: Equation, fixed: set[Index]) -> list[str]:
        """``lhs = reduction of body`` on the grid of its indices; those ``fixed`` are counted by a loop."""
        free = [s for s in eq.free if s not in fixed]
        grid = [*free, *eq.reduce]
        sizes = tuple(eq.ranges[s][1] - eq.ranges[s][0] + 1 for s in grid)
        spans = ", ".join(f"{eq.ranges[s][0] - 1}:{eq.ranges[s][1]}" for s in grid)
        line = f"{', '.join(map(self.names.index, grid))} = np.ogrid[{spans}]"
        lines = []
        if grid and line != self._grid and (index_symbols(eq.body) & set(grid) or not self._is_plain(eq)):
            lines.append(line)
            self._grid = line
        text = self._printer(eq).text(eq.body)
        if set(grid) - index_symbols(eq.body):
            text = f"np.full({sizes}, {f'{float(eq.body)!r}' if eq.body.is_number else text})"
        plain = self._is_plain(eq)
        if eq.reduce:
            axes = tuple(range(len(free), len(grid)))
            keep = "" if plain else ", keepdims=True"
            text = f"np.{eq.kind}({text}, axis={axes[0] if len(axes) == 1 else axes}{keep})"
        name, tensor = self.names.array(eq.lhs.tensor), self.tensors[eq.lhs.tensor]
        places = [self._place(eq, tensor, d, fixed, slices=plain) for d in range(len(tensor.shape))]
        if not tensor.shape or (self._is_whole(eq) and not fixed):
            lines.append(f"{name} {'+=' if eq.accumulate else '='} {text}")
        elif plain or not eq.accumulate:
            lines.append(f"{name}[{', '.join(places)}] {'+=' if eq.accumulate else '='} {text}")
        else:
            lines.append(f"np.add.at({name}, ({', '.join(places)}{',' * (len(places) == 1)}), {text})")
        return lines

    def _is_plain(self, eq: Equation) -> bool:
        """Whether the left side is a block of its tensor: every index alone in its place, in order."""
        alone = [i for i in eq.lhs.indices if i.is_Symbol]
        return len(set(alone)) == len(alone) and set(alone) >= set(eq.free)

    def _place(self, eq: Equation, tensor: Tensor, d: int, fixed: set[Index], slices: bool) -> str:
        subscript, start = eq.lhs.indices[d], tensor.start(d)
        if slices and subscript.is_Symbol and subscript not in fixed:
            first, last = eq.ranges[subscript]
            return ":" if (first, last) == (start, tensor.last[d]) else f"{first - start}:{last - start + 1}"
        return self.position(subscript, start)

    def _printer(self, eq: Equation) -> NumpyPrinter:
        def access(a: Access) -> str:
            tensor, name = self.tensors[a.tensor], self.names.array(a.tensor)
            return f"{name}[{', '.join(place(tensor, d, i) for d, i in enumerate(a.indices))}]" if a.indices else name

        def place(tensor: Tensor, d: int, subscript: sympy.Expr) -> str:
            text = self.position(subscript, tensor.start(d))
            low, high = (
                extent_of(subscript, eq.ranges) if index_symbols(subscript) <= set(eq.ranges) else (-sympy.oo, 0)
            )
            if low < tensor.start(d) or high > tensor.last[d]:  # only where a condition does not look at it
                return f"np.clip({text}, 0, {tensor.shape[d] - 1})"
            return text

        return NumpyPrinter(access, self.position, {}, self.names.functions, self.used)

    def position(self, subscript: sympy.Expr, start: int = 1) -> str:
        """The place in an array of what an index that counts from ``start`` points at."""
        moved = {s: sympy.Symbol(self.names.index(s)) + 1 for s in index_symbols(subscript)}
        return str(sympy.expand(subscript.xreplace(moved) - start))


class Elements:
    """Definitions of single elements as code on plain numbers, each after what it needs."""

    def __init__(self, names: Names, called: Mapping[Access, str], used: Code) -> None:
        self.names, self.called, self.used = names, called, used

    def name(self, element: Access, new: bool = False) -> str:
        return self.names.element(element, self.called, "_new" if new else "")

    def text(self, expression: sympy.Expr, new: bool | frozenset[str] = False) -> str:
        """An expression of elements; those of the tensors in ``new`` are the ones after the update."""

        def access(a: Access) -> str:
            return self.name(a, isinstance(new, frozenset) and a.tensor in new)

        return NumpyPrinter(access, str, {}, self.names.functions, self.used).text(expression)

    def lines(
        self,
        definitions: Mapping[Access, sympy.Expr],
        known: set[Access] | None = None,
        new: frozenset[str] = frozenset(),
    ) -> list[str]:
        """``h1 = …`` for every definition, in the order given but after what it reads."""
        found: list[str] = []
        known = set() if known is None else known
        waiting = list(definitions)[::-1]
        while waiting:
            element = waiting[-1]
            missing = [a for a in accesses(definitions[element]) if a in definitions and a not in known]
            if element in known or not missing:
                waiting.pop()
                if element not in known:
                    known.add(element)
                    left = self.name(element, element.tensor in new)
                    found.append(f"{left} = {self.text(definitions[element], new)}")
            else:
                waiting += reversed(missing)
        return found
