"""What the machine can do at most: independent fused multiply-adds, and a large matrix product."""

from __future__ import annotations

import ctypes
import time

import numpy as np

from benchmarks.training import peers
from benchmarks.training.works import WORKS


def peak(threads: int) -> tuple[float, float]:
    """GFLOP/s in single precision: of multiply-adds (one thread's times the threads), and of a product by BLAS."""
    library = ctypes.CDLL(str(peers._built(WORKS[0])))
    library.peak.restype = ctypes.c_double
    result, rounds = ctypes.c_float(), 2_000_000
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        count = library.peak(ctypes.c_long(rounds), ctypes.byref(result))
        best = max(best, 2 * count / (time.perf_counter() - start))
    a = np.ones((1024, 1024), np.float32)
    product = 0.0
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        product = max(product, 2 * 1024**3 / (time.perf_counter() - start))
    return threads * best / 1e9, product / 1e9
