"""Named rules that bring a derivative into the form a lecturer writes.

Each rule is a small rewriting that holds wherever both sides are defined, and none may bring in a denominator that
was not there: a rewriting of x σ(x) by σ = h/x would turn a fine formula into 0/0 at x = 0.

=========  ==========================================================================================
reuse      write f′ through the value f(z) that the forward pass has computed: h(1 − h), 1 − h²
cancel     cancel through a common denominator
quotient   sinh u / cosh u = tanh u; eᵘ/(1 + eᵘ) = 1/(1 + e⁻ᵘ): the same value, safe far out
hoist      a factor that does not depend on the summation index stands before the sum
fact       a declared fact about the data: the elements of a target add up to 1
choice     exactly one place is chosen: Σ_v [w = v] = 1, and p_v [w = v] / p_w = [w = v]
sign       −(t − y) = y − t
centred    deviations from a mean add up to 0: Σᵢ (xᵢ − s/n) = 0 where s = Σⱼ xⱼ by an equation and i = 1 … n
absolute   u sgn u = |u|
branch     a condition that is known inside a branch, or has branches itself, is decided there
=========  ==========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy

from derive.branches import decide
from derive.expressions import Access, Cases, Equal, Index, Within, accesses, index_symbols, rename, smooth, sort_key
from derive.network import Equation, Fact

RULES = {
    "reuse": "written through the value that the forward pass has computed",
    "cancel": "a common factor cancels",
    "quotient": "rewritten as a quotient that is safe for large arguments",
    "hoist": "a factor that does not depend on the summation index moves before the sum",
    "fact": "because the targets add up to 1",
    "choice": "because exactly one place is chosen",
    "sign": "the sign moves into the difference",
    "centred": "deviations from a mean add up to 0",
    "absolute": "a number times its sign is its absolute value",
    "branch": "conditions are decided branch by branch",
}

SUM = "Σ"  # begins the names of sums that the user has not named
MAX_DEGREE = 400  # of what is cancelled; beyond, factors take longer than anybody waits
_BRANCHING = (Cases, Equal, Within, sympy.sign, sympy.Abs)
_GROWING = (sympy.exp, sympy.sinh, sympy.cosh)


@dataclass(frozen=True)
class Tidied:
    """An expression and the names of the rules that led to it, in order of use."""

    expression: sympy.Expr
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """``pattern`` (a function application in the indices ``indices``) equals ``value`` by a forward equation."""

    pattern: sympy.Expr
    indices: frozenset[Index]
    value: sympy.Expr


def kernels_of(equation: Equation) -> list[Kernel]:
    """What a forward equation y = f(K) tells about the function values K inside it, where f can be inverted."""
    if equation.reduce:
        return []
    found = []
    for kernel in kernel_atoms(equation.body):
        value = solve_for(kernel, equation.body, equation.lhs)
        if value is not None:
            found.append(Kernel(kernel, frozenset(index_symbols(kernel)), value))
    return found


def kernel_atoms(expression: sympy.Expr) -> list[sympy.Expr]:
    """The function applications in an expression, the outermost first."""
    atoms = [f for f in expression.atoms(sympy.Function) if not isinstance(f, _BRANCHING)]
    return sorted(atoms, key=sort_key, reverse=True)


def solve_for(kernel: sympy.Expr, body: sympy.Expr, value: sympy.Expr) -> sympy.Expr | None:
    """Solve ``value = body`` for a function value in the body if the body is a fraction linear in it."""
    if body == kernel:
        return value
    k, y = sympy.Symbol("kernel", real=True), sympy.Symbol("value", real=True)
    replaced = body.xreplace({kernel: k})
    if any(a in kernel_atoms(replaced) or replaced.has(a) for a in kernel.args if not a.is_number):
        return None
    numerator, denominator = sympy.fraction(sympy.together(replaced))
    equation = sympy.expand(numerator - y * denominator)
    slope = equation.coeff(k, 1)
    if slope.has(k) or equation.coeff(k, 2) != 0 or slope == 0 or (equation - slope * k).expand().has(k):
        return None
    solution = -(equation - slope * k).expand() / slope
    if any(_may_cancel(s) for s in solution.atoms(sympy.Add)):
        return None
    return solution.xreplace({y: value})


def _may_cancel(total: sympy.Add) -> bool:
    """Whether a sum may lose digits that the function value had: only 1 − y and the like are let through."""
    rest = total - sympy.Symbol("value", real=True) * total.coeff(sympy.Symbol("value", real=True))
    return not rest.is_number or abs(rest) > 2


def denominators(expression: sympy.Expr) -> set[sympy.Expr]:
    """The factors by which an expression divides, anywhere inside it."""
    return {
        p.base
        for p in expression.atoms(sympy.Pow)
        if p.exp.could_extract_minus_sign() and p.base.atoms(Access, sympy.Symbol)
    }


def brings_denominator(before: sympy.Expr, after: sympy.Expr) -> bool:
    """Whether a rewriting divides by something that was not divided by before."""
    known = {sympy.expand(d) for d in denominators(before)}
    return any(sympy.expand(d) not in known for d in denominators(after))


@lru_cache(maxsize=256)
def derivative_of(function: Any, position: int) -> sympy.Expr:
    """f′ of a :class:`~derive.functions.Formula`, through f itself where that is rational: σ′ = σ(1 − σ)."""
    raw = smooth(function.body.diff(function.parameters[position]))
    best = cancel(quotient(absolute(decide(raw))))
    own = function(*function.parameters)
    for kernel in kernel_atoms(function.body):
        value = solve_for(kernel, function.body, own)
        if value is None:
            continue
        candidate = sympy.factor(sympy.cancel(raw.xreplace({kernel: value})))
        candidate = absorb_sign(candidate)
        if not brings_denominator(raw, candidate) and sympy.count_ops(candidate) < sympy.count_ops(raw):
            best = candidate
    return best


def tidy(expression: sympy.Expr, known: Iterable[Kernel] = ()) -> Tidied:
    """Apply the rules that need nothing but the expression and the forward values."""
    rules = []
    for name, rewrite in (
        ("reuse", lambda e: reuse(e, known)),
        ("branch", decide),
        ("quotient", quotient),
        ("absolute", absolute),
        ("cancel", cancel),
        ("sign", absorb_sign),
    ):
        rewritten = rewrite(expression)
        if rewritten != expression:
            rules.append(name)
            expression = rewritten
    return Tidied(expression, tuple(rules))


def reuse(expression: sympy.Expr, known: Iterable[Kernel]) -> sympy.Expr:
    """Replace function values by what the forward pass has computed."""
    known = list(known)
    for atom in kernel_atoms(expression):
        if not expression.has(atom):
            continue
        for kernel in known:
            binding = match(kernel, atom)
            if binding is None:
                continue
            candidate = expression.xreplace({atom: rename(kernel.value, binding)})
            if not brings_denominator(expression, candidate) and not _parts_powers(atom, candidate):
                expression = candidate
                break
    return expression


def _parts_powers(atom: sympy.Expr, candidate: sympy.Expr) -> bool:
    """Whether a power is left over that the replaced one kept small: sinh u / cosh²u is not y² sinh u.

    Either all powers e^(ku) of an exponential are written through the value, or none.
    """
    if not isinstance(atom, _GROWING):
        return False
    left = {f.args[0] for f in candidate.atoms(*_GROWING)}
    return any((u / atom.args[0]).is_Rational for u in left)


def match(kernel: Kernel, atom: sympy.Expr) -> dict[Index, sympy.Expr] | None:
    """The renaming of indices that turns a kernel's pattern into ``atom``; ``None`` if there is none."""
    if type(kernel.pattern) is not type(atom):
        return None
    binding: dict[Index, sympy.Expr] = {}
    for mine in accesses(kernel.pattern):
        for theirs in accesses(atom):
            if mine.tensor == theirs.tensor:
                for i, j in zip(mine.indices, theirs.indices, strict=True):
                    if i in kernel.indices:
                        binding.setdefault(i, j)
                break
    return binding if rename(kernel.pattern, binding) == atom else None


def quotient(expression: sympy.Expr) -> sympy.Expr:
    """sinh u / cosh u = tanh u, and eᵘ/(1 + eᵘ) = 1/(1 + e⁻ᵘ)."""
    for atom in sorted(expression.atoms(sympy.cosh), key=sort_key):
        u = atom.args[0]
        expression = expression.subs(sympy.sinh(u) / atom, sympy.tanh(u))
    for power in sorted(expression.atoms(sympy.Pow), key=sort_key):
        for e in sorted(power.base.atoms(sympy.exp), key=sort_key) if power.exp == -1 and power.base.is_Add else ():
            rest = power.base - e
            if e.args[0].could_extract_minus_sign() or rest.has(e.args[0]) or rest.has(sympy.exp):
                continue
            expression = expression.subs(e * power, 1 / (1 + rest * sympy.exp(-e.args[0])))
    return expression


def degree_of(expression: sympy.Expr) -> int:
    """The degree of a polynomial with these powers: of z^(1/1000) + z it is 1000 in z^(1/1000)."""
    exponents = [p.exp for p in expression.atoms(sympy.Pow) if p.exp.is_Rational]
    return math.lcm(*(int(e.q) for e in exponents)) * max((abs(int(e.p)) for e in exponents), default=1)


def cancel(expression: sympy.Expr) -> sympy.Expr:
    """Cancel common factors where the expression divides by something and becomes simpler by it."""
    if not denominators(expression) or expression.is_Pow or all(not a.is_Add for a in expression.atoms(sympy.Add)):
        return expression
    if degree_of(expression) > MAX_DEGREE:
        return expression
    atoms = {a: sympy.Symbol(f"v{n}", real=True) for n, a in enumerate(accesses(expression))}
    plain = expression.xreplace(atoms)
    branches = sorted(plain.atoms(*_BRANCHING), key=sort_key)
    if any(b.has(*_BRANCHING) for branch in branches for b in branch.args):
        return expression
    names = {b: sympy.Symbol(f"b{n}", real=True) for n, b in enumerate(branches)}
    plain = plain.xreplace(names)
    best = _shortest(plain)
    if best == plain:
        return expression
    return _deviations(best.xreplace({s: b for b, s in names.items()}).xreplace({s: a for a, s in atoms.items()}))


def _deviations(expression: sympy.Expr) -> sympy.Expr:
    """(n x − Σ x)/n as x − 1/n Σ x: a deviation from a mean stays one."""

    def divided(product: sympy.Expr) -> sympy.Expr:
        number, rest = product.as_coeff_Mul()
        for factor in sympy.Mul.make_args(rest):
            terms = dict(reversed(t.as_coeff_Mul()) for t in factor.args) if factor.is_Add else {}
            sums = [t for t in terms if isinstance(t, Access) and t.tensor.startswith(SUM)]
            count = max(map(abs, terms.values()), default=sympy.S.One)
            if len(terms) == 2 and len(sums) == 1 and abs(terms[sums[0]]) == 1 < count and number.q % count == 0:
                mean = sympy.Add(*(t / count for t in factor.args))
                return divided(sympy.Mul(number * count, mean, rest / factor))
        return product

    return expression.replace(lambda e: e.is_Mul, divided)


@lru_cache(maxsize=1024)  # layers and gates are alike but for the names in them
def _shortest(plain: sympy.Expr) -> sympy.Expr:
    """The shortest of what SymPy makes of a rational expression, itself among it, that divides by nothing new."""
    if is_in_lowest_terms(plain):
        return plain
    simpler = sympy.cancel(plain)
    candidates = [
        c
        for c in (simpler, sympy.factor(simpler), sympy.factor_terms(simpler), sympy.factor_terms(plain))
        if not brings_denominator(plain, c) and _longest_sum(c) <= _longest_sum(plain)
    ]
    return min([plain, *candidates], key=lambda e: (sympy.count_ops(e), str(e)))


def is_in_lowest_terms(product: sympy.Expr) -> bool:
    """Whether nothing can cancel or be taken out, told without SymPy's polynomials, which take milliseconds.

    Sums of different symbols are irreducible, so a product of powers of these is in lowest terms where no symbol
    stands both above and below.
    """
    above: set[sympy.Basic] = set()
    below: set[sympy.Basic] = set()
    for factor in sympy.Mul.make_args(product.as_coeff_Mul()[1]):
        base, exponent = factor.as_base_exp()
        terms = [term.as_coeff_Mul() for term in sympy.Add.make_args(base)]
        if not exponent.is_Rational or not all((t.is_Symbol and abs(c) == 1) or t == 1 for c, t in terms):
            return False
        (below if exponent.is_negative else above).update(base.free_symbols)
    return above.isdisjoint(below)


def _longest_sum(expression: sympy.Expr) -> int:
    """The number of terms of the longest sum: differences multiplied out lose digits that the difference had."""
    return max((len(a.args) for a in expression.atoms(sympy.Add)), default=0)


def absolute(expression: sympy.Expr) -> sympy.Expr:
    """u sgn u = |u|."""
    for sign in sorted(expression.atoms(sympy.sign), key=sort_key):
        u = sign.args[0]
        expression = expression.replace(
            lambda e, u=u, sign=sign: e.is_Mul and sign in e.args and u in e.args,
            lambda e, u=u, sign=sign: sympy.Mul(*(f for f in e.args if f not in (u, sign)), sympy.Abs(u)),
        )
    return expression


def absorb_sign(expression: sympy.Expr) -> sympy.Expr:
    """−(t − y) q = (y − t) q, where a factor is a difference."""
    if not expression.is_Mul:
        return expression
    number, rest = expression.as_coeff_Mul()
    if not number.is_negative:
        return expression
    for factor in sorted(rest.args if rest.is_Mul else (rest,), key=sort_key):
        if factor.is_Add and any(t.could_extract_minus_sign() for t in factor.args):
            others = [f for f in (rest.args if rest.is_Mul else (rest,)) if f != factor]
            negated = sympy.Add(*(-t for t in factor.args))
            return sympy.Mul(-number, negated, *others, evaluate=True) if -number != 1 else sympy.Mul(negated, *others)
    return expression


def hoist(body: sympy.Expr, over: tuple[Index, ...]) -> tuple[sympy.Expr, sympy.Expr]:
    """Split ``Σ_over body`` into a factor before the sum and what stays inside."""
    outside: list[sympy.Expr] = []
    inside: list[sympy.Expr] = []
    for factor in sympy.Mul.make_args(body):
        (inside if index_symbols(factor) & set(over) else outside).append(factor)
    return sympy.Mul(*outside), sympy.Mul(*inside)


def apply_fact(inside: sympy.Expr, over: tuple[Index, ...], facts: Iterable[Fact]) -> sympy.Expr | None:
    """The value of ``Σ_over inside`` if a declared fact tells it."""
    for fact in facts:
        if (
            len(fact.reduce) == len(over)
            and fact.reduce
            and rename(fact.body, dict(zip(fact.reduce, over, strict=True))) == inside
        ):
            return fact.value
    return None


def choice_of(equation: Equation) -> Kernel | None:
    """What a forward equation z = Σ_v [w = v] f(v) tells: its one term is z."""
    picks = [f for f in sympy.Mul.make_args(equation.body) if isinstance(f, Equal) and f.args[1:] == equation.reduce]
    if equation.kind != "sum" or len(picks) != 1 or not isinstance(picks[0].args[0], Access):
        return None
    return Kernel(equation.body, frozenset({*equation.free, *equation.reduce}), equation.lhs)


def at_choice(product: sympy.Expr, known: Iterable[Kernel]) -> sympy.Expr:
    """f(v) [w = v] / z = [w = v], where z is f at the place that w chooses."""
    factors = sympy.Mul.make_args(product)
    for kernel in known:
        own = next(
            f for f in sympy.Mul.make_args(kernel.pattern) if isinstance(f, Equal) and f.args[1] in kernel.indices
        )
        for pick in (f for f in factors if isinstance(f, Equal) and isinstance(f.args[0], Access)):
            pairs = [(own.args[1], pick.args[1])]
            if own.args[0].tensor == pick.args[0].tensor:
                pairs += zip(own.args[0].indices, pick.args[0].indices, strict=True)
            binding = {i: j for i, j in pairs if i in kernel.indices}
            if rename(own, binding) != pick or not index_symbols(kernel.value) <= binding.keys():
                continue
            value, term = rename(kernel.value, binding), rename(kernel.pattern / own, binding)
            if 1 / value in factors and set(sympy.Mul.make_args(term)) <= set(factors):
                return product * value / term
    return product


def is_one_choice(inside: sympy.Expr, over: tuple[Index, ...]) -> bool:
    """Whether ``Σ_over inside`` counts the places that a whole number among the data chooses."""
    return isinstance(inside, Equal) and isinstance(inside.args[0], Access) and inside.args[1:] == over


def is_centred(
    inside: sympy.Expr, over: tuple[Index, ...], ranges: Mapping[Index, tuple[int, int]], sums: Iterable[Equation]
) -> bool:
    """Whether ``Σ_over inside`` is 0 because sums of its terms have names by the equations ``sums``."""
    if not inside.is_Add:
        return False
    named = {a.tensor for a in accesses(inside)}
    sums = [eq for eq in sums if eq.lhs.tensor in named and eq.kind == "sum" and isinstance(eq.body, Access)]
    count = sympy.Mul(*(ranges[i][1] - ranges[i][0] + 1 for i in over))
    whole = [(i, ranges[i]) for i in over]
    total = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(inside)):
        outside, inner = hoist(term, over)
        if inner == 1:
            total += count * outside
            continue
        for eq in sums:
            binding = match(Kernel(eq.body, frozenset(index_symbols(eq.body)), eq.lhs), inner)
            if binding is not None and [(binding.get(i), eq.ranges[i]) for i in eq.reduce] == whole:
                total += outside * rename(eq.lhs, binding)
                break
        else:
            return False
    return bool(sympy.expand(total) == 0)


def is_monomial(expression: sympy.Expr) -> bool:
    """A product of powers of accesses and numbers: nothing worth a name of its own."""
    return all(
        f.is_number or isinstance(f, Access) or (f.is_Pow and isinstance(f.base, Access) and f.exp.is_Integer)
        for f in sympy.Mul.make_args(expression)
    )
