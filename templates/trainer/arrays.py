"""Arrays as values of LLVM: put together from what is known, and taken apart without code where that can be told.

Numba keeps an array in memory to read or to set one of its fields, a dozen instructions that LLVM takes out again.
Functions that several places of a kernel call are here, too.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils


class Builder(ir.IRBuilder):
    """Writes code that takes nothing apart of which it is known what was put there."""

    def extract_value(self, agg, idx, name=""):
        """A part of a value, and of that a part, …"""
        for place in idx if isinstance(idx, (tuple, list)) else [idx]:
            known = known_part(agg, place)
            agg = super().extract_value(agg, place, name) if known is None else known
        return agg


def known_part(whole, place):
    """A part of a value that is a constant or was put together from its parts, else None."""
    if isinstance(whole, ir.ExtractValue):
        inner = whole.operands[0]
        for one in whole.indices:
            inner = None if inner is None else known_part(inner, one)
        return None if inner is None else known_part(inner, place)
    while isinstance(whole, ir.InsertValue) and whole.indices[0] != place:
        whole = whole.operands[0]
    if isinstance(whole, ir.InsertValue):
        return whole.operands[1] if len(whole.indices) == 1 else None
    return whole.constant[place] if isinstance(getattr(whole, "constant", None), (list, tuple)) else None


def call(builder, name, values, write):
    """Call a function of this name, which ``write`` writes the code of where it is called for the first time."""
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    if function.is_declaration:
        function.linkage = "internal"
        function.attributes.add("noinline")
        inside = ir.IRBuilder(function.append_basic_block())
        write(inside, *function.args)
        inside.ret_void()
    builder.call(function, values)


def put_together(builder, kind, parts):
    """A value of several parts: those that are constants take no code."""
    constants = [part if isinstance(part, ir.Constant) else ir.Constant(part.type, ir.Undefined) for part in parts]
    whole = ir.Constant(kind, constants)
    for place, part in enumerate(parts):
        whole = whole if isinstance(part, ir.Constant) else builder.insert_value(whole, part, place)
    return whole


def field(context, builder, kind, array, name, *places):
    """A field of an array of Numba's type ``kind``: its ``data``, its ``shape``, one of its ``strides``."""
    return builder.extract_value(array, [context.data_model_manager[kind].get_field_position(name), *places])


def array_at(context, builder, kind, sizes, memory):
    """An array whose numbers follow each other from a place in memory; its sizes are Python's or LLVM's numbers."""
    number = context.get_value_type(types.intp)

    def times(one, two):
        both = isinstance(one, ir.Constant) and isinstance(two, ir.Constant)
        return number(one.constant * two.constant) if both else builder.mul(one, two)

    sizes = [number(size) if isinstance(size, int) else size for size in sizes]
    steps, items = [number(kind.dtype.bitwidth // 8)], number(1)
    for size in sizes[:0:-1]:
        steps.insert(0, times(steps[0], size))
    for size in sizes:
        items = times(items, size)
    several = ir.ArrayType(number, len(sizes))
    shape, strides = (put_together(builder, several, numbers) for numbers in (sizes, steps))
    owner = ir.Constant(context.get_value_type(types.voidptr), None)
    fields = {"meminfo": owner, "parent": owner, "nitems": items, "itemsize": steps[-1]}
    fields |= {"data": memory, "shape": shape, "strides": strides}
    order = sorted(fields, key=context.data_model_manager[kind].get_field_position)
    return put_together(builder, context.get_value_type(kind), [fields[name] for name in order])
