"""The compiler of a trainer's functions: what it leaves out of Numba's must not be missed."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from llvmlite import ir as llvm
from numba import njit, types
from numba.core import ir
from numba.core.errors import TypingError
from numba.core.lowering import Lower
from oracles import example, trainer_of

from templates.trainer.arrays import Builder, put_together


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return trainer_of(example("iris"), tmp_path_factory.mktemp("compiler"))


def kernel(module: ModuleType, function: Callable[..., Any], options: str = "INLINED") -> Any:
    """A kernel that does nothing but call a function, which is compiled as a part of it."""
    part = njit(**getattr(module, options))(function)

    @njit(**{**module.COMPILE, "cache": False})
    def called(*given):  # type: ignore[no-untyped-def]
        return part(*given)

    return called


def branches(a, out):  # type: ignore[no-untyped-def]
    """Variables that are set in one branch, in both, before a loop, in it, and used behind."""
    base, last = a[0], 0.0
    for i in range(a.size):
        b = 2 * a[i]
        if a[i] <= base:
            b = -a[i]
            base -= 0.01
        if i > 2:
            c = b + 1
            if i == 7:
                continue
        for j in range(i):
            if a[j] > 0.9:
                break
            last = a[j] - b
        out[i] = b + last
        if i > 3:
            out[i] += c
    n = 0
    while a[n] < 0.8 and n < a.size - 1:
        n += 1
        step = a[n] * n
        base += step
    if n > 2:
        return base + step
    return base


def tables(a, out):  # type: ignore[no-untyped-def]
    """Elements of arrays with one index and several, whole rows, columns, parts."""
    table = out.reshape((4, 5))
    for i in range(4):
        row, column = table[i], table[:, 1]
        for j in range(5):
            table[i, j] = a[j] + i
            row[j] += column[i] * a[j]
        table[3 - i, np.uint64(2)] *= 2
    return table[1, 1:3].sum() + table.T[0, 3]


def ranges(a, out):  # type: ignore[no-untyped-def]
    """Loops over ranges of every kind: up, down, in steps, of no numbers, left before their end."""
    n = a.size
    for i in range(n - 1, -1, -1):
        for j in range(i, n, 3):
            out[i] += a[j] * j
        for j in range(i, 2):
            out[i] -= a[j]
        for j in range(n, i, -(i % 3) - 1):
            out[i] += a[j - 1]
    for i in range(np.int32(3), 100):
        if i == n:
            break
        if a[i] > 0.5:
            continue
        out[i] += i
    for i in range(2):
        last = i
    for _ in range(5, 5):
        last = 7
    for k in range(-3, 4, 2):
        last += k * k
    return out[0] + last


@pytest.mark.parametrize("function", [branches, tables, ranges])
@pytest.mark.parametrize("options", ["INLINED", "LOOPS"])
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_functions_mean_what_they_say(module, function, options, real):
    """Against Python, with variables and elements that need neither memory nor a count of who refers to them."""
    a = np.random.default_rng(0).random(20).astype(real)
    if options == "LOOPS" and function is tables:
        pytest.skip("its arrays share memory, which those of loops do not")
    found, expected = np.zeros(20, real), np.zeros(20, real)
    values = kernel(module, function, options)(a, found), function(a, expected)
    np.testing.assert_allclose(*values, rtol=1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rows_become_simd_instructions(module):
    """A sum of 16 products is written out by LLVM, number for number, unless it is told to wait."""

    def times(W, v, out):  # type: ignore[no-untyped-def]
        for i in range(16):
            total = W.dtype.type(0)
            for j in range(16):
                total += W[i, j] * v[j]
            out[i] = total

    draw = np.random.default_rng(0)
    W, v, out = draw.random((16, 16), np.float32), draw.random(16, np.float32), np.zeros(16, np.float32)
    called = kernel(module, times, "LOOPS")
    called(W, v, out)
    np.testing.assert_allclose(out, W @ v, rtol=1e-5)
    (code,) = called.inspect_llvm().values()
    assert " x float>" in code


def test_what_is_for_the_other_precision_is_not_compiled(module):
    """Neither its branch nor the functions that nothing else calls; wherever the arguments' precision stands."""
    is_double = module.is_double
    exact, quick = (njit(**module.INLINED)(f) for f in (lambda x: x + 1, lambda x: x + 2))

    def chosen(arrays, out):  # type: ignore[no-untyped-def]
        real = arrays[0].dtype.type
        double = is_double(real)
        for i in range(out.size):
            precise = exact(arrays[0][i])
            out[i] = precise if double else quick(arrays[1][0, i])

    compiled = kernel(module, chosen)
    for real, added, signatures in ((np.float32, 2, (0, 1)), (np.float64, 1, (1, 1))):
        a, out = np.arange(3, dtype=real), np.zeros(3, real)
        compiled((a, a.reshape(1, 3)), out)
        np.testing.assert_array_equal(out, a + added)
        assert (len(exact.overloads), len(quick.overloads)) == signatures


def test_nothing_is_taken_apart_that_was_put_together():
    """In a value of LLVM, whatever it is made of."""
    number, pair = llvm.IntType(64), llvm.LiteralStructType([llvm.IntType(64), llvm.ArrayType(llvm.IntType(64), 2)])
    kind = llvm.FunctionType(llvm.VoidType(), [pair, number, number])
    builder = Builder(llvm.Function(llvm.Module(), kind, "f").append_basic_block())
    given, one, two = builder.function.args
    whole = builder.insert_value(builder.insert_value(given, one, 0), two, [1, 1])
    assert builder.extract_value(whole, 0) is one
    both = put_together(builder, llvm.ArrayType(pair, 2), [whole, pair([1, llvm.ArrayType(number, 2)([2, 3])])])
    before = len(builder.block.instructions)
    assert builder.extract_value(both, [0, 0]) is one
    assert builder.extract_value(both, [1, 1, 1]).constant == 3
    assert len(builder.block.instructions) == before
    assert str(builder.extract_value(whole, [1, 0]).type) == "i64"
    assert len(builder.block.instructions) == before + 2


@pytest.mark.parametrize(("rows", "inner", "columns"), list(itertools.product((1, 3), (1, 4), (1, 5))))
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_products_are_those_of_numpy(module, rows, inner, columns, real):
    product = njit(lambda a, b, out: module.product(a, b, out))
    draw = np.random.default_rng(0)
    a, b = draw.random((rows, inner)).astype(real), draw.random((inner, columns)).astype(real)
    for left, right in itertools.product((a, np.asfortranarray(a)), (b, np.asfortranarray(b))):
        out = np.full((rows, columns), np.nan, real)
        product(left, right, out)
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)


def test_a_matrix_is_no_larger_than_its_array(module):
    matrix = njit(boundscheck=True)(lambda a, rows, columns: module.matrix(a, rows, columns).sum())
    a = np.arange(24.0).reshape((4, 3, 2))
    assert matrix(a, 3, 4) == a.reshape(-1)[:12].sum()
    assert matrix(a, 4, 6) == a.sum()
    with pytest.raises(IndexError):
        matrix(a, 5, 5)
    with pytest.raises(TypingError):
        matrix(a.T, 3, 4)


def test_arrays_are_cleared_as_a_whole_or_by_rows(module):
    clear, rows = njit(lambda a: module.clear(a)), njit(lambda a, count: module.clear(a, count))
    a = np.ones((4, 3, 2), np.float32)
    rows(a, 2)
    assert (a[:2] == 0).all()
    assert (a[2:] == 1).all()
    clear(a)
    assert (a == 0).all()


def test_runs_of_numbers_are_copied(tmp_path):
    module = trainer_of("input x[2]\nh[8] = tanh(dense(x))\ny = dense(h)\ntarget t\nloss L = (y - t)^2", tmp_path)
    copy = njit(lambda target, t, source, s, count: module.copy_run(target, t, source, s, count))
    source, target = np.arange(12.0).reshape((3, 4)), np.zeros(20)
    copy(target, 2, source, 5, 6)
    assert target.tolist() == [0, 0, *range(5, 11), *[0] * 12]
    copy(source, 0, target, 0, 3)
    assert source.reshape(-1).tolist() == [0, 0, 5, *range(3, 12)]


@pytest.mark.parametrize("early", [False, True], ids=["nobody", "a user"])
def test_linear_algebra_is_imported_where_it_is_used(module, early):
    """Products of matrices, of anybody in the process, are no use of it, whether it was imported before or not."""
    script = f"""
import importlib.util, sys
import numpy as np
if {early}:
    import scipy.linalg.cython_blas
found = importlib.util.spec_from_file_location("net_trainer", {module.__file__!r})
found.loader.exec_module(importlib.util.module_from_spec(found))
from numba import njit
assert njit(lambda x: x + 1)(1.0) == 2.0
a = np.arange(6.0).reshape(2, 3)
assert (njit(lambda a, b: a @ b)(a, a.T.copy()) == a @ a.T).all()
assert ("scipy.linalg.lapack" in sys.modules) is {early}
import scipy.linalg.cython_blas
assert scipy.linalg.cython_blas.__pyx_capi__
assert (scipy.linalg.inv(2 * np.eye(2)) == np.eye(2) / 2).all()
assert "scipy.linalg.lapack" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("name", ["xor", "iris", "gru", "digits_normalised", "digits_conv"])
def test_a_variable_has_one_precision(name, batch_size, tmp_path, monkeypatch):
    """Numba gives it one type, the wider where there are two: a kernel would compute in double precision unasked."""
    widened, lower = [], Lower.lower_assign

    def watched(self: Lower, kind: types.Type, statement: Any) -> Any:
        given = self.typeof(statement.value.name) if isinstance(statement.value, ir.Var) else kind
        if isinstance(kind, types.Float) and not isinstance(given, types.Literal) and given != kind:
            widened.append(f"{self.func_ir.func_id.func_name}: {statement}")
        return lower(self, kind, statement)

    monkeypatch.setattr(Lower, "lower_assign", watched)
    module = trainer_of(example(name), tmp_path)
    X, y = module.random_data(np.random.default_rng(0), 10)
    for solver in module.SOLVERS if name == "xor" else ("adam",):
        module.Trainer(batch_size=batch_size, solver=solver, max_iter=1, dtype="float32").fit(X, y)
    if hasattr(module, "fit_many"):
        module.fit_many(X, y, seeds=range(2), n_jobs=1, batch_size=batch_size, max_iter=1)
    assert not widened


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_is_left_as_it_was(module, collects):
    def fails(a):  # type: ignore[no-untyped-def]
        return a.nothing

    (gc.enable if collects else gc.disable)()
    try:
        assert kernel(module, lambda a: a + 1)(1) == 2
        assert gc.isenabled() == collects
        with pytest.raises(TypingError):
            kernel(module, fails)(1)
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_arrays_that_a_kernel_returns_live(tmp_path: Path):
    """Statistics of the data are views of arrays that nothing else refers to when training ends."""
    module = trainer_of(example("digits_normalised"), tmp_path)
    X, y = module.random_data(np.random.default_rng(0), 32)
    trainer = module.Trainer(max_iter=1).fit(X, y)
    before = [np.array(s) for s in trainer._statistics]
    gc.collect()
    filled = [np.full_like(s, np.nan) for s in before for _ in range(100)]
    assert before
    assert filled
    for known, s in zip(before, trainer._statistics, strict=True):
        np.testing.assert_array_equal(s, known)
