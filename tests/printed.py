"""Numbers read back out of the LaTeX of the notes, and held against those of ``net.json``.

:func:`check_printed` knows what a number on the right of a name must be.  :func:`unknown` asks less of every number:
that it is one of those which the derivation has, rounded as it is printed; but it leaves none out.
"""

from __future__ import annotations

import contextlib
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy
from chains import DECIMAL, PLACES, POWER_PLACES, chain, number, rows, true_chain, whole_cells
from hypothesis import assume
from networks import Made, with_numbers
from oracles import elements, network_of, read_latex
from test_notes import plain

from codegen import report
from codegen.formulas.notation import Notation
from codegen.notes.compose import render
from codegen.notes.lecture import UPDATES
from codegen.options import STANDARD, Options
from derive.derivation import Derivation, derive
from derive.diagnostics import SpecError
from derive.evaluate import compile_scalar
from derive.expressions import rename
from derive.network import Tensor
from derive.numbers import iterations
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
            true_chain(line)
            steps = chain(line)
            key = plain(steps[0][1]) + ("new" if title.endswith("updates") else "")
            last = steps[-1][1]
            if key in expected and number(last) is not None:
                agrees(line, last, expected[key], exact=all(r != "\\approx" for r, _ in steps))
                compared += 1
    return compared


def agrees(line: str, text: str, value: float, exact: bool) -> None:
    """A printed number is its value rounded to the places shown; an exact one is the value."""
    read = Fraction(read_latex(text))
    power = re.search(r"10\^\{(-?\d+)\}", text)
    place = Fraction(10) ** (int(power[1]) - POWER_PLACES if power else -PLACES)
    off = abs(Fraction(value) - read)
    assert off <= HALF * place + Fraction(EXACT) * abs(read), f"{line} should end in {value}"
    if exact:
        assert off <= Fraction(EXACT) * max(1, abs(read)), f"{line} is not exact: {value}"


# every number

NUMERIC = re.compile(r"numbers|second forward|next updates|descent along|The same as matrices", re.IGNORECASE)
PICTURE = re.compile(r"\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}", re.DOTALL)
LENGTH = re.compile(r"\d*\.\d+(?:cm|em|pt|\\textwidth|\\baselineskip)")
LABEL = re.compile(r"\\unitlabel\{\}\{([^{}]*)\}|\\footnotesize \$([^$]*)\$")  # of a network's picture, without lengths
CONTINUED = re.compile(r"\\\\\*?\s*&\\quad")  # the end of a line that goes on
#: The matrices that a number is multiplied by, behind it.
FACTORS = re.compile(
    r"(\\cdot (?:(?:\([^()]*\)|\d[\d.]*) ?)?)(?:\s*\\begin\{bmatrix\}(?:[^a-z]|cdot)*\\end\{bmatrix\}(?:\^\{\\top\})?)+"
)
FEWER = 4  # places of numbers in tables, matrices and pictures
TIE = 0.500001


def numbers_of(derivation: Derivation) -> set[float]:
    """The sizes of all numbers that notes may print: of ``net.json``, of every sample, of the next updates."""
    numbers, optimizer = derivation.numbers, derivation.network.optimizer
    assert numbers is not None
    found = set(_sizes(json.loads(report.render(derivation, "net.spec"))))
    parts = (numbers.weights, numbers.gradient, numbers.updated, numbers.states, numbers.loss, numbers.loss_after)
    found.update(_sizes([*numbers.samples, *numbers.after, *parts, *optimizer.settings.values()]))
    rate = float(optimizer.settings[optimizer.rate])
    found.update(abs(rate) * slope for slope in _sizes(numbers.gradient))
    for one in iterations(derivation.network, derivation.sweep, numbers, UPDATES):
        found.update(_sizes([one.loss, one.samples[0]]))
    for name, slope in derivation.sweep.adjoints.items():  # at every unit of a picture
        for element in derivation.network.tensors[name].elements() if slope.closed is not None else ():
            places = {i: n for i, n in zip(slope.indices, element.indices, strict=True) if i.is_Symbol}
            closed = derivation.scalars.named(rename(slope.closed, places))
            with contextlib.suppress(KeyError):  # before the first element of a recurrence
                found.update(_sizes([compile_scalar(closed)({}, numbers.samples[0])]))
    return found


def _sizes(part: Any) -> Iterator[float]:
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        for one in part:
            yield from _sizes(one)
    elif not isinstance(part, (str, bool, type(None))):
        yield abs(float(part.real if hasattr(part, "real") else part))


def unknown(derivation: Derivation, options: Options = STANDARD, text: str = "") -> tuple[list[str], int]:
    """The decimals of the sections with numbers that are none of the derivation's; how many decimals there are.

    Factors of formulas stand in the other sections too.  Of a gradient written as a product of vectors the product is
    compared, by :func:`true_matrices`.
    """
    text = LENGTH.sub("", whole_cells(text or render(derivation, "net.spec", options)))
    parts = re.split(r"\\section\{([^}]*)\}", text)
    formulas: set[str] = set()
    worked: list[str] = []
    for title, part in zip(parts[1::2], parts[2::2], strict=True):
        words = PICTURE.sub("", part)
        if NUMERIC.search(title):
            labels = [
                " ".join(filter(None, label)) for picture in PICTURE.findall(part) for label in LABEL.findall(picture)
            ]
            worked += [FACTORS.sub(r"\1", CONTINUED.sub("", words)), *labels]
        else:
            formulas.update(m[0] for m in DECIMAL.finditer(words))
    known = sorted(numbers_of(derivation))
    found = [m for part in worked for m in DECIMAL.finditer(part)]
    wrong = [m[0] for m in found if m[0] not in formulas and not _is_one_of(known, m, options.decimals)]
    return wrong, len(found)


def _is_one_of(known: list[float], printed: re.Match[str], decimals: int) -> bool:
    """Whether a decimal is one of these numbers, rounded to its places or to fewer."""
    mantissa, exponent = float(printed[1]), int(printed[2] or 0)
    for places in {decimals, min(decimals, FEWER)}:
        shown = min(places, max(FEWER, places - 2)) if printed[2] else places
        if len(printed[1].partition(".")[2]) > shown:
            continue
        value, off = mantissa * 10.0**exponent, TIE * 10.0 ** (exponent - shown) + 1e-15 * mantissa * 10.0**exponent
        at = bisect_left(known, value - off)
        if at < len(known) and known[at] <= value + off:
            return True
    return False


def true_matrices(text: str) -> int:
    """Matrices of numbers: what stands between two relations has the value of what stands after; how many there are."""
    compared, before = 0, None
    for line in rows(text):
        for n, (_, part) in enumerate(chain(line.replace(" & ", " ; "))):
            value = _matrix(part)
            if value is not None and before is not None:
                assert value.shape == before.shape, line
                largest = 1 + float(numpy.max(numpy.abs(value)))
                assert numpy.max(numpy.abs(value - before)) <= 3e-6 * largest**2, line
                compared += 1
            before = value if value is not None or part or n else before
    return compared


_FACTOR = re.compile(
    r"\\begin\{bmatrix\}(?P<matrix>.*?)\\end\{bmatrix\}(?P<turned>\^\{\\top\})?"
    r"|(?P<number>[\d.]+(?: ?\\cdot 10\^\{-?\d+\})?)|\((?P<negative>-[^()]*)\)|(?P<sign>[+-])|\\cdot|\\,|\s|\\quad"
)


def _matrix(text: str) -> numpy.ndarray[Any, Any] | None:
    """The value of old matrix ± number · matrix · matrix; none where letters stand in it."""
    terms: list[Any] = []
    sign, place = 1.0, 0
    while place < len(text):
        m = _FACTOR.match(text, place)
        if m is None:
            return None
        place = m.end()
        if m["sign"]:
            sign = -1.0 if m["sign"] == "-" else 1.0
            terms.append(None)
        elif m["matrix"] or m["number"] or m["negative"]:
            if m["matrix"]:
                cells = [[number(c.strip()) for c in row.split(";")] for row in m["matrix"].split("\\\\")]
                if any(c is None for row in cells for c in row):
                    return None
                factor: Any = numpy.array(cells, dtype=float)
                factor = factor.T if m["turned"] else factor
            else:
                factor = float(number(m["number"] or m["negative"]) or 0)
            if not terms or terms[-1] is None:
                terms[-1:] = [sign * factor]
            else:
                both = numpy.ndim(terms[-1]) and numpy.ndim(factor)
                terms[-1] = terms[-1] @ factor if both else terms[-1] * factor
    if not terms or any(term is None or not numpy.ndim(term) for term in terms):
        return None
    found: numpy.ndarray[Any, Any] = sum(terms[1:], terms[0])
    return found


def check_random(made: Made, options: Options = STANDARD, places: int = 2) -> str:
    """The same for a random network, however it is written; tells how it went."""
    assume(not made.coupled)
    try:
        derivation = derive(network_of(with_numbers(made, places)))
    except (SpecError, ProofError):
        assume(False)
    if not derivation.lines or derivation.numbers is None:
        return "without worked lines"
    try:
        wrong, count = unknown(derivation, options)
    except SpecError:  # w4 under the numbered notation
        assume(False)
    assert wrong == []
    true_matrices(render(derivation, "net.spec"))
    return "agree" if check_printed(derivation) + count else "nothing printed"
