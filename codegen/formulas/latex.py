"""Expressions in LaTeX (amsmath) and in plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy

from codegen.formulas.forms import POW
from codegen.formulas.hues import Hues, painted
from codegen.formulas.layout import brackets, visible_length
from codegen.formulas.notation import GREEK_LETTERS, Notation
from codegen.formulas.writer import Writer
from derive.derivation import Derivation
from derive.expressions import Access
from derive.gradient import Sweep
from derive.network import Equation, Network, flatten
from derive.steps import Partial

EXPONENT = 30.0  # characters of an exponent that is set as one; of a longer one exp is taken
_OPERATORS = {"log": "\\log", "tanh": "\\tanh", "sinh": "\\sinh", "cosh": "\\cosh", "sin": "\\sin", "cos": "\\cos",
              "max": "\\max", "min": "\\min", "sigmoid": "\\sigma", "erf": "\\mathrm{erf}"}  # fmt: skip
_WORDS = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "prelu": "PReLU", "relu6": "ReLU6", "elu": "ELU", "selu": "SELU",
          "celu": "CELU", "gelu": "GELU", "gelu_tanh": "GELU_tanh", "silu": "SiLU", "sign": "sgn"}  # fmt: skip


def equations_of(network: Network, sweep: Sweep) -> dict[str, Equation]:
    """The equation that defines each anonymous sum."""
    flat = flatten((*network.equations, *sweep.equations, *sweep.absorbed))
    return {eq.lhs.tensor: eq for eq in flat}


class Latex(Writer):
    """LaTeX that needs amsmath alone."""

    conjunction = ",\\, "
    hues: Hues | None = None  # the colours of symbols, if they have any

    def __init__(self, notation: Notation, equations: Mapping[str, Equation]) -> None:
        super().__init__(notation, equations)
        self.signs = notation.signs
        turned = (self.signs.definition(eq) for name, eq in equations.items() if name in self.signs.tensors)
        self.equations = {**equations, **{eq.lhs.tensor: eq for eq in turned}}

    def index(self, expression: sympy.Expr) -> str:
        return str(sympy.latex(expression))

    def access(self, access: Access) -> str:
        indices = [self.access(i) if isinstance(i, Access) else sympy.latex(i) for i in access.indices]
        return painted(self.notation.latex(access, indices), self.hues.of(access) if self.hues else None)

    def letter(self, tensor: str) -> str:
        """The name of a whole tensor or of a derivative."""
        return painted(self.notation.matrix(tensor).latex(), self.hues.of(Access(tensor)) if self.hues else None)

    def symbol(self, name: str) -> str:
        return "\\cdots" if name == "⋯" else self.notation.symbol(name).latex()

    def constant(self, value: sympy.Expr) -> str:
        return str(sympy.latex(value))

    def fraction(self, above: str, below: str) -> str:
        return f"\\frac{{{above}}}{{{below}}}"

    def product(self, factors: list[str]) -> str:
        text = ""
        for factor in factors:
            if not text:
                text = factor
            elif factor.startswith("\\underbrace"):
                text += f" {factor}"
            elif _touching_numbers(text, factor) or "\\partial" in text + factor:
                text += f" \\cdot {factor}"
            else:
                text += f"\\, {factor}"
        return text

    def power(self, base: tuple[str, int], exponent: str) -> str:
        text, level = base
        simple = level > POW and not set("^'") & set(text)
        return f"{text if simple else self.brackets(text)}^{{{exponent}}}"

    def root(self, inside: str) -> str:
        return f"\\sqrt{{{inside}}}"

    def function(
        self, name: str, arguments: list[str], exponent: str = "", settings: Mapping[str, str] | None = None
    ) -> str:
        if name == "exp":
            (exponent,) = arguments
            return f"e^{{{exponent}}}" if visible_length(exponent) <= EXPONENT else f"\\exp{brackets(exponent)}"
        if name == "Abs":
            return f"\\left|{arguments[0]}\\right|"
        if name == "floor":
            return f"\\left\\lfloor{arguments[0]}\\right\\rfloor"
        word = _OPERATORS.get(name) or f"\\mathrm{{{_WORDS.get(name, name)}}}".replace("_", "\\_")
        below = ",\\,".join(f"{name} = {value}" for name, value in (settings or {}).items())
        word += (f"_{{{below}}}" if below else "") + (f"^{{{exponent}}}" if exponent else "")
        return word + self.brackets(", ".join(arguments))

    def reduction(self, kind: str, bounds: list[tuple[str, str, str]], body: str) -> str:
        sign = "\\sum" if kind == "sum" else "\\max"
        if len(bounds) == 1 and kind == "sum":
            index, first, last = bounds[0]
            return f"{sign}_{{{index}={first}}}^{{{last}}} {body}"
        return f"{sign}_{{{','.join(b[0] for b in bounds)}}} {body}"

    def iverson(self, condition: str) -> str:
        return f"[{_relations(condition)}]"

    def cases(self, rows: list[tuple[str, str]], otherwise: str) -> str:
        lines = [f"{value} & {_relations(condition)}" for value, condition in rows]
        body = " \\\\ ".join([*lines, f"{otherwise} & \\text{{otherwise}}"])
        return f"\\begin{{cases}} {body} \\end{{cases}}"

    def brackets(self, inside: str) -> str:
        return brackets(inside)

    def partial(self, partial: Partial) -> str:
        below = f"\\partial {self.quantity(partial.by)}"
        if isinstance(partial.of, Access):
            return f"\\frac{{\\partial {self.quantity(partial.of)}}}{{{below}}}"
        inside = self._write(partial.of)[0]
        return f"\\frac{{\\partial\\, {self.square(inside)}}}{{{below}}}"

    def square(self, inside: str) -> str:
        """Brackets around what is differentiated, so that they differ from those inside it."""
        return f"\\left[{inside}\\right]"


class Text(Writer):
    """One line of plain text with Unicode letters, for the terminal."""

    def access(self, access: Access) -> str:
        return self.notation.text(access)

    def symbol(self, name: str) -> str:
        return name if name == "⋯" else self.notation.symbol(name).text

    def constant(self, value: sympy.Expr) -> str:
        return "π" if value == sympy.pi else str(value)

    def fraction(self, above: str, below: str) -> str:
        def part(text: str) -> str:
            return f"({text})" if any(c in text for c in " /*") else text

        return f"{part(above)}/{part(below)}"

    def product(self, factors: list[str]) -> str:
        text = ""
        for factor in factors:
            apart = text and (_touching_numbers(text, factor) or "∂" in text + factor)
            text += f" · {factor}" if apart else f" {factor}" if text else factor
        return text

    def power(self, base: tuple[str, int], exponent: str) -> str:
        text, level = base
        return f"{text if level > POW else self.brackets(text)}^{exponent if exponent.isalnum() else f'({exponent})'}"

    def root(self, inside: str) -> str:
        return f"√({inside})"

    def function(
        self, name: str, arguments: list[str], exponent: str = "", settings: Mapping[str, str] | None = None
    ) -> str:
        inside = ", ".join([*arguments, *(f"{name} = {value}" for name, value in (settings or {}).items())])
        call = f"{ {'Abs': 'abs'}.get(name, name) }({inside})"
        return f"{call}^{exponent}" if exponent else call

    def reduction(self, kind: str, bounds: list[tuple[str, str, str]], body: str) -> str:
        return f"{'Σ' if kind == 'sum' else 'max'}_{','.join(b[0] for b in bounds)} {body}"

    def iverson(self, condition: str) -> str:
        return f"[{condition}]"

    def cases(self, rows: list[tuple[str, str]], otherwise: str) -> str:
        return f"({''.join(f'{value} if {condition} else ' for value, condition in rows)}{otherwise})"

    def brackets(self, inside: str) -> str:
        return f"({inside})"

    def partial(self, partial: Partial) -> str:
        of = self.quantity(partial.of) if isinstance(partial.of, Access) else f"({self._write(partial.of)[0]})"
        return f"∂{of}/∂{self.quantity(partial.by)}"


class Code(Text):
    """Plain text that a program can read back: ``Delta*h[2]``."""

    def access(self, access: Access) -> str:
        letters = {v: k for k, v in GREEK_LETTERS.items()}
        return "".join(letters.get(c, c) for c in self.notation.text(access))

    def constant(self, value: sympy.Expr) -> str:
        return str(value)

    def symbol(self, name: str) -> str:
        return name

    def product(self, factors: list[str]) -> str:
        return "*".join(factors)

    def power(self, base: tuple[str, int], exponent: str) -> str:
        return super().power(base, exponent).replace("^", "**")

    def function(
        self, name: str, arguments: list[str], exponent: str = "", settings: Mapping[str, str] | None = None
    ) -> str:
        return super().function(name, arguments, settings=settings) + (f"**{exponent}" if exponent else "")

    def root(self, inside: str) -> str:
        return f"sqrt({inside})"

    def iverson(self, condition: str) -> str:
        return f"({_python(condition)})"

    def cases(self, rows: list[tuple[str, str]], otherwise: str) -> str:
        return super().cases([(value, _python(condition)) for value, condition in rows], otherwise)


class Formulas:
    """Derivatives for programs: every formula as a line of code and in LaTeX."""

    def __init__(self, derivation: Derivation) -> None:
        network, sweep = derivation.network, derivation.sweep
        notation, equations = Notation(network, sweep), equations_of(network, sweep)
        self.scalars, self.optimizer = derivation.scalars, network.optimizer
        self.writers: tuple[Writer, Writer] = (Code(notation, equations), Latex(notation, equations))

    def of_weight(self, weight: Access) -> dict[str, str]:
        """∂loss/∂weight in named quantities."""
        code, latex = (w.line(self.scalars.gradient(weight)) for w in self.writers)
        return {"formula": code, "latex": latex}

    def of_rate(self) -> dict[str, str]:
        """The learning rate of update k; only where there is a schedule."""
        code, latex = (w.line(self.optimizer.schedule) for w in self.writers)
        return {"formula": code, "latex": latex}

    def of_equations(self, equations: Iterable[Equation]) -> dict[str, str]:
        """The right sides of equations in indices, separated by semicolons."""
        code, latex = ("; ".join(w.equation(eq) for eq in equations) for w in self.writers)
        return {"formula": code, "latex": latex}


def _relations(condition: str) -> str:
    return condition.replace("≤", "\\le").replace("≥", "\\ge")


def _python(condition: str) -> str:
    return condition.replace(" = ", " == ").replace("≤", "<=").replace("≥", ">=")


def _touching_numbers(left: str, right: str) -> bool:
    """Whether two factors would read as one number, or as a product of brackets of numbers."""
    return (
        right[0].isdigit()
        or (right.startswith("\\frac{") and left[-1].isdigit())
        or (right.startswith("(-") and right[2:3].isdigit())
    )
