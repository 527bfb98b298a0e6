"""The columns of a picture: how far a quantity is from what nothing is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def longest_ways(reads: Mapping[str, Iterable[str]], ends: Iterable[str]) -> dict[str, int]:
    """The number of steps on the longest way to each of ``ends``, and to all that leads there.

    ``reads`` tells what a quantity is computed from; what it does not mention is 0 steps away.
    """
    found: dict[str, int] = {}

    def steps(name: str) -> int:
        if name not in found:
            found[name] = 1 + max(map(steps, reads.get(name, ())), default=-1)
        return found[name]

    for name in ends:
        steps(name)
    return found
