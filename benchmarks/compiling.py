"""How long the first epoch of a new trainer takes, and how long it takes when Numba finds the kernels in its cache.

    python -m benchmarks.compiling [--only digits]

Every figure is the processor time of a whole process: Python starts, NumPy and Numba and the trainer are imported, the
kernels are compiled or loaded, and one epoch of a few samples is trained.  The first row is the same for a function
that adds 1 to a number, below which nothing that Numba compiles can be.  The least of three runs is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
SCALAR = "input x[2]\nh[8] = tanh(dense(x))\ny = sigmoid(dense(h))\ntarget t\nloss L = binary_cross_entropy(t, y)\n"
TRIVIAL = "import numba, numpy\n@numba.njit(cache=True)\ndef f(x):\n    return x + 1\nf(1.0)\n"
TRAINED = """
import importlib, numpy, sys
module, many, batch, solver = importlib.import_module("net_trainer"), *sys.argv[1:]
X, y = module.random_data(numpy.random.default_rng(0), 48)
X, y = X or None, y or None
given = dict(max_iter=1, batch_size=int(batch), solver=solver)
if many == "many":
    module.fit_many(X, y, seeds=range(32), n_jobs=1, **given)
else:
    module.Trainer(**given).fit(X, y)
"""


def example(name: str) -> str:
    return (ROOT / "examples" / f"{name}.spec").read_text(encoding="utf-8")


def network(*sizes: int, function: str = "tanh") -> str:
    """The specification of a classifier with layers of these sizes, of which the first are its inputs."""
    inputs, *hidden, classes = sizes
    names = ["x", *(f"h{n + 1}" for n in range(len(hidden)))]
    lines = [f"{h}[{m}] = {function}(dense({x}))" for x, h, m in zip(names, names[1:], hidden, strict=False)]
    last = f"p[{classes}] = softmax(dense({names[-1]}))\ntarget t[{classes}]\nloss L = cross_entropy(t, p)\n"
    return "\n".join([f"input x[{inputs}]", *lines, last])


def deep(units: int) -> str:
    return network(*[units] * 11, 3)


#: By name: the specification, whether one network is trained or many, the batch size and the solver.
WORKS: dict[str, tuple[str, str, int, str]] = {
    "2-8-1, one sample at a time": (SCALAR, "one", 1, "sgd"),
    "4-16-3, one sample at a time": (network(4, 16, 3), "one", 1, "sgd"),
    "4-16-3, batch 16": (network(4, 16, 3), "one", 16, "sgd"),
    "4-16-3, batch 16, adam": (network(4, 16, 3), "one", 16, "adam"),
    "4-16-3, 32 networks": (network(4, 16, 3), "many", 16, "sgd"),
    "64-64-10, batch 32": (network(64, 64, 10), "one", 32, "sgd"),
    "784-128-10, batch 32": (network(784, 128, 10), "one", 32, "sgd"),
    "1000-1000-1000-10, batch 32, adam": (network(1000, 1000, 1000, 10, function="relu"), "one", 32, "adam"),
    "10 layers of 8, one sample at a time": (deep(8), "one", 1, "sgd"),
    "10 layers of 32, batch 32, adam": (deep(32), "one", 32, "adam"),
    "10 layers of 300, batch 32, adam": (deep(300), "one", 32, "adam"),
    "10 layers of 8, 32 networks": (deep(8), "many", 16, "sgd"),
    **{f"{n}.spec, batch 16, adam": (example(n), "one", 16, "adam") for n in ("digits_conv", "digits_normalised")},
    **{f"{n}.spec, batch 16, adam": (example(n), "one", 16, "adam") for n in ("rnn", "gru")},
}


def seconds(folder: Path, *command: str) -> float:
    """Processor time of a process that keeps its compiled kernels in ``folder``."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least(folder: Path, *command: str) -> tuple[float, float]:
    """The least time of such a process that compiles, and of one that finds the kernels in the cache."""
    cold, cached = [], []
    for _ in range(RUNS):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        cold.append(seconds(folder, *command))
        cached.append(seconds(folder, *command))
    return min(cold), min(cached)


def written(spec: str, folder: Path) -> None:
    """The trainer of a specification as a module of ``folder``."""
    (folder / "net.spec").write_text(spec, encoding="utf-8")
    command = [sys.executable, "-m", "derive", "net.spec", "-o", "net_trainer.py", "--quiet"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.compiling", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="works whose name contains this")
    only = parser.parse_args().only
    print(f"{'':38}{'cold, s':>10}{'cached, s':>12}")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "trivial.py").write_text(TRIVIAL, encoding="utf-8")
        cold, cached = least(Path(place), "trivial.py")
        print(f"{'a function that adds 1':38}{cold:10.2f}{cached:12.2f}")
    for name, (spec, many, batch, solver) in WORKS.items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as place:
            written(spec, Path(place))
            command = ("-c", TRAINED, many, str(batch), solver)
            cold, cached = least(Path(place), *command)
            print(f"{name:38}{cold:10.2f}{cached:12.2f}", flush=True)


if __name__ == "__main__":
    main()
