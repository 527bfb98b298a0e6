"""How the time of deriving grows: with depth, width, the number of equations and the length of a sequence.

    pip install -e '.[bench]'
    python benchmarks/scaling.py

prints one table.  Each row compares, for one network,

* **derive**: reading the specification and the reverse sweep, which gives the closed forms of all derivatives;
* **jax**: ``jax.make_jaxpr(jax.grad(loss))``, the construction of its gradient program, with ``lax.scan`` over time;
* **sympy.diff**: of the loss composed into one scalar, weight by weight, where that is small enough to wait for.

The first two run in turn, three times, on empty caches, and the least time of each counts, since noise only ever adds;
the third runs once. Times are the process's own, so that a busy machine does not matter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import sympy
from sympy.core.cache import clear_cache

from derive.diagnostics import Source
from derive.expressions import partial
from derive.gradient import sweep
from derive.language.build import load
from derive.network import flatten
from derive.tidy import derivative_of

REPEATS = 3
LARGEST = 5_000  # leaves of the composed scalar times weights, beyond which sympy.diff is left out


@dataclass(frozen=True)
class Family:
    """Networks of one shape, by one number: the specification, the same for JAX, and as one scalar with its weights."""

    name: str
    numbers: tuple[int, ...]
    spec: Callable[[int], str]
    jax: Callable[[int], tuple[Callable[..., Any], Any]]
    composed: Callable[[int], tuple[sympy.Expr, list[sympy.Symbol]]]
    leaves: Callable[[int], int]


def layers_spec(depth: int, width: int) -> str:
    lines = [f"input x[{width}]"]
    for n in range(1, depth + 1):
        lines.append(f"h{n}[{width}] = tanh(dense({'x' if n == 1 else f'h{n - 1}'}))")
    return "\n".join([*lines, f"target t[{width}]", f"loss L = squared_error(h{depth}, t)"])


def layers_jax(depth: int, width: int) -> tuple[Callable[..., Any], Any]:
    def loss(weights: Any) -> Any:
        h = jnp.ones(width)
        for w, b in weights:
            h = jnp.tanh(w @ h + b)
        return jnp.sum((h - 1.0) ** 2)

    return loss, [(struct(width, width), struct(width))] * depth


def layers_composed(depth: int, width: int) -> tuple[sympy.Expr, list[sympy.Symbol]]:
    h: list[sympy.Expr] = list(sympy.symbols(f"x1:{width + 1}"))
    weights: list[sympy.Symbol] = []
    for n in range(depth):
        w = [sympy.symbols(f"w{n}_{i}_1:{width + 2}") for i in range(width)]
        weights += [v for row in w for v in row]
        h = [sympy.tanh(sum((a * v for a, v in zip(row, h, strict=False)), row[-1])) for row in w]
    return sympy.Add(*((v - 1) ** 2 for v in h)), weights


def chain_spec(count: int) -> str:
    lines = ["input h0[3]", *(f"weight w{n}" for n in range(1, count + 1))]
    lines += [f"h{n} = sin(w{n} * h{n - 1})" for n in range(1, count + 1)]
    return "\n".join([*lines, f"loss L = sum(h{count}^2)"])


def chain_jax(count: int) -> tuple[Callable[..., Any], Any]:
    def loss(weights: Any) -> Any:
        h = jnp.ones(3)
        for w in weights:
            h = jnp.sin(w * h)
        return jnp.sum(h**2)

    return loss, [struct()] * count


def chain_composed(count: int) -> tuple[sympy.Expr, list[sympy.Symbol]]:
    weights = list(sympy.symbols(f"w1:{count + 1}"))
    h: list[sympy.Expr] = list(sympy.symbols("x1:4"))
    for w in weights:
        h = [sympy.sin(w * v) for v in h]
    return sympy.Add(*(v**2 for v in h)), weights


def recurrence_spec(length: int) -> str:
    return f"""
    input x[{length}, 2]
    weight W[2, 2], U[2, 2], b[2]
    h[t] = tanh(W @ h[t-1] + U @ x[t] + b)
    loss L = sum(h^2)
    """


def recurrence_jax(length: int) -> tuple[Callable[..., Any], Any]:
    def loss(weights: Any) -> Any:
        w, u, b = weights

        def step(h: Any, x: Any) -> tuple[Any, Any]:
            h = jnp.tanh(w @ h + u @ x + b)
            return h, h

        return jnp.sum(jax.lax.scan(step, jnp.zeros(2), jnp.ones((length, 2)))[1] ** 2)

    return loss, (struct(2, 2), struct(2, 2), struct(2))


def recurrence_composed(length: int) -> tuple[sympy.Expr, list[sympy.Symbol]]:
    names = [f"{a}{i}{j}" for a, i, j in product("wu", "12", "12")] + ["b1", "b2"]
    s = {name: sympy.Symbol(name) for name in names}
    h: list[sympy.Expr] = [sympy.Integer(0)] * 2
    total: sympy.Expr = sympy.Integer(0)
    for t in range(length):
        x = sympy.symbols(f"x{t}_1:3")
        h = [
            sympy.tanh(sum(s[f"w{i}{j}"] * h[j - 1] + s[f"u{i}{j}"] * x[j - 1] for j in (1, 2)) + s[f"b{i}"])
            for i in (1, 2)
        ]
        total += h[0] ** 2 + h[1] ** 2
    return total, list(s.values())


def struct(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


FAMILIES = [
    Family(
        "depth, 3 wide",
        (1, 2, 4, 8, 16, 32, 64),
        lambda n: layers_spec(n, 3),
        lambda n: layers_jax(n, 3),
        lambda n: layers_composed(n, 3),
        lambda n: 3**n * 12 * n,
    ),
    Family(
        "width, 2 layers",
        (2, 4, 8, 64, 1024, 8192),
        lambda n: layers_spec(2, n),
        lambda n: layers_jax(2, n),
        lambda n: layers_composed(2, n),
        lambda n: n**3 * 2 * n * (n + 1),
    ),
    Family(
        "equations in a chain",
        (4, 16, 64, 256),
        chain_spec,
        chain_jax,
        chain_composed,
        lambda n: 3 * n * n if n < 64 else LARGEST + 1,  # SymPy's recursion ends before
    ),
    Family(
        "steps of a recurrence",
        (2, 4, 8, 64, 1024, 16384),
        recurrence_spec,
        recurrence_jax,
        recurrence_composed,
        lambda n: 2**n * 10 * n,
    ),
]


def milliseconds(work: Callable[[], object]) -> float:
    """The time of one call on empty caches."""
    clear_cache()
    partial.cache_clear()
    derivative_of.cache_clear()
    jax.clear_caches()
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def row(family: Family, n: int) -> str:
    """One line of the table."""
    spec = family.spec(n)
    network = load(Source("benchmark.spec", spec))
    equations = len(network.flat_equations)
    derived = len(flatten(sweep(network).equations))
    loss, shapes = family.jax(n)
    jobs: dict[str, Callable[[], object]] = {
        "derive": lambda: sweep(load(Source("benchmark.spec", spec))),
        "jax": lambda: jax.make_jaxpr(jax.grad(lambda w: loss(w)))(shapes),
    }
    if family.leaves(n) <= LARGEST:
        composed, weights = family.composed(n)
        jobs["sympy"] = lambda: [composed.diff(w) for w in weights]
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for repeat in range(REPEATS):
        for name, job in jobs.items():
            if name != "sympy" or not repeat:
                times[name].append(milliseconds(job))
    ours, theirs = min(times["derive"]), min(times["jax"])
    naive = min(times.get("sympy", [math.nan]))
    cells = [n, equations, derived, ours, ours / equations, theirs, theirs / ours, naive, naive / ours]
    return line(family.name, [f"{c:.2f}" if k in (4, 6, 8) else f"{c:.0f}" for k, c in enumerate(cells)])


def line(name: str, cells: list[str]) -> str:
    return f"{name:22}" + "".join(f"{cell.replace('nan', '—'):>13}" for cell in cells)


def main() -> None:
    print(line("", ["", "equations", "equations", "derive", "ms per", "jax", "jax /", "sympy.diff", "sympy.diff /"]))
    print(line("", ["n", "", "derived", "ms", "equation", "ms", "derive", "ms", "derive"]))
    for family in FAMILIES:
        row(family, family.numbers[0])  # what only the first network pays is not counted
        for n in family.numbers:
            print(row(family, n), flush=True)


if __name__ == "__main__":
    main()
