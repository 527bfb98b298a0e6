"""Numbers printed in textbooks and courses on back-propagation come out to the last printed digit.

``tests/published/x.spec`` is the network of a source and ``x.toml`` what the source prints: values of the forward
pass, derivatives, weights after one step, and values after it.  Where a source is wrong, the entry tells by how many
units of the last digit and why, and what the source did is done again: ``slip`` says which weights it updated before
it used them.  ``read`` tells where the numbers were read, if not in the source itself; where they were found nowhere,
``manner`` says so, and they do not count as published.  The page ``docs/published.md`` is written from this:
``pytest --update-golden``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.evaluate import Values, array, context, forward, number, run
from derive.gradient import adjoint_name
from derive.language.build import load

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "published"
NAMES = sorted(path.stem for path in FOLDER.glob("*.spec"))


@dataclass(frozen=True)
class Printed:
    """One number of a source: of which quantity, its digits, and where it is off, by how many units and why."""

    kind: str
    of: str
    digits: str
    units: int = 0
    why: str = ""

    @property
    def unit(self) -> float:
        """The worth of the last printed digit."""
        return 10.0 ** -len(self.digits.partition(".")[2])

    def off(self, value: float) -> float:
        """By how many units of the last digit a number is away."""
        return abs(value - float(self.digits)) / self.unit


def facts(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def printed(name: str) -> Iterator[Printed]:
    """All numbers of a source; those that follow from its slip are of a kind of their own."""
    read = facts(name)
    groups = {k: v for k, v in read.items() if isinstance(v, dict) and k != "slip"}
    groups |= {f"slip {k}": v for k, v in read.get("slip", {}).items() if isinstance(v, dict)}
    for kind, entries in groups.items():
        for of, entry in entries.items():
            entry = {"printed": entry} if isinstance(entry, str) else entry
            yield Printed(kind, of, entry["printed"], entry.get("units", 0), entry.get("why", ""))


class Worked:
    """One network with its numbers: forward and backward by the derived equations, and one step."""

    def __init__(self, name: str) -> None:
        text = (FOLDER / f"{name}.spec").read_text(encoding="utf-8")
        self.derivation: Derivation = derive(load(Source(f"{name}.spec", text)))
        self.network, self.sweep = self.derivation.network, self.derivation.sweep
        self.tensors = {**self.network.tensors, **self.sweep.tensors}
        numbers = {**self.network.initial, **(self.network.samples[0] if self.network.samples else {})}
        self.start: Values = {n: array(v, self.network.tensors[n]) for n, v in numbers.items()}

    def values(self, data: Values) -> Values:
        return forward(self.network, dict(data))

    def gradients(self, values: Values) -> Values:
        """Values and derivatives; the derivatives see ``values`` as they are, right or wrong."""
        return run(self.sweep.equations, dict(values), self.tensors)

    def updated(self, values: Values, only: str = "") -> Values:
        """The weights after one step, all of them or one array."""
        rate = number(self.network.optimizer.settings[self.network.optimizer.rate])
        weights = [w.name for w in self.network.weights if only in ("", w.name)]
        return {w: {p: v - rate * values[adjoint_name(w)][p] for p, v in values[w].items()} for w in weights}

    def of(self, kind: str, slip: str, steps: int) -> Callable[[str, tuple[int, ...]], Any]:
        """What a kind of numbers looks up, as a function of a name and a place."""
        values = self.gradients(self.values(self.start))
        match kind:
            case "value":
                return lambda n, p: values[n][p]
            case "gradient":
                return lambda n, p: values[adjoint_name(n)][p]
            case "updated":
                return lambda n, p: self.updated(values)[n][p]
            case "after":
                after = self.values({**self.start, **self.updated(values)})
                return lambda n, p: after[n][p]
            case "later":
                data = self.start
                for _ in range(steps):
                    data = {**data, **self.updated(self.gradients(self.values(data)))}
                later = self.values(data)
                return lambda n, p: later[n][p]
            case "slip updated" | "slip after":
                mixed = self.gradients({**self.values(self.start), **self.updated(values, slip)})
                wrong = {**self.updated({**mixed, **self.start}), **self.updated(values, slip)}
                after = self.values({**self.start, **wrong})
                return lambda n, p: (wrong if kind == "slip updated" else after)[n][p]
        raise AssertionError(kind)

    def place(self, of: str) -> tuple[str, tuple[int, ...]]:
        """``v[2]`` and, in the numbered notation, ``w5``: tensor and indices."""
        if of in self.tensors:
            return of, ()
        if found := re.fullmatch(r"(\w+)\[([\d,]+)\]", of):
            return found[1], tuple(map(int, found[2].split(",")))
        elements = [e for w in self.network.weights for e in w.elements()]
        element = elements[int(of.removeprefix("w")) - 1]
        return element.tensor, tuple(int(i) for i in element.indices)


@cache
def ours(name: str) -> list[tuple[Printed, float]]:
    """Every printed number with the one that the derived equations give."""
    worked, read, found = Worked(name), facts(name), []
    slip, steps = read.get("slip", {}).get("updated_first", ""), read.get("steps", 0)
    entries = list(printed(name))
    for kind in dict.fromkeys(p.kind for p in entries):
        look_up = worked.of(kind, slip, steps)
        found += [(p, float(context.mpf(look_up(*worked.place(p.of)).real))) for p in entries if p.kind == kind]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_printed_numbers_come_out(name: str) -> None:
    for entry, value in ours(name):
        if not entry.units:
            assert entry.off(value) <= 0.5 * (1 + 1e-9), f"{entry} is {value}"
        else:
            assert entry.off(value) <= entry.units, f"{entry} is {value}"
            assert entry.off(value) > 0.5, f"{entry} is right: {value}"


@pytest.mark.parametrize("name", [n for n in NAMES if "slip" in facts(n)])
def test_what_a_source_did_wrong_is_what_it_printed(name: str) -> None:
    """What the right weights give is further from the printed numbers than what the wrong way gives."""
    worked = Worked(name)
    slips = [(p, value) for p, value in ours(name) if p.kind.startswith("slip")]
    right = {kind: worked.of(kind, "", 0) for kind in ("updated", "after")}
    true = [float(right[p.kind.removeprefix("slip ")](*worked.place(p.of)).real) for p, _ in slips]
    assert sum(p.off(wrong) for p, wrong in slips) < 0.5 * sum(p.off(t) for (p, _), t in zip(slips, true, strict=True))


PUBLISHED = [n for n in NAMES if "manner" not in facts(n)]
LIKE_THEM = [n for n in NAMES if n not in PUBLISHED]


def test_there_are_enough_sources() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(NAMES)
    assert len({facts(n)["source"] for n in PUBLISHED}) >= 10
    assert all(len(list(printed(n))) >= 2 for n in NAMES)


WHAT = {
    "value": "{}",
    "gradient": "∂/∂{}",
    "updated": "new {}",
    "after": "{} after the step",
    "later": "{} after all steps",
    "slip updated": "new {}, their way",
    "slip after": "{} after the step, their way",
}


def shown(entry: Printed, value: float) -> str:
    """Our number with the digits of the printed one, and one more where they differ."""
    places = len(entry.digits.partition(".")[2])
    return f"{value:.{places + 1 if entry.units else places}f}".replace("-", "−")


def table(name: str) -> str:
    read = facts(name)
    where = read["where"] + (f"; read in {read['read']}" if "read" in read else "")
    lines = [f"## {read['source']}", "", f"{where}; [`{name}.spec`](../tests/published/{name}.spec)", ""]
    lines += [part for key in ("manner", "note") if key in read for part in (read[key], "")]
    lines += [f"| quantity | {'expected' if 'manner' in read else 'printed'} | derived | |", "|---|---|---|---|"]
    for entry, value in ours(name):
        what = WHAT[entry.kind].format(entry.of)
        lines.append(f"| {what} | {entry.digits.replace('-', '−')} | {shown(entry, value)} | {entry.why} |")
    return "\n".join([*lines, ""])


HEAD = """\
# Published numbers

Numbers that textbooks and courses on back-propagation print, and what the derived equations give for them, rounded
alike. Where the source is off, the last column tells why, and a further digit is shown. `tests/test_published.py`
checks every line and writes this page.
"""

LIKE = """\
# In the manner of other texts

Networks like worked examples of the texts named, whose numbers we could not read where they are printed, or not all of
them. They are held against the derived equations all the same, and prove nothing about the texts.
"""


def test_the_page_shows_what_is_tested(golden: Callable[[Path, str], None]) -> None:
    golden(ROOT / "docs" / "published.md", "\n".join([HEAD, *map(table, PUBLISHED), LIKE, *map(table, LIKE_THEM)]))


def test_printed_digits_are_told_from_others() -> None:
    assert Printed("value", "x", "0.50").off(0.5049) <= 0.5 < Printed("value", "x", "0.50").off(0.5051)
    assert math.isclose(Printed("value", "x", "-12").off(-13.0), 1.0)
