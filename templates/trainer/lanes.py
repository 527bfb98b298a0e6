"""Vector code for a block of samples: data brought into lanes, and sums of products kept in registers.

``codegen.trainer.module`` copies the first part into modules that train blocks of samples, and what follows from
``contraction`` on into those whose kernels need it.
"""

import contextlib
import itertools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from templates.trainer.arrays import call, field

LANES, TILE = 16, 16  # samples in a register, and sums in registers at a time
LEAST_WIDE = 8  # columns; with fewer, most lanes that they are brought into would do nothing


def shuffled(builder, one, two, places):
    """The elements at ``places`` of two vectors, of which the second goes on where the first ends."""
    return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))


def transposed(builder, vectors):
    """Square matrices side by side, their rows in the vectors, with rows and columns exchanged: halves, quarters, …"""
    vectors, step = list(vectors), len(vectors) // 2
    while step:
        for i in (i for i in range(len(vectors)) if not i & step):
            one, two = vectors[i], vectors[i + step]
            first = [LANES + p - step if p & step else p for p in range(LANES)]
            second = [LANES + p if p & step else p + step for p in range(LANES)]
            vectors[i], vectors[i + step] = shuffled(builder, one, two, first), shuffled(builder, one, two, second)
        step //= 2
    return vectors


@intrinsic(prefer_literal=True)
def into_lanes(typing, lanes, target, source, rows, size):
    """Copy ``rows`` of ``source``, of ``size`` numbers each, into one lane each of ``target``.

    They are read as vectors of up to LANES numbers, and these transposed.
    """
    if not isinstance(size, types.Literal):
        return None

    def emit(context, builder, signature, arguments):
        number, real = ir.IntType(64), context.get_data_type(target.dtype)
        data = [
            field(context, builder, kind, array, "data")
            for kind, array in zip((target, source, rows), arguments[1:4], strict=True)
        ]
        align = real.get_abi_size(context.target_data)

        def brought(first, wide, v):
            """The columns from ``first`` on, ``wide`` of them, for the samples in vector ``v``."""
            found = []
            for n in range(LANES):
                row = builder.load(builder.gep(data[2], [number(v * LANES + n)]))
                begin = builder.add(builder.mul(row, number(size.literal_value)), first)
                place = builder.bitcast(builder.gep(data[1], [begin]), ir.VectorType(real, wide).as_pointer())
                found.append(builder.load(place, align=align))
            parts = [found[n::wide] for n in range(wide)]
            for n, vector in enumerate(transposed(builder, [joined(part) for part in parts])):
                begin = builder.mul(builder.add(first, number(n)), number(lanes.count * LANES))
                place = builder.gep(data[0], [builder.add(begin, number(v * LANES))])
                builder.store(vector, builder.bitcast(place, vector.type.as_pointer()), align=align)

        def joined(parts):
            """Vectors one after the other, as one."""
            while len(parts) > 1:
                every = list(range(2 * parts[0].type.count))
                parts = [shuffled(builder, one, two, every) for one, two in zip(parts[::2], parts[1::2], strict=True)]
            return parts[0]

        begin, wide = 0, LANES
        while wide:
            count = (size.literal_value - begin) // wide
            if count:
                with cgutils.for_range(builder, number(count)) as loop:
                    first = builder.add(builder.mul(loop.index, number(wide)), number(begin))
                    for v in range(lanes.count):
                        brought(first, wide, v)
            begin, wide = begin + count * wide, wide // 2
        return context.get_dummy_value()

    return types.void(lanes, target, source, rows, size), emit


def contraction(rows, columns, over, in_lanes, add):
    """A function for out[r, c] = Σ_k left[r, k] right[c, k], or += with ``add``, for the samples of a block.

    ``rows`` and ``columns`` are (extent, step in out, step in left or right); ``over`` has (extent, step in left, step
    in right) for every index that is summed over.  ``in_lanes`` says whether out and left have a value for each sample;
    right always has.  Where out has not, the sum is taken over the samples as well, those that are ``present``.  The
    function is called with the arrays, each followed by the number of the element to begin with.
    """

    @intrinsic
    def contract(typing, lanes, out, o, left, a, right, b, present):
        def emit(context, builder, signature, arguments):
            data = [
                field(context, builder, kind, arguments[n], "data")
                for n, kind in ((1, out), (3, left), (5, right), (7, present))
            ]
            begin = [context.cast(builder, arguments[n], signature.args[n], types.intp) for n in (2, 4, 6)]

            def write(inside, *given):
                named = dict(zip(("out", "left", "right", "present"), given[:4], strict=True))
                tiles = _Tiles(inside, context.get_data_type(out.dtype), lanes.count, named, in_lanes, add)
                tiles.all(rows, columns, over, given[4:])

            name = f"contract {rows} {columns} {over} {in_lanes} {add} {lanes.count} {out.dtype}"
            call(builder, name, [*data, *begin], write)  # layers that are alike share it
            return context.get_dummy_value()

        return types.void(lanes, out, o, left, a, right, b, present), emit

    return contract


class _Tiles:
    """Code for all results, a tile of rows and columns at a time, for blocks of ``vectors`` registers of samples.

    A tile of that many rows and columns is a function: the sums of all layers have a few in common, and take as long as
    if each had its own, with its steps as constants.
    """

    def __init__(self, builder, real, vectors, data, in_lanes, add):
        self.builder, self.real, self.vectors, self.data, self.add = builder, real, vectors, data, add
        self.vector = ir.VectorType(real, LANES)
        self.out_in_lanes, self.left_in_lanes = self.in_lanes = in_lanes

    def all(self, rows, columns, over, offsets):
        """Whole tiles in loops, then what is left over at the end of rows and columns."""
        if not self.out_in_lanes and not over and columns[0] >= LEAST_WIDE and columns[1] == 1:
            self.outer(rows, columns, offsets)
            return
        across = self.vectors if self.out_in_lanes else 1
        wide = min(columns[0], max(1, 4 // across))
        high = -(-rows[0] // -(-rows[0] // max(1, TILE // (wide * across))))
        for down, along in itertools.product(_split(rows[0], high), _split(columns[0], wide)):
            with self.loop(down[1]) as i, self.loop(along[1]) as j:
                r, c = self.affine(down[0], (i, down[2])), self.affine(along[0], (j, along[2]))
                places = (
                    self.affine(0, (offsets[0], 1), (r, rows[1]), (c, columns[1])),
                    self.affine(0, (offsets[1], 1), (r, rows[2])),
                    self.affine(0, (offsets[2], 1), (c, columns[2])),
                )
                where = [r * rows[1] + c * columns[1] for r in range(down[2]) for c in range(along[2])]
                together = where == list(range(len(where)))
                numbers = (ir.IntType(64)(n) for n in itertools.chain(rows[1:], columns[1:], *over))
                self.carry_out("tile", (down[2], along[2], together), *places, *numbers)

    def carry_out(self, name, kind, *values):
        """Call a part of the code with these values: a function for any steps, which other sums have in common."""

        def write(inside, *given):
            data = dict(zip(self.data, given, strict=False))
            tiles = _Tiles(inside, self.real, self.vectors, data, self.in_lanes, self.add)
            getattr(tiles, name)(*kind, *given[len(data) :])

        title = f"{name} {kind} {self.in_lanes} {self.add} {self.vectors} {self.real} {len(values)}"
        call(self.builder, title, [*self.data.values(), *values], write)

    def tile(self, high, wide, together, *numbers):
        """The results of ``high`` rows and ``wide`` columns, in registers; ``together`` if they follow each other."""
        places, rows, columns = numbers[:3], numbers[3:5], numbers[5:7]
        over = [numbers[n : n + 3] for n in range(7, len(numbers), 3)]
        across = range(self.vectors) if self.out_in_lanes else (0,)
        results = list(itertools.product(range(high), range(wide), across))
        zero = ir.Constant(self.vector, None)
        sums = {n: cgutils.alloca_once(self.builder, self.vector) for n in results}
        for r, c, v in results:
            starts = self.add and self.out_in_lanes
            place = self.affine(0, (places[0], 1), (rows[0], r), (columns[0], c)) if starts else None
            self.builder.store(self.load("out", place, v) if starts else zero, sums[r, c, v])
        with self.nest(over, places[1:]) as (a, b):
            for v in range(self.vectors):
                at = v if self.out_in_lanes else 0
                rights = [self.load("right", self.affine(0, (b, 1), (columns[1], c)), v) for c in range(wide)]
                for r in range(high):
                    left = self.left(self.affine(0, (a, 1), (rows[1], r)), v)
                    for c in range(wide):
                        product = self.builder.fmul(left, rights[c], flags=("contract",))
                        total = self.builder.load(sums[r, c, at])
                        self.builder.store(self.builder.fadd(total, product, flags=("contract",)), sums[r, c, at])
        if self.out_in_lanes:
            for r, c, v in results:
                place = self.affine(0, (places[0], 1), (rows[0], r), (columns[0], c))
                self.builder.store(self.builder.load(sums[r, c, v]), self.pointer("out", place, v), align=self.align)
        else:
            totals = self.across([self.builder.load(sums[n]) for n in results])
            if together:
                self.put(totals, len(results), places[0])
                return
            for n, (r, c, _) in enumerate(results):
                total = self.builder.extract_element(totals, ir.IntType(32)(n))
                self.put(total, 1, self.affine(0, (places[0], 1), (rows[0], r), (columns[0], c)))

    def outer(self, rows, columns, offsets):
        """Sums over the samples alone: columns are brought into the lanes, so that no lanes are added up."""
        samples = self.vectors * LANES
        turned = cgutils.alloca_once(self.builder, self.vector, size=samples)
        for column, blocks, wide in _split(columns[0], LANES):
            with self.loop(blocks) as block:
                c = self.affine(column, (block, wide))
                place = self.affine(0, (offsets[2], 1), (c, columns[2]))
                self.carry_out("turn", (wide,), place, ir.IntType(64)(columns[2]), turned)
                out = self.affine(0, (offsets[0], 1), (c, columns[1]))
                for row, tiles, high in _split(rows[0], min(rows[0], TILE // 2)):
                    with self.loop(tiles) as tile:
                        r = self.affine(row, (tile, high))
                        places = self.affine(0, (out, 1), (r, rows[1])), self.affine(0, (offsets[1], 1), (r, rows[2]))
                        steps = (ir.IntType(64)(step) for step in rows[1:])
                        self.carry_out("strip", (high, wide), *places, *steps, turned)

    def turn(self, wide, place, step, turned):
        """``wide`` columns brought into the lanes of ``turned``."""
        for v in range(self.vectors):
            places = [self.affine(0, (place, 1), (step, k)) for k in range(wide)]
            found = [self.present(self.load("right", place, v), v) for place in places]
            found += [ir.Constant(self.vector, None)] * (LANES - wide)
            for n, value in enumerate(transposed(self.builder, found)):
                self.builder.store(value, self.builder.gep(turned, [ir.IntType(32)(v * LANES + n)]))

    def strip(self, high, wide, out, begin, down, across, turned):
        """The results of ``high`` rows and ``wide`` columns that have their lanes in ``turned``.

        They begin at the place ``out`` of the result and ``begin`` of the left factor; the steps of a row are ``down``
        and ``across`` there.
        """
        samples = self.vectors * LANES
        sums = [cgutils.alloca_once(self.builder, self.vector) for _ in range(high)]
        for total in sums:
            self.builder.store(ir.Constant(self.vector, None), total)
        with self.loop(samples) as n:
            right = self.builder.load(self.builder.gep(turned, [n]))
            for r, total in enumerate(sums):
                number = self.affine(0, (begin, 1), (across, r))
                number = self.affine(0, (number, samples), (n, 1))
                left = self.splat(self.builder.load(self.builder.gep(self.data["left"], [number])))
                product = self.builder.fmul(left, right, flags=("contract",))
                self.builder.store(self.builder.fadd(self.builder.load(total), product, flags=("contract",)), total)
        for r, total in enumerate(sums):
            self.put(self.builder.load(total), wide, self.affine(0, (out, 1), (down, r)))

    def put(self, values, count, place):
        """A number, or the first ``count`` of a vector, to a place in the result, or added to what is there."""
        where = self.builder.gep(self.data["out"], [place])
        if isinstance(values.type, ir.VectorType):
            values = shuffled(self.builder, values, values, list(range(count))) if count < values.type.count else values
            where = self.builder.bitcast(where, values.type.as_pointer())
        if self.add:
            values = self.builder.fadd(self.builder.load(where, align=self.align), values)
        self.builder.store(values, where, align=self.align)

    def present(self, value, v):
        """The value, 0 for samples that are absent."""
        return self.builder.fmul(value, self.load("present", ir.IntType(64)(0), v))

    def splat(self, number):
        """A number in all lanes."""
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), number, ir.IntType(32)(0))
        return shuffled(self.builder, first, first, [0] * LANES)

    def left(self, place, v):
        """A left factor in all lanes; that of an absent sample counts as 0 in a sum over the samples."""
        if not self.left_in_lanes:
            return self.splat(self.builder.load(self.builder.gep(self.data["left"], [place])))
        value = self.load("left", place, v)
        return value if self.out_in_lanes else self.present(value, v)

    def across(self, vectors):
        """The sum of the lanes of every vector, as the elements of one: halves are added, for two vectors at a time."""
        parts = 1 << (len(vectors) - 1).bit_length()
        vectors, length = vectors + vectors[:1] * (parts - len(vectors)), LANES
        while len(vectors) > 1:
            vectors = [self.folded(one, two, length) for one, two in zip(vectors[::2], vectors[1::2], strict=True)]
            length //= 2
        total = vectors[0]
        while length > 1:
            total, length = self.folded(total, None, length), length // 2
        return total

    def folded(self, one, two, length):
        """Segments of ``length`` numbers folded to half of it; those of ``two`` follow those of ``one``."""
        size = one.type.count * (1 if two is None else 2)
        starts = range(0, size, length)
        halves = [[s + h + k for s in starts for k in range(length // 2)] for h in (0, length // 2)]
        low, high = (shuffled(self.builder, one, one if two is None else two, half) for half in halves)
        return self.builder.fadd(low, high)

    @property
    def align(self):
        return 4 if isinstance(self.real, ir.FloatType) else 8

    def pointer(self, name, place, v):
        """Where the numbers of a quantity for the samples of vector ``v`` begin."""
        number = self.affine(v * LANES, (place, self.vectors * LANES))
        return self.builder.bitcast(self.builder.gep(self.data[name], [number]), self.vector.as_pointer())

    def load(self, name, place, v):
        return self.builder.load(self.pointer(name, place, v), align=self.align)

    def affine(self, constant, *terms):
        """``constant`` plus variables times factors."""
        total = None
        for variable, factor in terms:
            factor = factor.constant if isinstance(factor, ir.Constant) else factor
            if isinstance(variable, ir.Constant) and isinstance(factor, int):
                constant += variable.constant * factor
            elif factor != 0:
                factor = ir.IntType(64)(factor) if isinstance(factor, int) and factor != 1 else factor
                term = variable if factor == 1 else self.builder.mul(variable, factor)
                total = term if total is None else self.builder.add(total, term)
        if total is None or constant:
            number = ir.IntType(64)(constant)
            total = number if total is None else self.builder.add(total, number)
        return total

    @contextlib.contextmanager
    def loop(self, count):
        """A loop, or none for a single turn."""
        count = ir.IntType(64)(count) if isinstance(count, int) else count
        if isinstance(count, ir.Constant) and count.constant == 1:
            yield ir.IntType(64)(0)
        else:
            with cgutils.for_range(self.builder, count) as loop:
                yield loop.index

    @contextlib.contextmanager
    def nest(self, over, places):
        """Loops over the indices that are summed over; the places of left and right inside them."""
        with contextlib.ExitStack() as loops:
            for extent, left, right in over:
                k = loops.enter_context(self.loop(extent))
                places = self.affine(0, (places[0], 1), (k, left)), self.affine(0, (places[1], 1), (k, right))
            yield places


def _split(extent, size):
    """(first, number of tiles, size of a tile): whole tiles, then one that is smaller."""
    rest = extent % size
    return [(0, extent // size, size)] + ([(extent - rest, 1, rest)] if rest else [])
