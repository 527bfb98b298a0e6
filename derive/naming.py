"""Names for the single weights: ``w1, w2, …`` under ``notation numbered``, ``W1[1, 2]`` otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from derive.expressions import Access
from derive.network import Tensor

MAX_NUMBERED = 20_000  # weights under ``notation numbered``


def numbered_groups(weights: Iterable[Tensor]) -> dict[str, list[Access]]:
    """The elements called w1, w2, … and those called b1, b2, …: arrays in order, each unit by unit, input by input.

    Scalar weights keep the names that the user gave them.
    """
    groups: dict[str, list[Access]] = {"w": [], "b": []}
    for tensor in weights:
        if tensor.shape:
            groups["b" if tensor.bias else "w"] += list(tensor.elements())
    return groups


def element_names(weights: Iterable[Tensor], notation: str) -> Mapping[Access, str]:
    """A plain-text name for every single weight."""
    weights = list(weights)
    if notation == "numbered":
        names = {e: f"{letter}{n}" for letter, es in numbered_groups(weights).items() for n, e in enumerate(es, 1)}
        return {e: names.get(e, e.tensor) for t in weights for e in t.elements()}
    return {e: str(e).replace(" ", "") for t in weights for e in t.elements()}
