"""How the LLVM code of a trainer's functions is written: shorter than Numba's, and with hints for its loops.

Numba keeps a variable in memory where more than one block of statements uses it, an array with eleven numbers; counts
who refers to an array; and lets every index be negative, to count from the end.  LLVM takes most of this out again.
The functions of a trainer allocate nothing, and none of their indices is negative.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

# Turns of a loop that LLVM makes SIMD instructions of; a shorter one it may write out instead.
LONG = 8


def lowering():
    """The class that writes the code of one function."""
    from llvmlite.ir import IntType
    from llvmlite.ir.values import MDValue
    from numba.core import cgutils, ir, types
    from numba.core.analysis import compute_cfg_from_blocks, compute_use_defs
    from numba.core.lowering import Lower
    from numba.np import arrayobj

    def operation(value):
        return value.op if isinstance(value, ir.Expr) else ""

    class Lowering(Lower):
        """Code of a function of a trainer."""

        def setup_function(self, fndesc):
            """Begin the function; what is not to be inlined everywhere is inlined nowhere."""
            super().setup_function(fndesc)
            if not fndesc.inline:
                self.function.attributes.add("noinline")

        def _find_singly_assigned_variable(self):
            """Find the variables that need no memory: set in one place, which every use of them comes after.

            Where no references are counted it need not be told that a variable is no longer used.
            """
            super()._find_singly_assigned_variable()
            blocks, places, self.values = self.func_ir.blocks, {}, {}
            self.labels = {id(block): label for label, block in blocks.items()}
            for label, block in blocks.items():
                for statement in block.find_insts(ir.Assign):
                    places.setdefault(statement.target.name, []).append(label)
                    self.values[statement.target.name] = statement.value
            graph = compute_cfg_from_blocks(blocks)
            self.rows = self.rows_of(list(graph.loops().values())) if self.fndesc.noalias else {}
            if self.context.enable_nrt:
                return
            for block in blocks.values():
                block.body = [statement for statement in block.body if not isinstance(statement, ir.Del)]
            before, read = graph.dominators(), compute_use_defs(blocks).usemap.items()
            early = {name for label, names in read for name in names if not before[label].issuperset(places[name])}
            self._singly_assigned_vars |= {name for name, found in places.items() if len(found) == 1} - early

        # elements of arrays

        def element(self, array, index):
            """Type and place of an element of an array; nothing for what is no element, or where bounds are checked."""
            kind, given = self.typeof(array.name), self.typeof(index.name)
            kinds = given.types if isinstance(given, types.BaseTuple) else (given,)
            if not isinstance(kind, types.Array) or len(kinds) != kind.ndim or self.context.enable_boundscheck:
                return None
            if not all(isinstance(k, types.Integer) for k in kinds):
                return None
            whole, found = self.loadvar(array.name), self.loadvar(index.name)
            found = cgutils.unpack_tuple(self.builder, found) if isinstance(given, types.BaseTuple) else [found]
            numbers = [self.context.cast(self.builder, n, k, types.intp) for n, k in zip(found, kinds, strict=True)]
            field = self.context.data_model_manager[kind].get_field_position
            data = self.builder.extract_value(whole, field("data"))
            sizes = self.builder.extract_value(whole, field("strides" if kind.layout == "A" else "shape"))
            sizes = cgutils.unpack_tuple(self.builder, sizes)
            place = cgutils.get_item_pointer2(self.context, self.builder, data, sizes, sizes, kind.layout, numbers)
            return kind, place

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

        def rows_of(self, loops):
            """The blocks of every innermost loop along a long row of elements, by its head.

            Only of arrays that share no memory does LLVM make SIMD instructions without looking whether they do.
            """
            inner = [one for one in loops if not any(two.header in one.body for two in loops if two is not one)]
            return {loop.header: loop.body for loop in inner if self.is_row(loop)}

        def is_row(self, loop):
            """Whether a loop has many turns, and what it reads and writes lies side by side: its index is the last."""
            turns, counters = 0, set()
            for statement in (s for label in sorted(loop.body) for s in self.func_ir.blocks[label].body):
                value = statement.value if isinstance(statement, ir.Assign) else None
                index = statement.index if isinstance(statement, ir.SetItem) else None
                match operation(value):
                    case "iternext":
                        turns, counters = self.turns(value.value), {statement.target.name}
                    case "getitem":
                        index = value.index
                source = value.value if operation(value) == "pair_first" else value
                if isinstance(source, ir.Var) and source.name in counters:
                    counters.add(statement.target.name)
                made = self.values.get(index.name) if index else None
                if operation(made) == "build_tuple" and counters & {item.name for item in made.items[:-1]}:
                    return False
            return turns >= LONG

        def turns(self, found):
            """How many numbers an iterator gives, 0 for anything but a range between constants."""
            while isinstance(found, ir.Var) or operation(found) == "getiter":
                found = self.values.get(found.name) if isinstance(found, ir.Var) else found.value
            if operation(found) != "call" or self.typeof(found.func.name).key[0] is not range:
                return 0
            ends = [self.typeof(end.name) for end in found.args]
            constant = all(isinstance(end, types.Literal) for end in ends)
            return len(range(*(end.literal_value for end in ends))) if constant else 0

        def lower_block(self, block):
            self.label = self.labels[id(block)]
            super().lower_block(block)

        def lower_inst(self, statement):
            super().lower_inst(statement)
            if isinstance(statement, ir.Jump) and self.label in self.rows.get(statement.target, ()):
                self.builder.block.terminator.set_metadata("llvm.loop", self.along_row())

        def along_row(self):
            """What tells LLVM to make SIMD instructions of a loop before it writes it out."""
            whole, made = self.module.add_metadata(["llvm.loop.unroll.disable"]), "llvm.loop.vectorize.followup_all"
            done = self.module.add_metadata(["llvm.loop.isvectorized", IntType(32)(1)])
            node = MDValue(self.module, (), str(len(self.module.metadata)))
            node.operands = (node, whole, self.module.add_metadata([made, done]))  # LLVM wants the node itself first
            return node

    return Lowering
