"""How the LLVM code of a trainer's functions is written: shorter than Numba's, and with hints for its loops.

Numba keeps a variable in memory where more than one block of statements uses it, an array with eleven numbers; counts
who refers to an array; lets every index be negative, to count from the end; and writes a hundred instructions for a
loop over a range.  LLVM takes most of this out again.  The functions of a trainer allocate nothing, none of their
indices is negative, and no expression in them changes a variable.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

from collections import Counter

from templates.trainer.arrays import Builder, field

# Turns of a loop that LLVM makes SIMD instructions of; a shorter one it may write out instead.
LONG = 8
# Loops of a function, of which it may not write out those around others, but for loops of a few turns.
MANY, FEW = 16, 4
AS_IT_IS = ["llvm.loop.unroll.disable"]


def lowering():
    """The class that writes the code of one function."""
    from llvmlite.ir import IntType
    from llvmlite.ir.values import MDValue
    from numba.core import cgutils, ir, types
    from numba.core.analysis import compute_cfg_from_blocks, compute_use_defs
    from numba.core.lowering import Lower
    from numba.np import arrayobj

    PLAIN = {"add", "sub", "mul"}

    def operation(value):
        return value.op if isinstance(value, ir.Expr) else ""

    class Lowering(Lower):
        """Code of a function of a trainer."""

        def setup_function(self, fndesc):
            """Begin the function; what is not to be inlined everywhere is inlined nowhere."""
            super().setup_function(fndesc)
            self.builder = Builder(self.entry_block)
            if not fndesc.inline:
                self.function.attributes.add("noinline")

        def _find_singly_assigned_variable(self):
            """Find the variables that need no memory: set in one place, which every use of them comes after."""
            blocks, places, self.values, self._blk_local_varmap = self.func_ir.blocks, {}, {}, {}
            self.labels = {id(block): label for label, block in blocks.items()}
            for label, block in blocks.items():
                for statement in block.find_insts(ir.Assign):
                    places.setdefault(statement.target.name, []).append(label)
                    self.values[statement.target.name] = statement.value
            graph = compute_cfg_from_blocks(blocks)
            self.find_loops(list(graph.loops().values()))
            before, read = graph.dominators(), compute_use_defs(blocks).usemap.items()
            early = {name for label, names in read for name in names if not before[label].issuperset(places[name])}
            self._singly_assigned_vars = {name for name, found in places.items() if len(found) == 1} - early
            self.unwritten, self.ranges, self.counters, self.turned = self.indices(), {}, {}, {}
            for statement in (s for block in blocks.values() for s in block.find_insts(ir.Assign)):
                if operation(statement.value) == "iternext":
                    self.find_range(statement)

        # statements

        def lower_inst(self, statement):
            if not isinstance(statement, ir.Assign):
                super().lower_inst(statement)
            elif statement.target.name not in self.unwritten:
                self.lower_assignment(statement)
            if isinstance(statement, ir.Jump):
                if self.label in self.rows.get(statement.target, ()):
                    self.builder.block.terminator.set_metadata("llvm.loop", self.along_row())
                elif self.label in self.around.get(statement.target, ()):
                    self.builder.block.terminator.set_metadata("llvm.loop", self.hint(AS_IT_IS))

        def lower_assignment(self, statement):
            name, value = statement.target.name, statement.value
            match operation(value):
                case "getiter" if name in self.ranges:
                    self.begin(name)
                case "iternext" if name in self.counters:
                    self.turned[name] = self.turn(self.counters[name])
                case "pair_first" | "pair_second" as part if value.value.name in self.turned:
                    number = self.turned[value.value.name][part == "pair_second"]
                    kind = types.intp if part == "pair_first" else types.boolean
                    self.storevar(self.context.cast(self.builder, number, kind, self.typeof(name)), name)
                case _:
                    self.storevar(self.lower_assign(self.typeof(name), statement), name)

        def storevar(self, value, name, argidx=None):
            """Keep the value of a variable. What its memory held before is of no interest: nothing is counted."""
            if name in self._singly_assigned_vars:
                super().storevar(value, name, argidx)
            else:
                self.builder.store(value, self.getvar(name))

        def lower_binop(self, result, expression, function):
            """Sum, difference and product of numbers of one type, for which Numba would look through its catalogue."""
            sides = expression.lhs.name, expression.rhs.name
            same = all(types.unliteral(self.typeof(side)) == result for side in sides)
            if function.__name__ not in PLAIN or not same or not isinstance(result, (types.Float, types.Integer)):
                return super().lower_binop(result, expression, function)
            values = [self.context.cast(self.builder, self.loadvar(s), self.typeof(s), result) for s in sides]
            letter = "f" if isinstance(result, types.Float) else ""
            return getattr(self.builder, letter + function.__name__)(*values)

        # loops over a range

        def find_range(self, statement):
            """Note the parts of a loop over a range whose step is a number, which need no iterator in memory."""
            found, between = statement.value.value, []
            while isinstance(found, ir.Var) and isinstance(self.values.get(found.name), ir.Var):
                between.append(found.name)
                found = self.values[found.name]
            made = self.values.get(found.name)
            called = self.values.get(made.value.name) if operation(made) == "getiter" else None
            if (ends := self.ends(called)) is None or not self._singly_assigned_vars.issuperset([found.name, *between]):
                return
            self.ranges[found.name], self.counters[statement.target.name] = ends, found.name
            self.unwritten |= {made.value.name, *between}

        def ends(self, called):
            """First and last number of a range, whose step is a number, and that; nothing for any other call."""
            if not self.is_range(called) or called.kws:
                return None
            kinds = [types.unliteral(self.typeof(n.name)) for n in called.args]
            step = self.typeof(called.args[2].name) if len(called.args) == 3 else types.literal(1)
            if not isinstance(step, types.IntegerLiteral) or not step.literal_value or not all(k.signed for k in kinds):
                return None
            start, stop = (None, *called.args) if len(called.args) == 1 else called.args[:2]
            return start, stop, step.literal_value

        def is_range(self, value):
            return operation(value) == "call" and self.typeof(value.func.name).key[0] is range

        def begin(self, name):
            """Set the counter of a loop to its first number."""
            start, stop, step = self.ranges[name]
            first, last = (
                self.context.cast(self.builder, self.loadvar(end.name), self.typeof(end.name), types.intp)
                if end
                else self.context.get_constant(types.intp, 0)
                for end in (start, stop)
            )
            place = cgutils.alloca_once(self.builder, first.type)
            self.builder.store(first, place)
            self.ranges[name] = place, last, step

        def turn(self, name):
            """The number of a turn, and whether there is one."""
            place, last, step = self.ranges[name]
            number = self.builder.load(place)
            self.builder.store(self.builder.add(number, number.type(step), flags=["nsw"]), place)
            return number, self.builder.icmp_signed("<" if step > 0 else ">", number, last)

        # elements of arrays

        def indices(self):
            """The variables that hold several indices of an element, which are read one by one."""
            readers, elements = Counter(), Counter()
            for statement in (s for block in self.func_ir.blocks.values() for s in block.body):
                readers.update(v.name for v in statement.list_vars())
                value = statement.value if isinstance(statement, ir.Assign) else statement
                if operation(value) == "getitem" or isinstance(value, ir.SetItem):
                    array = value.target if isinstance(value, ir.SetItem) else value.value
                    elements[value.index.name] += self.is_element(array, value.index)
            tuples = {name for name, value in self.values.items() if operation(value) == "build_tuple"}
            return {name for name in tuples if readers[name] == elements[name] + 1}

        def is_element(self, array, index):
            """Whether an index gives one element of an array, and bounds are not checked."""
            kind, given = self.typeof(array.name), self.typeof(index.name)
            kinds = given.types if isinstance(given, types.BaseTuple) else (given,)
            if not isinstance(kind, types.Array) or len(kinds) != kind.ndim or self.context.enable_boundscheck:
                return False
            return all(isinstance(k, types.Integer) for k in kinds)

        def element(self, array, index):
            """Type and place of an element of an array; nothing for what is no element, or where bounds are checked."""
            if not self.is_element(array, index):
                return None
            builder, kind, given = self.builder, self.typeof(array.name), self.typeof(index.name)
            if index.name in self.unwritten:
                found = [(self.loadvar(n.name), self.typeof(n.name)) for n in self.values[index.name].items]
            elif isinstance(given, types.BaseTuple):
                found = list(zip(cgutils.unpack_tuple(builder, self.loadvar(index.name)), given.types, strict=True))
            else:
                found = [(self.loadvar(index.name), given)]
            numbers = [self.context.cast(builder, n, k, types.intp) for n, k in found]
            given = self.context, builder, kind, self.loadvar(array.name)
            data = field(*given, "data")
            if kind.layout != "C":
                sizes = [field(*given, "shape" if kind.layout == "F" else "strides", d) for d in range(kind.ndim)]
                return kind, cgutils.get_item_pointer2(*given[:2], data, sizes, sizes, kind.layout, numbers)
            offset = numbers[0]
            for d, number in enumerate(numbers[1:], 1):
                offset = builder.add(builder.mul(offset, field(*given, "shape", d)), number)
            return kind, builder.gep(data, [offset])

        def lower_getitem(self, result, expression, value, index, signature):
            if (found := self.element(value, index)) is None:
                return super().lower_getitem(result, expression, value, index, signature)
            kind, place = found
            loaded = arrayobj.load_item(self.context, self.builder, kind, place)
            return self.context.cast(self.builder, loaded, kind.dtype, result)

        def lower_setitem(self, target, index, value, signature):
            if (found := self.element(target, index)) is None:
                return super().lower_setitem(target, index, value, signature)
            kind, place = found
            number = self.context.cast(self.builder, self.loadvar(value.name), self.typeof(value.name), kind.dtype)
            return arrayobj.store_item(self.context, self.builder, kind, number, place)

        # loops

        def find_loops(self, loops):
            """Note the loops that LLVM is told something about: their blocks, by their heads.

            Rows are innermost loops along many elements, where no two arrays share memory: of those alone does LLVM
            make SIMD instructions without looking whether they do.  A loop around rows it would write out first, for
            as many more rows to look at; where there are MANY that takes too long.
            """
            inside = {one.header: [two for two in loops if two is not one and two.header in one.body] for one in loops}
            turns = {loop.header: self.turns_of(loop) for loop in loops}
            inner = [loop for loop in loops if not inside[loop.header]]
            rows = [loop for loop in inner if self.fndesc.noalias and turns[loop.header] >= LONG and self.is_row(loop)]
            short = {loop.header for loop in inner if 0 < turns[loop.header] < LONG}
            outer = [loop for loop in loops if inside[loop.header] and not short & loop.body]
            around = [loop for loop in outer if not 0 < turns[loop.header] <= FEW] if len(inner) > MANY else []
            self.rows, self.around = ({loop.header: loop.body for loop in some} for some in (rows, around))

        def turns_of(self, loop):
            """How many turns a loop has, 0 where that is not known."""
            made = (s.value for s in self.func_ir.blocks[loop.header].find_insts(ir.Assign))
            return next((self.turns(value.value) for value in made if operation(value) == "iternext"), 0)

        def is_row(self, loop):
            """Whether what a loop reads and writes lies side by side: its index is the last."""
            counters = set()
            for statement in (s for label in sorted(loop.body) for s in self.func_ir.blocks[label].body):
                value = statement.value if isinstance(statement, ir.Assign) else None
                index = statement.index if isinstance(statement, ir.SetItem) else None
                match operation(value):
                    case "iternext":
                        counters = {statement.target.name}
                    case "getitem":
                        index = value.index
                source = value.value if operation(value) == "pair_first" else value
                if isinstance(source, ir.Var) and source.name in counters:
                    counters.add(statement.target.name)
                made = self.values.get(index.name) if index else None
                if operation(made) == "build_tuple" and counters & {item.name for item in made.items[:-1]}:
                    return False
            return True

        def turns(self, found):
            """How many numbers an iterator gives, 0 for anything but a range between constants."""
            while isinstance(found, ir.Var) or operation(found) == "getiter":
                found = self.values.get(found.name) if isinstance(found, ir.Var) else found.value
            if not self.is_range(found):
                return 0
            ends = [self.typeof(end.name) for end in found.args]
            constant = all(isinstance(end, types.Literal) for end in ends)
            return len(range(*(end.literal_value for end in ends))) if constant else 0

        def lower_block(self, block):
            self.label = self.labels[id(block)]
            super().lower_block(block)

        def along_row(self):
            """What tells LLVM to make SIMD instructions of a loop before it writes it out."""
            made, done = "llvm.loop.vectorize.followup_all", ["llvm.loop.isvectorized", IntType(32)(1)]
            return self.hint(AS_IT_IS, [made, self.module.add_metadata(done)])

        def hint(self, *properties):
            """What LLVM is told of a loop."""
            node = MDValue(self.module, (), str(len(self.module.metadata)))
            # LLVM wants the node itself first
            node.operands = (node, *(self.module.add_metadata(one) for one in properties))
            return node

    return Lowering
