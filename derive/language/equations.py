"""One equation of the specification: its left side, its ranges, and the equations its right side falls into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy

from derive.diagnostics import SpecError
from derive.expressions import Access, Index, extent_of, index, index_symbols, rename
from derive.language import syntax
from derive.language.batches import name_moments
from derive.language.lowering import Lowering
from derive.language.padding import borders, padding
from derive.language.ranges import Constraint, Range, solve
from derive.language.recurrence import keep_amidst, lengths
from derive.language.scope import Pending, Scope, Value, shown, visible_shape
from derive.network import Tensor

if TYPE_CHECKING:
    from derive.language.build import Builder


def lower_equation(builder: Builder, statement: syntax.Equation) -> None:
    """Lower ``T[…] = body`` and append its equations to the builder's."""
    target, name = statement.target, statement.target.name.id
    scope = Scope(builder.reserved)
    lowering = Lowering(builder, scope)
    leading, expected = _left_side(builder, target, scope)
    scope.left = leading
    argument, widths = padding(builder, statement.body)
    value = lowering.lower(argument, expected)
    if expected and not value.shape:
        scalar = value.element(())
        value = Value(expected, lambda _: scalar, value.span, value.order)
    if expected and value.shape != expected:
        raise SpecError(
            "shapes do not agree",
            statement.body.span,
            f"this is {shown(value.shape)} and {name} is {shown(expected)}",
            f"write {name}[{', '.join([*map(str, leading), *map(str, value.shape)])}] = …, or leave "
            f"{'the sizes' if leading else 'the brackets'} out",
        )
    inner = tuple(scope.fresh(n) for n in value.shape)
    lhs, body = Access(name, *leading, *inner), value.element(inner)
    ranges = solve(scope.constraints, {**scope.ranges, **lengths(builder, scope)}, scope.spans)
    builder.defer(scope, ranges)
    shape = tuple(ranges[s][1] for s in leading) + value.shape
    border = borders(widths, value, len(leading), statement.body)
    first = _first_indices(builder, name, len(shape)) if not border else tuple(1 - width for width in border)
    ends = tuple(map(sum, zip(shape, border, strict=True))) if border else shape
    extents = tuple(end + 1 - start for end, start in zip(ends, first, strict=True))
    first = first if set(first) - {1} else ()
    builder.put_tensor(Tensor(name, extents, "value", first=first, border=border), target.name.span)
    builder.upcoming.pop(name, None)
    keep_amidst(builder, name)
    if name in builder.initials:
        _lower_initial(builder, builder.initials[name], builder.tensors[name])
    finish(builder, scope, Pending(lhs, body, (), "sum", value.order), ranges)


def finish(builder: Builder, scope: Scope, last: Pending, ranges: dict[Index, Range]) -> None:
    """Append the pending equations and the last one, which swallows a reduction that is its whole right side."""
    pending = list(scope.pending)
    if pending and isinstance(last.body, Access) and last.body.tensor in builder.anonymous_names:
        whole = pending[-1]
        arguments = last.body.indices
        if whole.lhs.tensor == last.body.tensor and len(set(arguments)) == len(arguments) == len(whole.lhs.indices):
            mapping = dict(zip(whole.lhs.indices, arguments, strict=True))
            if all(s.is_Symbol for s in (*mapping, *mapping.values())) or mapping == {}:
                pending.pop()
                last = Pending(last.lhs, rename(whole.body, mapping), whole.reduce, whole.kind, whole.order)
    pending, last = name_moments(builder, pending, last)
    for p in pending:
        shape = tuple(ranges[s][1] - ranges[s][0] + 1 for s in p.lhs.indices)
        anonymous = p.lhs.tensor in builder.anonymous_names
        builder.put_tensor(Tensor(p.lhs.tensor, shape, "value", anonymous=anonymous), scope.where(p))
    builder.equations += scope.close([*pending, last], ranges)


def _left_side(builder: Builder, target: syntax.Declared, scope: Scope) -> tuple[tuple[Index, ...], tuple[int, ...]]:
    """Index names on the left, and the sizes that follow; ``()`` expected where there are none: a scalar."""
    sizes = [builder.extent(b) for b in target.brackets or ()]
    leading: list[Index] = []
    for bracket, size in zip(target.brackets or (), sizes, strict=True):
        if size is not None and not any(s is None for s in sizes[len(leading) :]):
            break
        if size is not None or not isinstance(bracket, syntax.Name):
            raise SpecError(
                "brackets on the left hold index names, then sizes",
                bracket.span,
                "",
                "write h[16] = … for a whole tensor, z[i, j] = … for one element of it, h[t, 16] = … for a row",
            )
        builder.check_index(bracket)
        if bracket.id in scope.bound:
            raise SpecError(f"index {bracket.id} is named twice", bracket.span, "", "use two different letters")
        scope.bound[bracket.id] = scope.bind(bracket.id, bracket.span)
        leading.append(scope.bound[bracket.id])
    return tuple(leading), tuple(s for s in sizes[len(leading) :] if s is not None)


def _first_indices(builder: Builder, name: str, rank: int) -> tuple[int, ...]:
    """Where the dimensions of a tensor start: before 1 where ``h[t-1]`` reads, ``h[0] = …`` gives an earlier state."""
    first = [1] * rank
    for deferred in builder.deferred:
        if deferred.name == name:
            for d, subscript in enumerate(deferred.subscripts[:rank]):
                if subscript.is_Symbol:
                    continue
                constant = int(subscript.subs(dict.fromkeys(index_symbols(subscript), 0)))
                first[d] = min(first[d], 1 + constant)
    if name in builder.initials and min(first, default=1) == 1:
        brackets = builder.initials[name].target.brackets or ()
        first = [0 if d < len(brackets) and is_zero(brackets[d]) else 1 for d in range(rank)]
    return tuple(first)


def _lower_initial(builder: Builder, statement: syntax.Equation, tensor: Tensor) -> None:
    """``h[0] = …``: the state before the first step."""
    scope = Scope(builder.reserved)
    indices = _initial_indices(builder, statement.target, tensor, scope)
    rest = visible_shape(tensor)[len(indices) :]
    value = Lowering(builder, scope).lower(statement.body, rest)
    if value.shape and value.shape != rest:
        raise SpecError(
            "shapes do not agree",
            statement.body.span,
            f"this is {shown(value.shape)} and the state is {shown(rest)}",
            "a scalar fills the whole state",
        )
    inner = tuple(scope.fresh(n) for n in rest)
    body = value.element(inner if value.shape else ())
    ranges = solve(scope.constraints, scope.ranges, scope.spans)
    builder.defer(scope, ranges)
    finish(builder, scope, Pending(Access(tensor.name, *indices, *inner), body, (), "sum", value.order), ranges)


def _initial_indices(builder: Builder, target: syntax.Declared, tensor: Tensor, scope: Scope) -> tuple[sympy.Expr, ...]:
    """The indices on the left of ``h[0, j] = …``: 0 in the place of time, names in the others."""
    brackets = target.brackets or ()
    places = [sympy.sstr(s) for s in _index_names(tensor)]
    help = f"write {tensor.name}[{', '.join(places)}] = …"
    if len(brackets) > len(tensor.shape):
        raise SpecError(f"too many indices for {tensor.name}", target.span, f"it has {len(tensor.shape)}", help)
    indices: list[sympy.Expr] = []
    for bracket, extent, start in zip(brackets, visible_shape(tensor), _starts(tensor), strict=False):
        if start < 1 and is_zero(bracket):
            indices.append(sympy.Integer(0))
        elif start == 1 and isinstance(bracket, syntax.Name):
            builder.check_index(bracket)
            scope.bound[bracket.id] = scope.bind(bracket.id, bracket.span)
            indices.append(scope.bound[bracket.id])
            scope.constraints.append(Constraint(indices[-1], 1, extent, "", bracket.span))
        else:
            raise SpecError("the state before the first step is given for time 0", bracket.span, "", help)
    return tuple(indices)


def _index_names(tensor: Tensor) -> list[sympy.Expr]:
    names = iter("ijklmn")
    return [sympy.Integer(0) if start < 1 else index(next(names, "i")) for start in _starts(tensor)]


def is_zero(node: syntax.Expr) -> bool:
    """Whether a bracket holds a 0, as in ``h[0] = …``."""
    return isinstance(node, syntax.Number) and node.value == 0


def check_initials(builder: Builder) -> None:
    """Every ``h[0] = …`` belongs to an equation for h and is read by one."""
    for name, statement in builder.initials.items():
        target = statement.target
        if name not in builder.tensors:
            raise SpecError(
                f"only {name}[0] is given",
                target.span,
                f"no equation tells {name}[1]",
                f"add {name}[t] = …, or remove it",
            )
        reads = [(eq, a) for eq in builder.equations for a in eq.reads if a.tensor == name]
        if not any(extent_of(i, eq.ranges)[0] < 1 for eq, a in reads for i in a.indices):
            text = builder.text(target.span)
            raise SpecError(f"{text} is never read", target.span, "", f"read it as {name}[t-1], or remove it")


def _starts(tensor: Tensor) -> list[int]:
    return [tensor.start(d) for d in range(len(tensor.shape))]


def lower_loss(builder: Builder, statements: list[syntax.Loss]) -> str:
    """The one scalar loss; returns its name."""
    if not statements:
        raise SpecError("there is no loss", None, "", "add a line such as: loss L = 1/2 * (y - t)^2")
    if len(statements) > 1:
        line = builder.source.locate(statements[0].span.start)[0]
        raise SpecError(
            "there are two losses",
            statements[1].span,
            f"the first is on line {line}",
            "add them up: loss L = first + second",
        )
    statement = statements[0]
    name = statement.name or syntax.Name(statement.span, "L" if "L" not in builder.spans else "Loss")
    builder.add_name(name)
    scope = Scope(builder.reserved)
    value = Lowering(builder, scope).lower(statement.body, ())
    if value.shape:
        raise SpecError(
            "the loss must be a scalar",
            statement.body.span,
            f"this is {shown(value.shape)}",
            "sum or average it: sum(…), mean(…)",
        )
    ranges = solve(scope.constraints, scope.ranges, scope.spans)
    builder.put_tensor(Tensor(name.id, (), "value"), name.span)
    builder.use(name.id)
    finish(builder, scope, Pending(Access(name.id), value.element(()), (), "sum", value.order), ranges)
    return name.id
