"""Shapes of what a recurrence reads before its equation is known.

``z[t] = W @ h[t-1] + U @ x[t]`` stands above the equation that defines h, and that one needs z.  Its shape is told as
a reader would tell it: a read of unknown shape goes with anything elementwise, and W @ h[t-1] has a place for every
row of W.  The equations are gone through until nothing new is found; then W's columns tell what h must be, and what
is still open is one number for every time step.  Lowering checks whatever is found here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from derive.language import syntax
from derive.language.names import LAYERS, REDUCTIONS
from derive.language.scope import Shape, visible_shape

if TYPE_CHECKING:
    from derive.language.build import Builder

Known = Mapping[str, Shape | None]


def shapes_ahead(builder: Builder) -> dict[str, Shape]:
    """For every equation in indices that is still to come: the shape of the value on its right side."""
    return _Reader(builder).solve()


def length_ahead(builder: Builder, name: str, dimension: int) -> int | None:
    """How far an index on the left of an equation to come runs, where that equation reads something with it alone.

    So ``z[t] = W @ h[t-1]``, above ``h[t] = tanh(z[t] + x[t])``, has the length of x.
    """
    seen = {name}
    waiting = [(name, dimension)]
    for coming, d in waiting:
        statement = builder.upcoming.get(coming)
        letter = statement.target.brackets[d] if statement and statement.target.brackets else None
        reads = [n for n in syntax.walk(statement.body) if isinstance(n, syntax.Element)] if statement else []
        for read in reads:
            places = [n for n, i in enumerate(read.indices) if _letter(i) == _letter(letter)]
            tensor = builder.tensors.get(read.name.id)
            if places and tensor is not None and places[0] < len(tensor.shape):
                return visible_shape(tensor)[places[0]]
            if places and read.name.id not in seen:
                seen.add(read.name.id)
                waiting.append((read.name.id, places[0]))
    return None


def _letter(node: syntax.Expr | None) -> str | None:
    return node.id if isinstance(node, syntax.Name) else None


class _Reader:
    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.coming = {name: s for name, s in builder.upcoming.items() if s.target.brackets}
        self.found: dict[str, Shape] = {}
        self.hints: dict[str, Shape] = {}
        self.opening: list[str] = []

    def solve(self) -> dict[str, Shape]:
        for name, statement in self.coming.items():
            sizes = tuple(n for b in statement.target.brackets or () if (n := self.builder.extent(b)))
            if sizes:
                self.found[name] = sizes
        self.settle()
        for name, shape in self.hints.items():
            self.found.setdefault(name, shape)
        self.settle()
        return {name: self.found.get(name, ()) for name in self.coming}

    def settle(self) -> None:
        """Go through the equations as long as that tells the shape of another one."""
        progress = True
        while progress:
            progress = False
            for name, statement in self.coming.items():
                shape = None if name in self.found else self.shape(statement.body, {})
                if shape is not None:
                    self.found[name] = shape
                    progress = True

    def shape(self, node: syntax.Expr, local: Known) -> Shape | None:
        """The shape of an expression; ``None`` where it cannot be told yet.  ``local`` are a function's parameters."""
        match node:
            case syntax.Number():
                return ()
            case syntax.Name() | syntax.Element():
                return self.read(node, local)
            case syntax.Negate():
                return self.shape(node.operand, local)
            case syntax.Binary(operator="@"):
                return self.product(node, local)
            case syntax.Binary():
                return _joined([self.shape(node.left, local), self.shape(node.right, local)])
            case syntax.Reduction():
                return self.shape(node.body, local)
            case syntax.Call():
                return self.call(node, local)
        raise AssertionError(node)

    def read(self, node: syntax.Name | syntax.Element, local: Known) -> Shape | None:
        name, taken = (node.name.id, len(node.indices)) if isinstance(node, syntax.Element) else (node.id, 0)
        if name in local:
            shape = local[name]
        elif name in self.builder.tensors:
            shape = visible_shape(self.builder.tensors[name])
        elif name in self.coming:
            shape, taken = self.found.get(name), max(0, taken - self.builder.leading[name])
        else:
            shape = ()
        return None if shape is None else shape[taken:]

    def product(self, node: syntax.Binary, local: Known) -> Shape | None:
        """A factor of unknown shape is taken for a vector, as long as the other one tells how long it is."""
        left, right = self.shape(node.left, local), self.shape(node.right, local)
        if left and right is None:
            self.hint(node.right, left[-1:])
            return left[:-1]
        if right and left is None:
            self.hint(node.left, right[:1])
            return right[1:]
        return left[:-1] + right[1:] if left and right else None

    def hint(self, node: syntax.Expr, shape: Shape) -> None:
        name = node.name.id if isinstance(node, syntax.Element) else ""
        if isinstance(node, syntax.Element) and len(node.indices) == self.builder.leading.get(name):
            self.hints.setdefault(name, shape)

    def call(self, node: syntax.Call, local: Known) -> Shape | None:
        name = node.function.id
        shapes = [self.shape(a, local) for a in node.arguments]
        keywords = {k.id: self.shape(k.value, local) for k in node.keywords}
        if name in REDUCTIONS and len(shapes) == 1:
            return ()
        if name in LAYERS:
            return None
        definition = self.builder.definition(name)
        if definition is None:
            return _joined(shapes)
        if name in self.opening:
            return None
        self.opening.append(name)
        parameters = [p.id for p in definition.parameters]
        bound: dict[str, Shape | None] = {**dict.fromkeys(parameters, ()), **keywords}
        found = self.shape(definition.body, {**bound, **dict(zip(parameters, shapes, strict=False))})
        self.opening.pop()
        return found


def _joined(shapes: list[Shape | None]) -> Shape | None:
    """The shape of an elementwise combination: that of an array among them, else it is open as long as one is."""
    array = max((s for s in shapes if s), key=len, default=None)
    return array or (None if None in shapes else ())
