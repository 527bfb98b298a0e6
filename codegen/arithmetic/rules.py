"""The rules of safe arithmetic in words, by the names under which they are noted on the lines of a program.

What the notes, the comments of the trainers and the table of ``docs/arithmetic.md`` say of a rule stands here alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What a rule does to an equation, in plain ``words``, and ``says`` as a mathematical statement.

    The statement is words with LaTeX between dollar signs, as in :mod:`codegen.notes.document`; it ends no sentence.
    Its equalities are ``equal`` in NumPy too, of the quantities of :data:`QUANTITIES`.
    """

    words: str
    says: str
    equal: tuple[tuple[str, str], ...] = ()


#: What stands in the equalities of the rules, in the order in which they need each other.
QUANTITIES = {
    "u": "u = np.linspace(-4, 4, 9)",
    "v": "v = np.linspace(-1, 2, 9)",
    "q": "q = np.exp(np.linspace(-2, 1, 9))",
    "w": "w = np.linspace(-3, 1, 9)",
    "t": "t = 0.3",
    "e": "e = np.exp(u)",
    "m": "m = np.max(u)",
    "M": "M = np.maximum(u, v)",
    "h": "h = np.tanh(u)",
    "sigma": "sigma = lambda u: (1 + np.tanh(u / 2)) / 2",
    "softplus": "softplus = lambda u: np.logaddexp(0, u)",
    "erf": "erf = np.vectorize(math.erf)",
    "erfc": "erfc = np.vectorize(math.erfc)",
    "p": "p = sigma(u)",
    "shares": "shares = q / np.sum(q)",
}


#: In the order in which they are applied.
RULES: dict[str, Rule] = {
    "attained": Rule(
        "with the terms of the maximum stored",
        "where $\\max_k u_k$ is attained is decided on the very numbers of which it was taken",
    ),
    "quotient": Rule(
        "as a bounded function instead of a quotient",
        "$\\sinh u / \\cosh u = \\tanh u$, $e^u / (q + e^u) = 1 / (1 + q e^{-u})$",
        (("np.sinh(u) / np.cosh(u)", "np.tanh(u)"), ("e / (q + e)", "1 / (1 + q * np.exp(-u))")),
    ),
    "logistic": Rule(
        "by the logistic function",
        "$1 / (1 + e^{-u}) = \\sigma(u)$, $e^u \\sigma(-u) = \\sigma(u)$",
        (("1 / (1 + np.exp(-u))", "sigma(u)"), ("e * sigma(-u)", "sigma(u)")),
    ),
    "complement": Rule(
        "without a difference that cancels",
        "$1 - \\sigma(u) = \\sigma(-u)$, $2 \\sigma(u) - 1 = \\tanh(u/2)$, $1 \\pm \\tanh u = 2 \\sigma(\\pm 2u)$, "
        "$1 \\pm \\mathrm{erf}(u) = \\mathrm{erfc}(\\mp u)$, $\\cosh u - 1 = 2 \\sinh^2(u/2)$, "
        "$1 - \\cos u = 2 \\sin^2(u/2)$, also inside polynomials, as in $1 - \\tanh^2 u$",
        (
            ("1 - sigma(u)", "sigma(-u)"),
            ("2 * sigma(u) - 1", "np.tanh(u / 2)"),
            ("1 + np.tanh(u)", "2 * sigma(2 * u)"),
            ("1 - np.tanh(u)", "2 * sigma(-2 * u)"),
            ("1 + erf(u)", "erfc(-u)"),
            ("1 - erf(u)", "erfc(u)"),
            ("np.cosh(u) - 1", "2 * np.sinh(u / 2) ** 2"),
            ("1 - np.cos(u)", "2 * np.sin(u / 2) ** 2"),
        ),
    ),
    "join": Rule("with exponentials joined", "$e^u e^v = e^{u + v}$", (("np.exp(u) * np.exp(v)", "np.exp(u + v)"),)),
    "logarithm": Rule(
        "with the logarithm taken before anything overflows",
        "$\\log(1 + e^u) = \\mathrm{softplus}(u)$, $\\log \\sigma(u) = -\\mathrm{softplus}(-u)$, "
        "$\\log(e^u q) = u + \\log q$, also through the definitions of what the logarithm is taken of",
        (
            ("np.log(1 + np.exp(u))", "softplus(u)"),
            ("np.log(sigma(u))", "-softplus(-u)"),
            ("np.log(np.exp(u) * q)", "u + np.log(q)"),
        ),
    ),
    "softplus": Rule(
        "by softplus at the other sign",
        "$\\mathrm{softplus}(u) - u = \\mathrm{softplus}(-u)$",
        (("softplus(u) - u", "softplus(-u)"),),
    ),
    "open": Rule(
        "worked out through the definitions of what it divides by",
        "with $e = e^z$ and $p = e / (1 + e)$, for example, $p = \\sigma(z)$ and $(t/p) p = t$",
        (("e / (1 + e)", "p"), ("t / p * p", "t")),
    ),
    "dominant": Rule(
        "relative to its dominant exponential",
        "$c_1 e^{u_1} + \\dots + c_n e^{u_n} = e^M (c_1 e^{u_1 - M} + \\dots + c_n e^{u_n - M})$ with "
        "$M = \\max_k u_k$ in quotients, the factors $e^M$ joined",
        (("2 * np.exp(u) + 3 * np.exp(v)", "np.exp(M) * (2 * np.exp(u - M) + 3 * np.exp(v - M))"),),
    ),
    "shift": Rule(
        "relative to its largest term",
        "$\\sum_k e^{u_k} = e^m \\sum_k e^{u_k - m}$ with $m = \\max_k u_k$, so that no exponential exceeds 1",
        (("np.sum(np.exp(u))", "np.exp(m) * np.sum(np.exp(u - m))"),),
    ),
    "scaled": Rule(
        "with a common exponential kept out of the sum",
        "$\\sum_k e^v q_k = e^v \\sum_k q_k$, the factor put in where the sum is read",
        (("np.sum(np.exp(t) * q)", "np.exp(t) * np.sum(q)"),),
    ),
    "entropy": Rule("with 0 log 0 = 0", "$x \\log y$ is 0 at $x = 0$"),
    "share": Rule(
        "with 0/0 = 0 where the loss does not depend on it", "$x / y$, the derivative of $x \\log y$, is 0 at $x = 0$"
    ),
    "norm": Rule(
        "0 where the norm is 0",
        "the derivative of the root of a sum of squares is 0 where the sum is 0, as that of $\\vert u \\vert$ is",
    ),
    "small": Rule(
        "without the rounding of a sum with 1",
        "$\\log(1 + u)$ and $e^u - 1$ by functions that keep the digits of a small $u$",
        (("np.log(1 + q)", "np.log1p(q)"), ("np.exp(u) - 1", "np.expm1(u)")),
    ),
    "rest": Rule(
        "in double precision with the sum of all terms but the largest",
        "for shares $p_i = u_i / \\sum_k u_k$, $1 - p_i = \\sum_{k \\ne i} u_k / \\sum_k u_k$, and "
        "$w_i - p_i \\sum_k w_k = (1 - p_i) w_i - p_i \\sum_{k \\ne i} w_k$",
        (
            ("1 - shares[0]", "np.sum(q[1:]) / np.sum(q)"),
            ("w[0] - shares[0] * np.sum(w)", "(1 - shares[0]) * w[0] - shares[0] * np.sum(w[1:])"),
        ),
    ),
    "saturated": Rule(
        "in double precision without a difference from a value that saturates",
        "$1 - h^2 = 4 \\sigma(2u) \\sigma(-2u)$ where $h = \\tanh u$, $p (1 - p) = p \\sigma(-u)$ and "
        "$p - t = (1 - t) p - t \\sigma(-u)$ where $p = \\sigma(u)$",
        (
            ("1 - h**2", "4 * sigma(2 * u) * sigma(-2 * u)"),
            ("p * (1 - p)", "p * sigma(-u)"),
            ("p - t", "(1 - t) * p - t * sigma(-u)"),
        ),
    ),
}


def remarks(rules: Iterable[str]) -> str:
    """What rules have done to an equation, to stand behind it in a comment."""
    return ", ".join(f"{RULES[name].words} (rule {name})" for name in rules)
