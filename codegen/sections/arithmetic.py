"""The section on how the trainer evaluates equations that would overflow or lose digits as they stand."""

from __future__ import annotations

from codegen.arithmetic.rules import RULES
from codegen.arithmetic.stable import stable_program
from codegen.notes.document import Section
from codegen.notes.lecture import Lecture


def arithmetic(lecture: Lecture) -> list[Section]:
    """The rules by which equations were rearranged, with the numbers of these; no section where there are none."""
    places: dict[str, set[int]] = {}
    for line in stable_program(lecture.network, lecture.sweep).lines:
        for name in line.rules:
            places.setdefault(name, set()).add(line.number)
    if not places:
        return []
    section = Section("How the trainer computes this")
    section.say(
        "The trainer evaluates some equations in a rearranged form that says the same, but neither overflows nor loses "
        "digits:"
    )
    order = list(RULES)
    by_equation = sorted(places, key=lambda name: (min(places[name]), order.index(name)))
    section.points(*(f"{_equations(places[n])}: {RULES[n].words} (rule {n}); {RULES[n].says}." for n in by_equation))
    if any(RULES[name].equal for name in by_equation):
        section.code(lambda: lecture.cells.equalities(by_equation))
    return [section]


def _equations(numbers: set[int]) -> str:
    """``Equation (2)``, ``Equations (2), (3) and (5)``."""
    *others, last = (f"({n})" for n in sorted(numbers))
    return f"Equations {', '.join(others)} and {last}" if others else f"Equation {last}"
