"""The arguments of a call and the parameters of a definition: by place, by name, or by default.

``define f(z, alpha = 0.01) = …`` is called as ``f(z)``, ``f(z, 0.2)`` or ``f(z, alpha = 0.2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from derive.diagnostics import SpecError, did_you_mean
from derive.language import syntax

#: How functions of the language are called that take more than one argument or reduce.
SIGNATURES = {
    "sum": "sum(e) over all elements, or sum(i: e) over an index",
    "mean": "mean(e) over all elements, or mean(i: e) over an index",
    "max": "max(a, b), or max(e) over all elements",
    "min": "min(a, b), or min(e) over all elements",
    "pad": "pad(x, 1), or with a width for every dimension, pad(x, 0, 1, 1)",
    "cases": "cases(u, a, b): a where u > 0, else b",
    "maxout": "maxout(x, 3): the largest of three dense pieces",
    "dropout": "dropout(h, p), with the probability p that an element becomes 0",
}


def check_parameters(parameters: Sequence[syntax.Parameter]) -> None:
    """Two parameters have two names, and those with a default stand last."""
    ids = [p.id for p in parameters]
    optional = None
    for p in parameters:
        if ids.count(p.id) > 1:
            raise SpecError(f"parameter {p.id} is named twice", p.span, "", "use two different names")
        if p.default is not None:
            optional = p
        elif optional is not None:
            help = f"move {p.id} before {optional.id}, or give it a default too"
            raise SpecError(f"parameter {p.id} needs a default", p.span, f"it stands after {optional.id}", help)


def signature(name: str, parameters: Sequence[syntax.Parameter]) -> str:
    """How a function is called: ``leaky_relu(z, alpha = 0.01)``."""
    shown = (
        p.id if p.default is None else f"{'weight ' * p.learned}{p.id} = {float(p.default.value):.12g}"
        for p in parameters
    )
    return f"{name}({', '.join(shown)})"


def bind(call: syntax.Call, parameters: Sequence[syntax.Parameter]) -> tuple[syntax.Expr, ...]:
    """The expression that each parameter stands for in a call; raises :class:`SpecError` where that is not clear."""
    name = call.function.id
    usage = f"write {signature(name, parameters)}"
    ids = [p.id for p in parameters]
    given: dict[str, syntax.Expr] = dict(zip(ids, call.arguments, strict=False))
    for keyword in call.keywords:
        if keyword.id not in ids:
            help = did_you_mean(keyword.id, ids) or usage
            raise SpecError(f"{name} has no parameter '{keyword.id}'", keyword.span, "", help)
        if keyword.id in given:
            label = "by its place and by its name" if keyword.id in ids[: len(call.arguments)] else ""
            raise SpecError(f"'{keyword.id}' is given twice", keyword.span, label, "remove one of the two")
        given[keyword.id] = keyword.value
    for p in parameters:
        if p.default is not None:  # an error in it is shown at the call: its own text may be another file's
            start = replace(p.default, span=call.span)
            given.setdefault(p.id, syntax.Learned(call.span, p.id, start) if p.learned else start)
    required = sum(p.default is None for p in parameters)
    missing = [i for i in ids if i not in given]
    if len(call.arguments) > len(ids) or (missing and not call.keywords):
        counts = [str(n) for n in range(required, len(ids) + 1)]
        wanted = f"{counts[0]} to {counts[-1]}" if len(counts) > 2 else " or ".join(counts)
        message = f"{name} takes {wanted} argument{'s' * (counts[-1] != '1')}"
        raise SpecError(message, call.span, f"{len(call.arguments)} given", usage)
    if missing:
        raise SpecError(f"{name} needs '{missing[0]}'", call.span, "not given", usage)
    return tuple(given[i] for i in ids)


def leaves_learned(call: syntax.Call, parameters: Sequence[syntax.Parameter]) -> bool:
    """Whether a call makes a fresh weight, because it does not give a learned parameter."""
    named = {k.id for k in call.keywords}
    return any(p.learned and p.id not in named for p in parameters[len(call.arguments) :])


def by_place(call: syntax.Call, count: int) -> tuple[syntax.Expr, ...]:
    """The arguments of a function of the language, which have no names; exactly ``count`` of them."""
    name = call.function.id
    usage = f"write {SIGNATURES.get(name, f'{name}(x)')}"
    if call.keywords:
        raise SpecError(f"the arguments of {name} have no names", call.keywords[0].span, "", usage)
    if len(call.arguments) != count:
        message = f"{name} takes {count} argument{'s' * (count != 1)}"
        raise SpecError(message, call.span, f"{len(call.arguments)} given", usage)
    return call.arguments
