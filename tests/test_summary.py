"""What the terminal shows after a derivation."""

from __future__ import annotations

import re
from functools import cache
from io import StringIO

import pytest
from oracles import CASES, EXAMPLES, example, network_of
from rich.console import Console

from codegen.formulas.notation import GREEK_LETTERS
from codegen.summary import show
from derive.derivation import Derivation, derive

SHAPES = {
    "momentum": "input x\ny = dense(x)\ntarget t\nloss E = (y - t)^2\noptimizer momentum(a = 0.1, mu = 0.9)\n",
    "numbered momentum": "input x\ny = dense(x)\ntarget t\nloss E = (y - t)^2\nnotation numbered\noptimizer momentum\n",
    "markup": 'network "[red]not red[/red] [bold]"\nweight x\nloss f = x^2\n',
    "function": CASES["function without inputs"].spec,
    "convolution": CASES["convolution with stride two"].spec,
    "recurrence": CASES["recurrence from zero"].spec,
}


@cache
def derivation_of(name: str) -> Derivation:
    return derive(network_of(example(name) if name in EXAMPLES else SHAPES[name]))


@cache
def printed(name: str, *files: str, width: int = 100, colours: bool = False) -> str:
    stream = StringIO()
    show(derivation_of(name), list(files), Console(file=stream, width=width, force_terminal=colours, highlight=False))
    return stream.getvalue()


def lines(name: str, *files: str) -> list[str]:
    """The lines with their blanks made single."""
    return [" ".join(line.split()) for line in printed(name, *files).splitlines()]


def test_all_of_two_two_one() -> None:
    found = lines("two_two_one", "two_two_one.tex", "two_two_one_trainer.py")
    assert found[0] == "Two inputs, two hidden neurons, one output"
    for expected in (
        "h[j] = Σ_k i[k] W1[j,k]",
        "prediction = Σ_j h[j] W2[1,j]",
        "Error = 1/2 (prediction - actual)^2",
        "Δ = ∂Error/∂prediction = prediction - actual",
        "*w1 = w1 - a Δ w5 i1",
        "*w2 = w2 - a Δ w5 i2",
        "*w3 = w3 - a Δ w6 i1",
        "*w4 = w4 - a Δ w6 i2",
        "*w5 = w5 - a Δ h1",
        "*w6 = w6 - a Δ h2",
    ):
        assert expected in found
    assert "Error = 0.306466205, after one update 0.2517590328" in found
    assert found[-2:] == ["wrote two_two_one.tex", "wrote two_two_one_trainer.py"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_title_equations_updates_and_proof(name: str) -> None:
    derivation, found = derivation_of(name), lines(name)
    network = derivation.network
    assert found[0] == network.title
    values = [t.name for t in network.tensors.values() if t.role == "value" and not t.anonymous]
    named = [GREEK_LETTERS.get(name, name) for name in values]
    assert [n for n in named if not any(re.match(rf"{n}(\[[^]]*\])? = ", line) for line in found)] == []
    updates = [line for line in found if line.startswith(("*", "new "))]
    assert len(updates) >= len(network.weights)
    (proof,) = [line for line in found if line.startswith("proved")]
    count = sum(c.comparisons for c in derivation.proof.checks)
    assert f"{count} comparisons" in proof
    assert f"{len(derivation.proof.checks)} independent forms" in proof
    worst = re.search(r"largest difference (\S+)", proof)
    assert worst
    assert float(worst[1]) == pytest.approx(max(c.error for c in derivation.proof.checks), rel=0.5)
    assert ("after one update" in "".join(found)) == (derivation.numbers is not None)


@pytest.mark.parametrize(
    ("name", "updates"),
    [
        ("iris", ["new W1[i,j] = W1[i,j] - a (δ1[i] x[j] + 0.002 W1[i,j])", "new b2[i] = b2[i] - a δ2[i]"]),
        ("digits", ["new W2[i,j] = W2[i,j] - a δ2[i] h[j]"]),
        ("relu_two_two", ["*w3 = w3 - a δ2 x1", "*b1 = b1 - a δ1"]),
        ("gradient_descent", ["new W1 = W1 - a X1", "new W2 = W2 - a X2"]),
        ("function", ["new x = x - a z", "new z = z - a (x + y)"]),
    ],
)
def test_updates(name: str, updates: list[str]) -> None:
    found = lines(name)
    for update in updates:
        assert update in found


def test_momentum_shows_both_of_its_equations() -> None:
    found = "\n".join(lines("momentum"))
    assert re.search(r"new v\S* = μ v\S* - a ", found)
    assert re.search(r"new W1\S* = W1\S* \+ ", found)
    assert re.search(r"\*w1 = w1 \+ ", "\n".join(lines("numbered momentum")))


def test_a_title_is_no_markup() -> None:
    assert lines("markup")[0] == "[red]not red[/red] [bold]"


@pytest.mark.parametrize("name", [*EXAMPLES, *SHAPES])
def test_no_line_is_cut_on_a_usual_terminal(name: str) -> None:
    narrow, wide = printed(name), printed(name, width=1000)
    assert "…" not in narrow
    assert re.sub(r"\s", "", narrow) == re.sub(r"\s", "", wide)


def test_a_file_that_is_no_terminal_gets_no_colours() -> None:
    assert "\x1b" not in printed("two_two_one")
    assert "\x1b" in printed("two_two_one", colours=True)


@pytest.mark.parametrize("name", [*EXAMPLES, *SHAPES])
def test_nothing_of_the_inside_is_shown(name: str) -> None:
    assert not re.search(r"Access|Cases|Σ\d|∂Σ|None|_xi|Dummy|\bnan\b", printed(name))
