"""Schedules as the source text of Numba kernels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import sympy

from codegen.trainer.alike import FEW, Alike, Outline, variables
from codegen.trainer.contractions import place, spans
from codegen.trainer.identifiers import Identifiers
from codegen.trainer.kinds import Kind
from codegen.trainer.lanes import PRESENT, Lanes
from codegen.trainer.nodes import (
    SAMPLE,
    Assign,
    Clear,
    Contraction,
    Loop,
    Matrix,
    Node,
    Product,
    Reduce,
    tensors_of,
    walk,
)
from codegen.trainer.printer import Printer, Used, needs_real, number_lines, repeated
from codegen.trainer.schedule import Schedule
from codegen.trainer.sequence import Sequence, Updated
from derive.expressions import Access, Index, Within, accesses, index_symbols, sort_key

WIDTH = 120
INDENT = "    "
FUNCTION_INDENT = 1


@dataclass(frozen=True)
class Kernel:
    """The statements of a kernel, with what they use."""

    lines: tuple[str, ...]
    tensors: frozenset[str]
    used: Used


def kernel(
    nodes: tuple[Node, ...],
    schedule: Schedule | Lanes | Sequence,
    names: Mapping[str, str],
    alike: Alike,
    depth: int = FUNCTION_INDENT,
    around: Mapping[Index, str] | None = None,
    few: int = FEW,
) -> Kernel:
    """Print the nodes of one kernel; ``names`` gives an identifier for every tensor.

    More than a ``few`` nests of loops that are ``alike`` become calls of functions there.
    ``around`` are the variables, from 0 on, of loops that the kernel is in.
    """
    outer = {i: (name, 0) for i, name in (around or {}).items()}
    writer = _Writer(schedule, names, alike, variables=outer)
    outlines = dict(writer.nests(nodes))
    several = alike.several(outlines.values(), few)
    writer.shared = {nest: outline for nest, outline in outlines.items() if outline.key in several}
    writer.nodes(nodes, depth)
    tensors = frozenset(t for n in nodes for t in tensors_of(n)) - schedule.scalars
    return Kernel(tuple(writer.lines), tensors, writer.used)


@dataclass
class _Writer:
    schedule: Schedule | Lanes | Sequence
    names: Mapping[str, str]
    alike: Alike = field(default_factory=Alike)
    shared: Mapping[int, Outline] = field(default_factory=dict)  # nests that are functions, by their identity
    given: dict[str, str] | None = None  # names that stand for numbers, in the body of a function for a nest
    lines: list[str] = field(default_factory=list)
    used: Used = field(default_factory=Used)
    variables: dict[Index, tuple[str, int]] = field(default_factory=dict)  # name and first value of loop variables
    temporaries: dict[sympy.Symbol, str] = field(default_factory=dict)
    depth: int = FUNCTION_INDENT
    counter: int = 0

    def nodes(self, nodes: tuple[Node, ...], depth: int) -> None:
        for node in nodes:
            self.depth = depth
            match node:
                case Loop() if id(node) in self.shared:
                    self.comment(_notes(node))
                    self.call(self.shared[id(node)])
                case Loop():
                    self.loop(node, depth)
                case Assign():
                    self.comment(node.notes)
                    self.assign(node)
                case Reduce():
                    self.comment(node.notes)
                    self.reduce(node, depth)
                case Product():
                    self.comment(node.notes)
                    arguments = ", ".join(self.matrix(m) for m in (node.left, node.right, node.out))
                    self.emit(f"product({arguments})")
                case Contraction():
                    self.comment(node.notes)
                    self.contraction(node)
                case Clear():
                    rows = ", count" if self.is_batch(node.tensor) and not self.in_lanes else ""
                    self.emit(f"clear({self.names[node.tensor]}{rows})")

    def nests(self, nodes: tuple[Node, ...]) -> Iterator[tuple[int, Outline]]:
        """The nests of loops, also those inside recurrences, with their identity."""
        for node in nodes:
            if isinstance(node, Loop) and node.recurrent:
                self.enter(node.index, node.range)
                yield from self.nests(node.body)
                del self.variables[node.index]
            elif isinstance(node, Loop):
                yield id(node), self.outline(node)

    def call(self, outline: Outline) -> None:
        """Call a function in place of a nest of loops."""
        self.used.functions |= outline.used.functions
        call = f"{self.alike.function(outline)}({', '.join(outline.arguments)})"
        for line in textwrap.wrap(call, WIDTH - len(INDENT) * self.depth, subsequent_indent=INDENT):
            self.emit(line)

    def outline(self, nest: Loop) -> Outline:
        """A nest of loops as the body of a function: numbers and loop variables come first, then arrays."""
        given: dict[str, str] = {}
        used = Used(contractions=self.used.contractions)
        inside = replace(self, lines=[], used=used, given=given, variables=dict(self.variables))
        inside.nodes((nest,), FUNCTION_INDENT)
        arrays = {self.names[t] for t in tensors_of(nest) - self.schedule.scalars}
        head = number_lines(used)
        found = variables(inside.lines)
        if isinstance(self.schedule, Lanes) and "width" in found:
            head = [f"width = {self.schedule.width}", *head]
        if needs_real((*head, *inside.lines)):
            head = [f"real = {next(name for name in found if name in arrays)}.dtype.type", *head]
        lines = (*(INDENT + line for line in head), *inside.lines)
        parameters = [name for name, from_outside in variables(lines).items() if from_outside]
        parameters.sort(key=lambda name: name in arrays)
        arguments = tuple(given.get(name, name) for name in parameters)
        equations = tuple(dict.fromkeys(note.split()[0] for note in _notes(nest)))
        return Outline(lines, tuple(parameters), arguments, equations, used)

    def contraction(self, node: Contraction) -> None:
        """A call of a function made for the extents and steps of this sum; where its arrays begin is given in it."""
        tensors = self.schedule.tensors
        first = {i: span[0] for i, span in (*node.rows, *node.columns, *node.over)}
        rows, columns, *over = spans(node, tensors)
        lanes = self.is_batch(node.target.tensor), self.is_batch(node.left.tensor)
        definition = f"contraction({rows}, {columns}, {tuple(over)}, {lanes}, {node.add})"
        name = self.used.contractions.setdefault(definition, f"contract_{len(self.used.contractions) + 1}")
        places = [
            f"{self.names[a.tensor]}, {self.position(place(a, tensors, first))}"
            for a in (node.target, node.left, node.right)
        ]
        self.emit(f"{name}(lanes, {', '.join(places)}, {self.names[PRESENT]})")

    def emit(self, line: str) -> None:
        self.lines.append(INDENT * self.depth + line)

    def comment(self, notes: tuple[str, ...]) -> None:
        width = WIDTH - len(INDENT) * self.depth
        for note in notes:
            found = textwrap.wrap(
                note,
                width,
                initial_indent="# ",
                subsequent_indent="#     ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for line in found:
                self.emit(line)

    def loop(self, node: Loop, depth: int) -> None:
        with_variable = self.enter(node.index, node.range)
        if with_variable:
            self.depth = depth
            self.emit(
                f"for {self.variables[node.index][0]} in {self.span(node.index, node.range, node.backward, node.wide)}:"
            )
        self.nodes(node.body, depth + with_variable)
        del self.variables[node.index]

    def enter(self, i: Index, span: tuple[int, int]) -> bool:
        """Bring a loop variable into scope; an index with one value needs none."""
        if i is not SAMPLE and span[0] == span[1]:
            self.variables[i] = ("", span[0])
            return False
        scope = Identifiers([*self.names.values(), *(name for name, _ in self.variables.values())])
        self.variables[i] = (scope.new("n" if i is SAMPLE else i.name), 0 if i is SAMPLE else span[0])
        return True

    def span(self, i: Index, span: tuple[int, int], backward: bool = False, wide: bool = False) -> str:
        if i is SAMPLE:
            return "range(width)" if self.in_lanes else "range(count)"
        extent = span[1] - span[0] + 1
        if wide:
            return f"range({extent} & lanes)"
        return f"range({extent - 1}, -1, -1)" if backward else f"range({extent})"

    def assign(self, node: Assign) -> None:
        if isinstance(node.value, Updated):
            self.update(*node.value.args)
        else:
            self.store(self.access(node.target), "+=" if node.add else "=", node.value)

    def update(self, weight: Access, slope: Access) -> None:
        """The solver's update of one element of a weight; its state lies in vectors of which weights are parts."""
        assert isinstance(self.schedule, Sequence)
        tensor, layout = self.schedule.tensors[weight.tensor], self.schedule.layouts[weight.tensor]
        begin, step = self.schedule.places[weight.tensor], 1
        place = sympy.Integer(begin if self.given is None else 0)
        for d in reversed(layout):
            place, step = place + step * (weight.indices[d] - tensor.start(d)), step * tensor.shape[d]
        where = self.position(place)
        if self.given is not None:
            name = Identifiers(self.names.values()).new(f"at_{self.names[weight.tensor]}")
            # unlike a constant, for which Numba would compile the function once more
            self.given[name] = f"np.int64({begin})"
            where = f"{name} + {where}"
        element = self.access(weight)
        arguments = f"{element}, {self.access(slope)}, states, {where}, fixed, *settings"
        self.emit(f"{element} = updated({arguments})")

    def reduce(self, node: Reduce, depth: int) -> None:
        target = self.access(node.target)
        own = node.target.tensor in self.schedule.scalars and not node.add
        name = target if own else self.fresh("largest" if node.kind == "max" else "total")
        if node.kind == "sum":
            self.used.numbers.add("zero")
        self.emit(f"{name} = {'real(-np.inf)' if node.kind == 'max' else 'zero'}")
        for n, (i, span) in enumerate(node.loops, 1):
            if self.enter(i, span):
                wide = node.wide and n == len(node.loops)
                self.emit(f"for {self.variables[i][0]} in {self.span(i, span, wide=wide)}:")
                self.depth += 1
        if node.kind == "sum":
            self.store(name, "+=", node.value)
        else:
            value = self.print(node.value)
            line = f"{name} = {value} if {value} > {name} else {name}"
            if not isinstance(node.value, Access) or len(INDENT) * self.depth + len(line) > WIDTH:
                value = self.temporary(value)
                line = f"{name} = {value} if {value} > {name} else {name}"
            self.emit(line)
        for i, _ in node.loops:
            del self.variables[i]
        self.depth = depth
        if not own:
            self.emit(f"{target} {'+=' if node.add else '='} {name}")

    def store(self, target: str, operator: str, value: sympy.Expr) -> None:
        """One statement, or several where it would be too long for a line or must not always be carried out."""
        guarded = [t for t in sympy.Add.make_args(value) if isinstance(t, Within)]
        if guarded:
            rest = sympy.Add(*(t for t in sympy.Add.make_args(value) if t not in guarded))
            if operator == "=" or rest != 0:
                self.store(target, operator, rest)
            for term in guarded:
                self.where(term, target)
            return
        while inner := sorted(value.atoms(Within), key=sort_key, reverse=True):
            value = value.xreplace({inner[0]: self.variable(inner[0])})
        while found := repeated(value):
            value = value.xreplace({found[0]: self.variable(found[0])})
        room = WIDTH - len(INDENT) * self.depth - len(f"{target} {operator} ")
        while len(self.plain(value)) > room and (shorter := self.shortened(value, room)) != value:
            value = shorter
        self.emit(f"{target} {operator} {self.print(value)}")

    def where(self, guarded: Within, target: str) -> None:
        """A statement for places inside a range only; elsewhere its elements may lie outside their arrays."""
        subscript, first, last, value = guarded.args
        place = self.position(subscript)
        bounds = [f"{first} <= "] * bool(first.is_finite) + [place] + [f" <= {last}"] * bool(last.is_finite)
        self.emit(f"if {f'{place} == {first}' if first == last else ''.join(bounds)}:")
        self.depth += 1
        self.store(target, "+=", value)
        self.depth -= 1

    def shortened(self, value: sympy.Expr, room: int) -> sympy.Expr:
        """The same value with its longest part in a variable: one that fits into a line, else half, else an element."""
        line = WIDTH - len(INDENT) * self.depth - len("v123 = ")
        lengths = {e: len(self.plain(e)) for e in _parts(value) if e != value and not e.is_number and not e.is_Symbol}
        compound = {e: n for e, n in lengths.items() if not isinstance(e, Access)}
        for limit in (min(room, line - 1), line):
            fitting = [e for e, n in compound.items() if 12 < n <= limit]
            if fitting:
                return self.with_variable(value, fitting, lengths)
        half = len(value.args) // 2
        if (value.is_Add or value.is_Mul) and half > 1:
            first = value.func(*value.args[:half])
            return value.func(self.variable(first), *value.args[half:])
        elements = [e for e in lengths if isinstance(e, Access)]
        return self.with_variable(value, elements, lengths) if elements else value

    def with_variable(self, value: sympy.Expr, parts: list[sympy.Expr], lengths: dict[sympy.Expr, int]) -> sympy.Expr:
        """The longest of the parts of a value in a variable."""
        longest = max(parts, key=lambda e: (lengths[e], str(e)))
        return value.xreplace({longest: self.variable(longest)})

    def plain(self, value: sympy.Expr) -> str:
        """The text of a value, for its length: nothing is written."""
        return replace(self, lines=[], used=Used()).print(value)

    def variable(self, value: sympy.Expr) -> sympy.Symbol:
        """A symbol that stands for a value stored in a new variable."""
        symbol = sympy.Symbol(f"temporary {self.counter}", real=True)
        name = self.fresh("v")
        self.store(name, "=", value)
        self.temporaries[symbol] = name
        return symbol

    def temporary(self, text: str) -> str:
        name = self.fresh("v")
        self.emit(f"{name} = {text}")
        return name

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return Identifiers(self.names.values()).new(f"{stem}{self.counter}")

    def print(self, value: sympy.Expr) -> str:
        return Printer(self.access, self.position, self.temporary, self.temporaries, self.used).text(value)

    def access(self, access: Access) -> str:
        name = self.names[access.tensor]
        if access.tensor in self.schedule.scalars:
            return name
        batch = self.is_batch(access.tensor)
        indices = access.indices[1:] if batch else access.indices
        tensor = self.schedule.tensors[access.tensor]
        sample = [self.variables[SAMPLE][0]] if batch else []
        positions = [self.position(i - tensor.start(d)) for d, i in enumerate(indices)]
        if isinstance(self.schedule, Sequence):
            positions = [positions[d] for d in self.schedule.layouts[access.tensor]]
        positions = [*positions, *sample] if self.in_lanes else [*sample, *positions]
        return f"{name}[{', '.join(positions) or '0'}]"

    @property
    def in_lanes(self) -> bool:
        """Whether the samples are the last index of an array instead of the first."""
        return isinstance(self.schedule, Lanes)

    def is_batch(self, tensor: str) -> bool:
        return self.schedule.kinds[tensor] is Kind.BATCH

    def position(self, i: sympy.Expr) -> str:
        """An index as an integer in the code, where loop variables count from 0; data hold places from 1."""
        data = {a: sympy.Symbol(f"place {n}", integer=True) for n, a in enumerate(accesses(i))}
        i = i.xreplace(data)
        places = {s.name: f"int({self.access(a)})" for a, s in data.items()}
        known = {s: self.variables[s] for s in index_symbols(i) - set(data.values())}
        shifted = i.xreplace(
            {s: (sympy.Symbol(s.name, integer=True) if name else 0) + first for s, (name, first) in known.items()}
        )
        text = places | {s.name: name for s, (name, _) in known.items()}
        terms = []
        for term in sorted(sympy.Add.make_args(sympy.expand(shifted)), key=lambda t: (t.is_number, str(t))):
            factor, rest = term.as_coeff_Mul()
            if rest == 1:
                terms.append((bool(factor < 0), str(abs(factor))))
            else:
                letter = text[rest.name]
                terms.append((bool(factor < 0), letter if abs(factor) == 1 else f"{abs(factor)} * {letter}"))
        terms.sort(key=lambda t: t[0])
        negative, first_text = terms[0]
        return ("-" if negative else "") + first_text + "".join(f" {'-' if neg else '+'} {t}" for neg, t in terms[1:])

    def matrix(self, m: Matrix) -> str:
        tensor = self.schedule.tensors[m.tensor]
        batch = self.is_batch(m.tensor)
        shape = [*(["count"] if batch else []), *map(str, tensor.shape)]
        text = self.names[m.tensor]
        if batch or len(shape) != 2 or m.rows != 1:
            sides = [" * ".join(d for d in part if d != "1") or "1" for part in (shape[: m.rows], shape[m.rows :])]
            sides = [str(sympy.sympify(s)) if "count" not in s else s for s in sides]
            text = f"matrix({text}, {', '.join(sides)})"
        return text + (".T" if m.transposed else "")


def _notes(nest: Loop) -> tuple[str, ...]:
    """The notes of all nodes of a nest."""
    return tuple(note for node in walk([nest]) for note in getattr(node, "notes", ()))


def _parts(value: sympy.Expr) -> Iterator[sympy.Expr]:
    """A value and all values that it is made of; indices are none."""
    yield value
    for part in () if isinstance(value, Access) else sorted(value.args, key=sympy.default_sort_key):
        yield from _parts(part)
