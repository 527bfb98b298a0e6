"""Training time against that of others: the same network, data, order, first weights, precision and threads.

    python -m benchmarks.training [--threads 1] [--repeats 5] [--only 4-16-3] [--peers derive,C,JAX]

Before any time is printed, the weights that everybody arrives at are compared with those of a plain NumPy program in
double precision.  Times are medians of interleaved repetitions, processor time where one thread is used; the table
shows the time of one update, how many times longer the others take, and for classifiers the time to a loss, which
everybody reaches after the same number of epochs.  Who takes long makes fewer updates in a call, at most 2,000.
"""

from __future__ import annotations

import argparse
import os
import sys

parser = argparse.ArgumentParser("python -m benchmarks.training", description=__doc__.split("\n")[0])
parser.add_argument("--threads", type=int, default=1, help="for everybody")
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--only", default="", help="works whose name contains this")
parser.add_argument("--peers", default="", help="names, separated by commas; ourselves always")
arguments = parser.parse_args()

# Before NumPy and the others are imported, or they do not listen.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(arguments.threads)
if arguments.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402

from benchmarks.training import machine, peers  # noqa: E402
from benchmarks.training.catalogue import WORKS  # noqa: E402
from benchmarks.training.timing import difference, medians, remark  # noqa: E402
from benchmarks.training.works import Weights, Work  # noqa: E402


def measure(weights: Weights, runs: dict[str, tuple[Work, peers.Run]]) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of one update by name, and by how much the weights differ from the reference."""
    expected: dict[int, Weights] = {}
    for work, _ in runs.values():
        if work.epochs not in expected:
            expected[work.epochs] = work.trained(weights, np.float64)
    errors = {name: difference(run(), expected[work.epochs]) for name, (work, run) in runs.items()}
    times = medians({name: run for name, (_, run) in runs.items()}, arguments.repeats, arguments.threads)
    return {name: times[name] / work.steps for name, (work, _) in runs.items()}, errors


def main() -> None:
    fma, product = machine.peak(arguments.threads)
    print(f"threads {arguments.threads}; peak of multiply-adds {fma:.0f} GFLOP/s, of a large product {product:.0f}")
    chosen = tuple(name for name in arguments.peers.split(",") if name)
    for work in WORKS:
        if arguments.only not in work.name:
            continue
        module = peers.generated(work)
        weights = peers.initial(module)
        times, errors = measure(weights, peers.everybody(work, weights, module, chosen))
        own = times["derive"]
        rate = 2 * work.multiplications * work.batch / own / 1e9
        share = (
            f"{rate:.3g} GFLOP/s, {rate / fma:.0%} of the multiply-adds' peak, {rate / product:.0%} of the product's"
        )
        print(f"\n{work.name}: {own * 1e6:.3g} µs an update, {share}")
        epochs = work.epochs_to_goal(weights) if work.goal else None
        if epochs:
            print(f"  {'':16}{'an update':>15}{'ratio':>12}{f'to a loss of {work.goal}, {epochs} epochs':>36}")
        for name, seconds in times.items():
            goal = f"{seconds * epochs * work.steps / work.epochs * 1e3:33.3f} ms" if epochs else ""
            print(f"  {name:16}{seconds * 1e6:12.3f} µs {seconds / own:9.2f} ×{goal}{remark(errors[name])}")
        sys.stdout.flush()


main()
