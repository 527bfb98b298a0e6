"""How long deriving takes: against importing SymPy, and against width, depth and the naive way.

    python benchmarks/derivation.py

prints one table of ratios.  All times of a row are taken in one run, interleaved, and the least of several counts,
since noise only ever adds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sympy

from derive.derivation import derive
from derive.diagnostics import Source
from derive.expressions import Access
from derive.gradient import sweep
from derive.language.build import load
from derive.network import Network
from derive.scalars import Scalars

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5


def dense(*sizes: int) -> str:
    """The specification of a tanh network with these layer sizes, softmax at the end."""
    lines = [f"input x[{sizes[0]}]"]
    before = "x"
    for n, size in enumerate(sizes[1:-1], 1):
        lines.append(f"h{n}[{size}] = tanh(dense({before}))")
        before = f"h{n}"
    lines += [f"p[{sizes[-1]}] = softmax(dense({before}))", f"target t[{sizes[-1]}]", "loss L = cross_entropy(t, p)"]
    return "\n".join(lines)


def network(*sizes: int) -> Network:
    return load(Source("benchmark.spec", dense(*sizes)))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(one: Callable[[], object], other: Callable[[], object], repeats: int = REPEATS) -> tuple[float, float]:
    """The least time of each, interleaved."""
    pairs = [(seconds(one), seconds(other)) for _ in range(repeats)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def process(*arguments: str) -> Callable[[], object]:
    folder = tempfile.mkdtemp()
    return lambda: subprocess.run([sys.executable, *arguments], cwd=folder, check=True, capture_output=True)


def from_spec(*sizes: int) -> Callable[[], object]:
    """Reading, deriving and proving, as the command does it."""
    return lambda: derive(network(*sizes))


def naive(*sizes: int) -> Callable[[], object]:
    """SymPy's derivative of the loss composed into one scalar, weight by weight."""
    net = network(*sizes)
    scalars = Scalars(net, sweep(net))
    composed = scalars.expanded(Access(net.loss))
    symbols = {e: sympy.Symbol(str(e), real=True) for w in net.weights for e in w.elements()}
    plain = composed.xreplace(symbols)
    return lambda: [plain.diff(s) for s in symbols.values()]


def main() -> None:
    imported = process("-c", "import sympy")
    rows = [
        *((f"{spec.stem}.tex / import sympy", process("-m", "derive", str(spec), "-o", "notes.tex", "--force"),
           imported, 3.0) for spec in sorted((ROOT / "examples").glob("*.spec"))),
        ("derive 784-128-10 / 4-4-3", from_spec(784, 128, 10), from_spec(4, 4, 3), 2.0),
        ("derive 40 layers / 4 layers", from_spec(*[8] * 41), from_spec(*[8] * 5), 15.0),
        ("derive width 8000 / width 8", from_spec(8000, 8000, 10), from_spec(8, 8, 10), 1.5),
        ("sympy.diff per weight / our sweep, 4-4-3", naive(4, 4, 3), lambda: sweep(network(4, 4, 3)), None),
    ]  # fmt: skip
    print(f"{'':44} {'ratio':>8} {'at most':>8} {'seconds':>18}")
    for name, one, other, limit in rows:
        a, b = compare(one, other)
        print(f"{name:44} {a / b:8.2f} {limit or '':>8} {a:8.3f} / {b:.3f}")
    start, bare = compare(process("-m", "derive", "--help"), process("-c", "pass"))
    name = "derive --help, seconds over python -c pass"
    print(f"{name:44} {start - bare:8.3f} {'2x + 0.1':>8} {start:8.3f} / {bare:.3f}")
    narrow, wide = sweep(network(8, 8, 8)), sweep(network(8000, 8000, 8000))
    print(f"equations at width 8 and 8000: {len(narrow.equations)} and {len(wide.equations)}")


if __name__ == "__main__":
    main()
