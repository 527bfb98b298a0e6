"""Mutated specifications are read or refused in words: soon, in little memory, without a traceback.

``python tests/search.py specs 100000`` looks further.
"""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest
from mutations import good_ones, mutant
from robust import OutOfTime, reading, time_limit, working

CASES = 5_000
WHOLE = 12  # of those that are read are derived, proved and printed
MEMORY = 400 * 1024  # kilobytes that reading all of them may take beyond what the tests before took


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.spec"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    accepted = []
    for number in range(CASES):
        path.write_bytes(content := mutant(f"tests:{number}"))
        read, wrong = reading(path)
        assert not wrong, f"{wrong}\n{'-' * 80}\n{content.decode(errors='backslashreplace')}"
        if read:
            accepted.append(content)
    assert CASES / 20 < len(accepted) < CASES / 2, "the changes are too coarse, or too fine, to say much"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
    for content in random.Random(0).sample(accepted, WHOLE):
        path.write_bytes(content)
        wrong = working(path, [".tex", ".py", ".json"], seconds=30)
        assert wrong in ("", "out of time"), f"{wrong}\n{'-' * 80}\n{content.decode()}"


def test_the_corpus_is_there() -> None:
    assert len(good_ones()) > 30, "has a folder moved?"
    assert len({mutant(f"differs:{n}") for n in range(100)}) > 95


def test_the_watchdog_barks() -> None:
    def endless() -> None:
        while True:
            pass

    with pytest.raises(OutOfTime), time_limit(0.05):
        endless()
