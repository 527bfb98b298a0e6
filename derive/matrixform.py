"""Gradients of weight matrices as outer products: what depends on the row index times what depends on the column.

``∂L/∂W[k, l] = δ[k] x[l]`` is the matrix δ xᵀ.  The split holds for any width; a sum of several products (weight decay,
shared weights) gives a sum of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from derive.expressions import Access, index_symbols


@dataclass(frozen=True)
class Outer:
    """A product scalar · left · right; a side without a factor is ``None``."""

    scalar: sympy.Expr
    left: sympy.Expr | None
    right: sympy.Expr | None


def outer(term: sympy.Expr, rows: sympy.Expr | None, columns: sympy.Expr | None) -> Outer | None:
    """Split a product by the index that its factors depend on; ``None`` where a factor depends on both."""
    parts: dict[str, list[sympy.Expr]] = {"scalar": [], "left": [], "right": []}
    for factor in sympy.Mul.make_args(term):
        used = index_symbols(factor)
        if rows in used and columns in used:
            return None
        parts["left" if rows in used else "right" if columns in used else "scalar"].append(factor)
    left, right = (sympy.Mul(*parts[side]) if parts[side] else None for side in ("left", "right"))
    return Outer(sympy.Mul(*parts["scalar"]), left, right)


def is_whole(term: sympy.Expr, indices: tuple[sympy.Expr, ...]) -> bool:
    """A number times an array at these very indices: it is a matrix already, as in weight decay."""
    rest = term.as_coeff_Mul()[1]
    return isinstance(rest, Access) and rest.indices == indices
