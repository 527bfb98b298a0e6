"""Numbers read back out of the LaTeX of the notes, and held against those of ``net.json``."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import assume
from networks import Made, with_numbers
from oracles import elements, network_of, read_latex
from test_notes import chain, number, plain, rows, size

from codegen import report
from codegen.formulas.notation import Notation
from codegen.notes.compose import render
from derive.derivation import Derivation, derive
from derive.diagnostics import SpecError
from derive.network import Tensor
from derive.proof import ProofError

HALF = Fraction(1001, 2000)  # of the last printed place
EXACT = 1e-15  # as far as the JSON's numbers are those that were worked with


def values_of(derivation: Derivation) -> dict[str, float]:
    """What stands on the left of a worked line, without spaces, and its number in ``net.json``."""
    network = derivation.network
    found = json.loads(report.render(derivation, "net.spec"))
    notation = Notation(network, derivation.sweep)
    loss = notation.names[network.loss].latex()

    def number_of(tensor: Tensor, indices: tuple[Any, ...]) -> float:
        value = found["values"][tensor.name]
        for d, i in enumerate(indices):
            value = value[int(i) - tensor.start(d)]
        return value

    expected = {}
    for eq in network.flat_equations:
        tensor = network.tensors[eq.lhs.tensor]
        if not tensor.anonymous:
            for element in tensor.elements():
                expected[plain(notation.latex(element))] = number_of(tensor, element.indices)
    for weight, row in zip(elements(network.weights), found["weights"], strict=True):
        letter = notation.latex(weight)
        expected[plain(f"\\frac{{\\partial {loss}}}{{\\partial {letter}}}")] = row["gradient"]
        expected[plain(notation.new(letter)[0]) + "new"] = row["updated"]
    return expected


def check_printed(derivation: Derivation) -> int:
    """Every result in the worked sections is the JSON's number rounded, ``=`` where it is that; how many there are."""
    if len(derivation.network.samples) > 1:
        return 0  # numbers of the first sample beside those of the batch; the tests of the notes tell them apart
    parts = re.split(r"\\section\{([^}]*)\}", render(derivation, "net.spec"))
    expected, compared = values_of(derivation), 0
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        if not title.startswith("The numbers") or "matrices" in title:
            continue
        for line in rows(text):
            steps = chain(line)
            true_chain(line, steps)
            key = plain(steps[0][1]) + ("new" if title.endswith("updates") else "")
            last = steps[-1][1]
            if key in expected and number(last) is not None:
                agrees(line, last, expected[key], exact=all(r != "\\approx" for r, _ in steps))
                compared += 1
    return compared


def true_chain(line: str, steps: list[tuple[str, str]]) -> None:
    """``=`` stands between equal numbers, ``≈`` between numbers that differ by their rounding."""
    for (_, before), (relation, after) in pairwise(steps):
        one, other = number(before), number(after)
        if one is None or other is None:
            continue
        if relation != "\\approx" and isinstance(one, Fraction) and isinstance(other, Fraction):
            assert one == other, line
        else:
            assert abs(float(one) - float(other)) <= 3e-6 * size(before) ** 2, line


def agrees(line: str, text: str, value: float, exact: bool) -> None:
    """A printed number is its value rounded to the places shown; an exact one is the value."""
    read = Fraction(read_latex(text))
    power = re.search(r"10\^\{(-?\d+)\}", text)
    place = Fraction(10) ** (int(power[1]) - 4 if power else -6)
    off = abs(Fraction(value) - read)
    assert off <= HALF * place + Fraction(EXACT) * abs(read), f"{line} should end in {value}"
    if exact:
        assert off <= Fraction(EXACT) * max(1, abs(read)), f"{line} is not exact: {value}"


def check_random(made: Made) -> str:
    """The same for a random network; tells how it went."""
    assume(not made.coupled)
    try:
        derivation = derive(network_of(with_numbers(made)))
    except (SpecError, ProofError):
        assume(False)
    if not derivation.lines or derivation.numbers is None:
        return "without worked lines"
    return "agree" if check_printed(derivation) else "nothing printed"
