"""Operations that cost nothing to compile: Numba would compile functions for its own anew, several for each.

``codegen.trainer.module`` copies what a module needs of this into it.
"""

import numpy as np
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import linalg
from numba.np.arrayobj import make_array, populate_array


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
        whole, made = make_array(array)(context, builder, arguments[0]), make_array(result)(context, builder)
        sides = [
            context.cast(builder, n, t, types.intp) for n, t in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        steps, last = [builder.mul(sides[1], item), item], builder.sub(builder.mul(*sides), sides[0].type(1))
        if context.enable_boundscheck:
            cgutils.do_boundscheck(context, builder, last, whole.nitems, 0)
        populate_array(made, data=whole.data, shape=sides, strides=steps, itemsize=item, meminfo=None)
        return made._getvalue()

    return result(array, rows, columns), emit


@intrinsic_for(lambda array, *rows: array[tuple(map(slice, rows))].fill(0))
def clear(typing, array, *rows):
    """Set an array to 0, or the first rows of it, as many as are given."""
    if array.layout != "C" or len(rows) > 1:
        return None

    def emit(context, builder, signature, arguments):
        whole, count = make_array(array)(context, builder, arguments[0]), cgutils.unpack_tuple(builder, arguments[1])
        first = builder.extract_value(whole.strides, 0)
        size = builder.mul(count[0], first) if count else builder.mul(whole.nitems, whole.itemsize)
        cgutils.memset(builder, whole.data, size, 0)
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
            whole = make_array(kind)(context, builder, arguments[array])
            begin = context.cast(builder, arguments[place], signature.args[place], types.intp)
            places.append(builder.gep(whole.data, [begin]))
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
        kinds = signature.args
        found = [make_array(kind)(context, builder, a) for kind, a in zip(kinds, arguments, strict=True)]
        (a, b, c), (one, two, three) = kinds, [(cgutils.unpack_tuple(builder, m.shape), m.data) for m in found]
        (rows, _), (_, columns) = one[0], two[0]
        number = context.get_constant(types.intp, 1)
        row, column = (builder.icmp_signed("==", side, number) for side in (rows, columns))
        with builder.if_else(column) as (vector, other):
            with vector:
                linalg.call_xxgemv(context, builder, a.layout == "C", a, *one, two[1], three[1])
            with other, builder.if_else(row) as (vector, other):
                with vector:
                    linalg.call_xxgemv(context, builder, b.layout == "F", b, *two, one[1], three[1])
                with other:
                    linalg.call_xxgemm(context, builder, a, *one, b, *two, c, *three)
        return context.get_dummy_value()

    return types.void(left, right, out), emit
