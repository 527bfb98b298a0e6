"""What the machine can do at most: independent fused multiply-adds, and a large matrix product."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

import numpy as np

from benchmarks.training import peers
from benchmarks.training.timing import clock as clock_of


def peak(threads: int) -> tuple[float, float]:
    """GFLOP/s in single precision: of multiply-adds (one thread's times the threads), and of a product by BLAS."""
    library = ctypes.CDLL(str(peers.compiled(Path(__file__).with_name("peak.c"), {})))
    library.peak.restype = ctypes.c_double
    result, rounds = ctypes.c_float(), 2_000_000
    fma = 0.0
    for _ in range(5):
        start = time.process_time()
        count = library.peak(ctypes.c_long(rounds), ctypes.byref(result))
        fma = max(fma, 2 * count / (time.process_time() - start))
    a = np.ones((1024, 1024), np.float32)
    clock = clock_of(threads)
    product = 0.0
    for _ in range(9):
        start = clock()
        a @ a
        product = max(product, 2 * 1024**3 / (clock() - start))
    return threads * fma / 1e9, product / 1e9
