"""Operations that cost nothing to compile: Numba would compile functions for its own anew, several for each.

``codegen.trainer.module`` copies what a module needs of this into it.
"""

import numpy as np
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import linalg

from templates.trainer.arrays import array_at, call, field


def intrinsic_for(function):
    """Make an operation of compiled code, which is the function where Numba compiles nothing (NUMBA_DISABLE_JIT)."""

    def choose(emitter):
        made = intrinsic(emitter)
        made.in_python = function
        return function if config.DISABLE_JIT else made

    return choose


@intrinsic_for(lambda real: real is np.float64)
def is_double(typing, real):
    """Whether ``real`` is the type of double precision, a constant to LLVM."""

    def emit(context, builder, signature, arguments):
        return context.get_constant(types.boolean, real.dtype == types.float64)

    return types.boolean(real), emit


@intrinsic_for(lambda array, rows, columns: array.reshape(-1)[: rows * columns].reshape((rows, columns)))
def matrix(typing, array, rows, columns):
    """The first numbers of an array as a matrix, without a copy; the array has as many."""
    if array.layout != "C":
        return None
    result = types.Array(array.dtype, 2, "C")

    def emit(context, builder, signature, arguments):
        whole = context, builder, array, arguments[0]
        sides = [
            context.cast(builder, n, t, types.intp) for n, t in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        if context.enable_boundscheck:
            last = builder.sub(builder.mul(*sides), sides[0].type(1))
            cgutils.do_boundscheck(context, builder, last, field(*whole, "nitems"), 0)
        return array_at(context, builder, result, sides, field(*whole, "data"))

    return result(array, rows, columns), emit


@intrinsic_for(lambda array, *rows: array[tuple(map(slice, rows))].fill(0))
def clear(typing, array, *rows):
    """Set an array to 0, or the first rows of it, as many as are given."""
    if array.layout != "C" or len(rows) > 1:
        return None

    def emit(context, builder, signature, arguments):
        whole, count = (context, builder, array, arguments[0]), cgutils.unpack_tuple(builder, arguments[1])
        item = field(*whole, "strides", 0) if count else field(*whole, "itemsize")
        number = count[0] if count else field(*whole, "nitems")
        cgutils.memset(builder, field(*whole, "data"), builder.mul(number, item), 0)
        return context.get_dummy_value()

    return types.void(array, types.StarArgTuple(rows)), emit


@intrinsic_for(
    lambda target, t, source, s, count: np.copyto(target.ravel()[t : t + count], source.ravel()[s : s + count])
)
def copy_run(typing, target, t, source, s, count):
    """Copy ``count`` numbers that follow each other, from place s of an array to place t of another."""
    if target.layout != "C" or source.layout != "C" or target.dtype != source.dtype:
        return None

    def emit(context, builder, signature, arguments):
        places = []
        for kind, array, place in ((target, 0, 1), (source, 2, 3)):
            begin = context.cast(builder, arguments[place], signature.args[place], types.intp)
            places.append(builder.gep(field(context, builder, kind, arguments[array], "data"), [begin]))
        number = context.cast(builder, arguments[4], signature.args[4], types.intp)
        item = context.get_abi_sizeof(context.get_data_type(target.dtype))
        cgutils.raw_memcpy(builder, *places, number, context.get_constant(types.intp, item), align=item)
        return context.get_dummy_value()

    return types.void(target, t, source, s, count), emit


@intrinsic_for(np.dot)
def product(typing, left, right, out):
    """Fill the matrix ``out`` with the product of two others, by BLAS. Their sides fit; none of them is 0."""
    if not all(array.layout in "CF" for array in (left, right)) or out.layout != "C":
        return None

    def emit(context, builder, signature, arguments):
        linalg.ensure_blas()
        found = [(context, builder, kind, array) for kind, array in zip(signature.args, arguments, strict=True)]
        sides = [field(*found[n], "shape", side) for n, side in ((0, 0), (0, 1), (1, 1))]
        given = [*(field(*matrix, "data") for matrix in found), *sides]
        call(builder, f"product {left} {right} {out}", given, lambda *inside: multiply(context, *inside))
        return context.get_dummy_value()

    def multiply(context, builder, a, b, c, rows, inner, columns):
        """The code of a function for products of such matrices."""
        one, two, three = ((rows, inner), a), ((inner, columns), b), ((rows, columns), c)
        number = context.get_constant(types.intp, 1)
        with builder.if_else(builder.icmp_signed("==", columns, number)) as (vector, other):
            with vector:
                linalg.call_xxgemv(context, builder, left.layout == "C", left, *one, b, c)
            with other, builder.if_else(builder.icmp_signed("==", rows, number)) as (vector, other):
                with vector:
                    linalg.call_xxgemv(context, builder, right.layout == "F", right, *two, a, c)
                with other:
                    linalg.call_xxgemm(context, builder, left, *one, right, *two, out, *three)

    return types.void(left, right, out), emit
