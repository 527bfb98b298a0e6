"""The determinism contract: a module, a seed and a processor's features give the same bits, whatever the threads.

And what an epoch must not do: ask for memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python
from numba.core.runtime.nrt import rtsys
from oracles import compiled, imported, network_of, sweep_of

from codegen.trainer.module import render

#: Small: samples in lanes, no BLAS; with dropout: products by BLAS, masks drawn.
SPECS = {
    "lanes": "input x[3]\nh[4] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2",
    "masks": "input x[3]\nh[20] = dropout(relu(dense(x)), 0.5)\ny = dense(h)\ntarget t\nloss L = (y - t)^2",
}
SCRIPT = """
import hashlib, sys
import numpy as np
import net_trainer as net

rng = np.random.default_rng(0)
X, t = rng.normal(size=(70, 3)), rng.normal(size=70)
for solver in sys.argv[1:]:
    one = net.Trainer(solver=solver, max_iter=3, random_state=5).fit(X, t)
    many = net.fit_many(X, t, seeds=range(20), solver=solver, max_iter=2)
    for w in (one.weights_, many.weights_):
        print(hashlib.sha256(b"".join(a.tobytes() for a in w.values())).hexdigest())
"""
#: Random123's known answers for Philox4x32-10 (file kat_vectors): counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def written(spec: str, folder: Path) -> Path:
    path = folder / "net_trainer.py"
    text = render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return imported(written(SPECS["masks"], tmp_path_factory.mktemp("bits")))


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_generator_is_the_published_one(module, counter, key, words):
    assert tuple(int(w) for w in compiled(module, "philox")(*counter, key[0] + (key[1] << 32))) == words


@pytest.mark.parametrize(("name", "solvers"), [("lanes", ("adam",)), ("masks", ("sgd",))])
def test_threads_change_no_bit(name, solvers, tmp_path):
    """In other processes, with one thread and with two, for BLAS, for OpenMP and for many networks.

    The first of them compiles, the second finds the kernels in the cache.
    """
    written(SPECS[name], tmp_path)
    found = set()
    for threads in ("1", "2"):
        variables = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), threads)
        script = SCRIPT.replace("max_iter=2", f"max_iter=2, n_jobs={threads}")
        found.add(
            subprocess.run(
                [sys.executable, "-c", script, *solvers],
                cwd=tmp_path,
                env={**os.environ, **variables, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    assert len(found) == 1
    assert len(found.pop().split()) == 2 * len(solvers)


def test_an_epoch_asks_for_no_memory(module):
    """Kernels allocate nothing, nor does Numba where Python calls them."""
    rng = np.random.default_rng(0)

    def allocations(samples: int, epochs: int) -> int:
        X, t = rng.normal(size=(samples, 3)), rng.normal(size=samples)
        trainer = module.Trainer(max_iter=epochs, n_iter_no_change=epochs, batch_size=8)
        before = rtsys.get_allocation_stats().alloc
        trainer.fit(X, t)
        return rtsys.get_allocation_stats().alloc - before

    _nrt_python.memsys_enable_stats()
    try:
        allocations(8, 1)  # compiles
        before = rtsys.get_allocation_stats().alloc
        numba.njit(lambda n: np.empty(n))(3)
        assert rtsys.get_allocation_stats().alloc > before, "what is allocated is counted"
        assert allocations(160, 10) == 0
    finally:
        _nrt_python.memsys_disable_stats()


def test_random_numbers_are_ours(module):
    """First weights, orders and masks follow from the seed by the generator alone; NumPy's is never asked."""
    module_text = Path(module.__file__).read_text(encoding="utf-8")
    used = [line for line in module_text.split("\n") if "np.random" in line]
    assert used == ["    rng = np.random.default_rng(0)"], "only the self-check draws data by NumPy"
    order = np.empty(9, np.int64)
    compiled(module, "shuffle")(order, 3, 1)
    assert sorted(order) == list(range(9))
    words = [int(compiled(module, "philox")(k // 4, 0, 1, 1, 3)[k % 4]) for k in range(9)]
    expected = list(range(9))
    for i in range(8, 0, -1):
        j = words[i] * (i + 1) >> 32
        expected[i], expected[j] = expected[j], expected[i]
    assert order.tolist() == expected
