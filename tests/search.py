"""Look for counter-examples, longer than the tests do:

    python tests/search.py specs 100000         # mutated specifications are read or refused
    python tests/search.py specs 20 --seed 7    # others
    python tests/search.py networks 10000       # gradients are those of automatic differentiation, to 1e-9
    python tests/search.py updates 1000         # so are losses and weights over three updates, for any optimizer
    python tests/search.py trainers 100         # trainers agree with it too, and train so
    python tests/search.py notes 100            # LaTeX takes the notes in any notation, and nothing leaves them
    python tests/search.py cells 100            # what a notebook asserts holds, in any notation
    python tests/search.py numbers 1000         # numbers read back out of the notes are those of the JSON
    python tests/search.py slides 100           # LaTeX takes the slides, and nothing leaves them

Each search runs in processes of its own, a chunk of cases each, so that no case can spoil the next; a case that kills
or hangs its process is a counter-example too.  What is found is printed with all that is needed to see it again, and
belongs into ``tests/test_found.py``.  Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy, sampled_from, tuples
from mutations import mutant
from networks import (
    Made,
    Training,
    check,
    check_cells,
    check_fit,
    check_notes,
    check_slides,
    check_trainer,
    check_updates,
    looks,
    networks,
    trainings,
)
from printed import check_random
from robust import reading, working

from codegen.options import Options

MEMORY = 2 * 1024**3  # bytes of address space for one chunk of mutated specifications, imports included
STUCK = 1800  # seconds after which a process is taken for hung
WHOLE = 1 / 12  # of the specifications that are read are derived, proved and printed
WHOLE_SECONDS = 20.0

#: From a seed, the number of the first case and how many: kind of outcome, what is wrong if anything is, the case.
Search = Callable[[int, int, int], Iterator[tuple[str, str, str]]]


def specs(seed: int, first: int, count: int) -> Iterator[tuple[str, str, str]]:
    """Mutants: (kind of outcome, what is wrong, the specification)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.spec"
        for number in range(first, first + count):
            path.write_bytes(content := mutant(f"{seed}:{number}"))
            read, wrong = reading(path)
            kind = "read" if read else "refused"
            if read and random.Random(f"{seed}:{number}:whole").random() < WHOLE:
                kind, wrong = "derived", working(path, [".tex", ".py", ".json"], WHOLE_SECONDS)
                if wrong == "out of time":
                    kind, wrong = "out of time", ""
            yield kind, wrong, content.decode("utf-8", errors="backslashreplace")


def random_networks(check: Callable[..., str], most: int, *more: SearchStrategy[Any]) -> Search:
    """A search through random networks with this check, which tells the kind of outcome and raises what is wrong.

    The check is given whatever ``more`` draws beside the network.
    """

    def search(seed: int, first: int, count: int) -> Iterator[tuple[str, str, str]]:
        kinds: list[str] = []

        @hypothesis.seed(f"{seed}:{first}")
        @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(tuples(networks(most), *more))
        def each(drawn: tuple[Any, ...]) -> None:
            kinds.append(check(*drawn))

        wrong = text = ""
        try:
            each()
        except Exception as error:  # Hypothesis has made it small and notes what it was
            wrong, text = traceback.format_exc(limit=-6), "\n".join(getattr(error, "__notes__", []))
        yield from ((kind, "", "") for kind in (kinds + ["passed over"] * count)[: count - bool(wrong)])
        if wrong:
            yield "differs", wrong, text

    return search


def agrees(made: Made) -> str:
    check(made)
    return "agree"


def updates(made: Made, training: Training) -> str:
    check_updates(made, training)
    return "agree"


def trains(made: Made, training: Training) -> str:
    with tempfile.TemporaryDirectory() as folder:
        check_trainer(made, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_fit(made, training, Path(folder))
    return "agree"


def typesets(made: Made, options: Options) -> str:
    with tempfile.TemporaryDirectory() as folder:
        check_notes(made, options, Path(folder))
    return "typeset"


def computes(made: Made, options: Options, places: int) -> str:
    return "hold at a kink" if check_cells(made, options, places) else "hold"


def projects(made: Made) -> str:
    with tempfile.TemporaryDirectory() as folder:
        check_slides(made, Path(folder))
    return "typeset"


#: The search, and how many cases one process takes.  Hypothesis draws a chunk as a whole, and only so again.
SEARCHES: dict[str, tuple[Search, int]] = {
    "specs": (specs, 1000),
    "networks": (random_networks(agrees, 8), 200),
    "updates": (random_networks(updates, 6, trainings()), 100),
    "trainers": (random_networks(trains, 4, trainings()), 10),
    "notes": (random_networks(typesets, 5, looks()), 20),
    "cells": (random_networks(computes, 4, looks(), sampled_from((2, 1, 0))), 20),
    "slides": (random_networks(projects, 5), 20),
    "numbers": (random_networks(check_random, 1, looks(), sampled_from((2, 1, 0))), 20),
}


def work(name: str, seed: int, first: int, count: int) -> None:
    """One chunk, in a process of its own: a line of JSON for each case."""
    if name == "specs":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    cases = SEARCHES[name][0](seed, first, count)
    for number in range(first, first + count):
        faulthandler.dump_traceback_later(STUCK, exit=True)
        kind, wrong, text = next(cases)
        print(
            json.dumps({"case": number, "kind": kind, **({"wrong": wrong, "text": text} if wrong else {})}), flush=True
        )


def chunk(name: str, seed: int, first: int, count: int) -> list[dict[str, object]]:
    """What came of one chunk; where its process died, the case it was at is the culprit."""
    command = [sys.executable, __file__, name, str(count), "--seed", str(seed), "--first", str(first), "--work"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]
    if done.returncode or len(results) < count:
        died = {"case": first + len(results), "kind": "died", "wrong": done.stderr[-3000:] or "no word", "text": ""}
        rest = first + count - died["case"] - 1
        return [*results, died, *(chunk(name, seed, died["case"] + 1, rest) if rest > 0 else [])]
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("search", choices=SEARCHES)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.search, given.seed, given.first, given.count)
        return 0
    size, end = SEARCHES[given.search][1], given.first + given.count
    began, kinds, found = time.monotonic(), Counter(), 0
    with ThreadPoolExecutor(given.workers) as pool:
        starts = range(given.first, end, size)
        for results in pool.map(lambda at: chunk(given.search, given.seed, at, min(size, end - at)), starts):
            for result in results:
                kinds[result["kind"]] += 1
                if "wrong" in result:
                    found += 1
                    case, count = result["case"], 1
                    if given.search != "specs":
                        case -= (case - given.first) % size
                        count = min(size, end - case)
                    again = f"python tests/search.py {given.search} {count} --seed {given.seed} --first {case}"
                    print(
                        f"{'=' * 100}\n{again}\n{'-' * 100}\n{result['text']}\n{'-' * 100}\n{result['wrong']}",
                        flush=True,
                    )
    shown = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{given.count:,} {given.search}, {found} counter-examples, {time.monotonic() - began:.0f} s: {shown}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
