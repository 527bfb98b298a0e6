"""Many networks at once, each with its own learning rate, against JAX's ``vmap`` of the same training.

    python -m benchmarks.training.many [--networks 256] [--threads 1] [--repeats 5]

The first weights of every network, the data, their order and the precision are the same for both; before any time is
printed, the weights of a few networks are compared with a plain NumPy program in double precision.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

parser = argparse.ArgumentParser("python -m benchmarks.training.many", description=__doc__.split("\n")[0])
parser.add_argument("--networks", type=int, default=256)
parser.add_argument("--threads", type=int, default=1, help="for both")
parser.add_argument("--repeats", type=int, default=5)

# Before NumPy and JAX are imported, or they do not listen.
arguments = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(arguments.threads)
if arguments.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402

from benchmarks.training import peers  # noqa: E402
from benchmarks.training.catalogue import WORKS  # noqa: E402
from benchmarks.training.timing import difference, medians, remark  # noqa: E402
from benchmarks.training.works import Weights, Work  # noqa: E402


def derive(work: Work, module, rates) -> peers.Run:  # type: ignore[no-untyped-def]
    """``fit_many``: checks of the data, first weights and all."""
    x, t = work.data()
    settings = {"batch_size": work.batch, "max_iter": work.epochs, "n_iter_no_change": work.epochs, "shuffle": False}

    def run() -> Weights:
        seeds = range(len(rates))
        runs = module.fit_many(
            x, t, seeds, n_jobs=arguments.threads, learning_rate_init=rates, solver="sgd", **settings
        )
        return dict(runs.weights_)

    return run


def jax(work: Work, first: Weights, rates) -> peers.Run:  # type: ignore[no-untyped-def]
    """One jitted call for all networks: scan over minibatches inside a loop over epochs, mapped over the networks."""
    import jax as j
    import jax.numpy as jnp

    x, t = work.data()
    count = work.samples // work.batch
    batches = (jnp.asarray(x.reshape(count, work.batch, -1)), jnp.asarray(t.reshape(count, work.batch, -1)))
    start = {name: jnp.asarray(w) for name, w in first.items()}

    def train(weights, rate):  # type: ignore[no-untyped-def]
        def update(weights, batch):  # type: ignore[no-untyped-def]
            slopes = j.grad(work.jax_loss)(weights, *batch)
            return j.tree.map(lambda p, g: p - rate * g, weights, slopes), None

        return j.lax.fori_loop(0, work.epochs, lambda _, w: j.lax.scan(update, w, batches)[0], weights)

    mapped = j.jit(j.vmap(train))
    return lambda: {name: np.asarray(w) for name, w in j.block_until_ready(mapped(start, jnp.asarray(rates))).items()}


def disagreement(work: Work, found: Weights, first: Weights, rates) -> float:  # type: ignore[no-untyped-def]
    """The largest difference from NumPy's weights in the first, a middle and the last network."""
    worst = 0.0
    for k in {0, len(rates) // 2, len(rates) - 1}:
        expected = replace(work, rate=float(rates[k])).trained({n: w[k] for n, w in first.items()}, np.float64)
        worst = max(worst, difference({n: w[k] for n, w in found.items()}, expected))
    return worst


def main() -> None:
    work = replace(next(w for w in WORKS if w.name.startswith("4-16-3")), epochs=50)
    module = peers.generated(work)
    rates = np.geomspace(0.01, 0.3, arguments.networks).astype(np.float32)
    starts = [module.unpacked(module.initial(k, np.dtype(np.float32))) for k in range(arguments.networks)]
    first = {name: np.stack([s[name] for s in starts]) for name in module.WEIGHTS}
    runs = {"derive": derive(work, module, rates), "JAX vmap": jax(work, first, rates)}
    errors = {name: disagreement(work, run(), first, rates) for name, run in runs.items()}
    times = medians(runs, arguments.repeats, arguments.threads)
    print(f"{arguments.networks} networks, {work.name}, each its own learning rate; threads {arguments.threads}")
    for name, seconds in times.items():
        speed = arguments.networks * work.samples * work.epochs / seconds / 1e6
        ratio = seconds / times["derive"]
        print(f"  {name:12}{speed:9.2f} million samples/s {ratio:9.2f} ×{remark(errors[name])}")


main()
