"""What is for double precision alone, left out of functions that are compiled for single precision, and the reverse.

The formulas of a trainer have branches ``… if double else …``.  LLVM would leave out what is not taken, but only after
Numba has found types for all of it, compiled the functions that it calls and written its code.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

from collections import Counter


def pruning():
    """The compiler's pass that decides the branches of a function before its types are looked for."""
    from numba.core import ir, types
    from numba.core.compiler_machinery import register_pass
    from numba.core.ir_utils import get_definition, guard, simplify_CFG
    from numba.core.untyped_passes import DeadBranchPrune

    def read(statement):
        """The names of the variables that a statement reads."""
        found = statement.value if isinstance(statement, ir.Assign) else statement
        if isinstance(found, ir.Var):
            return [found.name]
        return [variable.name for variable in found.list_vars()] if isinstance(found, (ir.Expr, ir.Stmt)) else []

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Pruning(DeadBranchPrune):
        """Numba's own pass, which leaves out branches that constants decide, with one constant more."""

        _name = "pruning"

        def run_pass(self, state):
            found, decided = state.func_ir, False
            for block in found.blocks.values():
                for statement in block.find_insts(ir.Assign):
                    double = guard(self.is_double, state, statement.value)
                    if double is not None:
                        statement.value = ir.Const(double, statement.loc)
                        found._definitions[statement.target.name] = [statement.value]
                        decided = True
            super().run_pass(state)
            if decided:  # the first time in a function that asks; Numba runs this pass three times
                self.leave_out(found.blocks)
                found.blocks = simplify_CFG(found.blocks)
            return True

        def is_double(self, state, value):
            """What ``is_double(real)`` will be, where ``real`` is the type of the numbers of an argument."""
            if not isinstance(value, ir.Expr) or value.op != "call":
                return None
            called = get_definition(state.func_ir, value.func)
            if not isinstance(called, (ir.Global, ir.FreeVar)) or called.name != "is_double":
                return None
            found = get_definition(state.func_ir, value.args[0])
            while isinstance(found, ir.Expr) and found.op in ("getattr", "getitem", "static_getitem"):
                found = get_definition(state.func_ir, found.value)
            kind = state.args[found.index] if isinstance(found, ir.Arg) else None
            while isinstance(kind, (types.BaseTuple, types.Array)):
                kind = kind.dtype if isinstance(kind, types.Array) else kind[0]
            return None if kind is None else kind == types.float64

        def leave_out(self, blocks):
            """Leave out values that nothing reads any more, and what was made for them alone.

            A value that has a name is wanted for itself: whatever makes it has no other effect.
            """
            readers = Counter(name for block in blocks.values() for s in block.body for name in read(s))
            made = (s.target.name for block in blocks.values() for s in block.find_insts(ir.Assign))
            unread = {name for name in made if not readers[name] and not name.startswith("$")}
            while unread:
                released = []
                for block in blocks.values():
                    gone = [s for s in block.find_insts(ir.Assign) if s.target.name in unread]
                    released += [name for statement in gone for name in read(statement)]
                    block.body = [s for s in block.body if not isinstance(s, ir.Assign) or s.target.name not in unread]
                readers.subtract(released)
                unread = {name for name in released if not readers[name]}

    return Pruning
