"""How Numba compiles the functions of a trainer: its own compiler without the work that would be done in vain.

Numba compiles every function as if Python called it: LLVM optimises it twice together with all that it calls, and makes
machine code of it.  Most functions of a trainer are only ever parts of others, where all of this is done again.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

import gc
import importlib.util
import sys
from importlib.machinery import PathFinder
from typing import ClassVar

from numba import version_info
from numba.core.compiler import Compiler

from templates.trainer.lowering import lowering
from templates.trainer.pruning import pruning


def linear_algebra():
    """Import what Numba needs of ``scipy.linalg``, its BLAS, and let the rest, up to half a second, wait for a use."""
    package = importlib.util.find_spec("scipy") and importlib.util.find_spec("scipy.linalg")
    if package is None or package.name in sys.modules:
        return
    name = "scipy.linalg.cython_blas"
    found = PathFinder.find_spec(name, package.submodule_search_locations)
    if found is None:
        return
    blas = importlib.util.module_from_spec(found)
    found.loader.exec_module(blas)
    package.loader = importlib.util.LazyLoader(package.loader)
    whole = importlib.util.module_from_spec(package)
    whole.cython_blas = blas
    sys.modules |= {package.name: whole, name: blas}
    package.loader.exec_module(whole)


linear_algebra()

# The newest Numba for which the compilers below are written; a newer one compiles in its own way, which takes longer.
NEWEST = (0, 68)
# Passes for what no kernel has: variables that change their type, arrays to be freed after their last use, nested
# functions and lists in brackets, with statements, errors raised with values, arithmetic of whole arrays, tuples of
# several types in a loop; then what is checked and noted down for reports.
WITHOUT = {
    *("ReconstructSSA", "PreLowerStripPhis", "IRLegalization"),
    *("WithLifting", "InlineClosureLikes", "RewriteDynamicRaises", "MakeFunctionToJitFunction", "NopythonRewrites"),
    *("FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass"),
    *("NoPythonSupportedFeatureValidation", "AnnotateTypes", "DumpParforDiagnostics"),
}


def compilers():
    """Compilers for kernels, which Python calls, for parts, which only kernels call, for loops, for what is inlined."""
    from llvmlite import binding
    from numba import _dynfunc, types
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder, Flags
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering
    from numba.core.typing import Context
    from numba.core.untyped_passes import DeadBranchPrune

    Pruning = pruning()

    class Options(Flags):
        """Options of the compiler that are told apart by those that are set, instead of by all that there are.

        Numba looks for them with every operation that it finds the types of.
        """

        def __hash__(self):
            return len(self._values)

        def __eq__(self, other):
            return self._values == other._values if isinstance(other, Options) else super().__eq__(other)

    class Catalogue(Context):
        """The functions that Numba knows, with the answers that it gave: it asks at least twice for every operation."""

        answers: ClassVar = {}

        def resolve_function_type(self, func, args, kws):
            """The signature of a function for arguments of these types."""
            if kws or not isinstance(func, types.Type):
                return super().resolve_function_type(func, args, kws)
            answer = self.answers.get((func, args)) or super().resolve_function_type(func, args, kws)
            if answer is not None:
                self.answers[func, args] = answer
            return answer

    class KernelLibrary(JITCodeLibrary):
        """The code of a kernel, optimised once, together with all that it calls."""

        def add_ir_module(self, module):
            """Add a function, or the one that Python calls, which reads the arguments: LLVM leaves that as it is."""
            for function in module.functions:
                if function.name.startswith("_ZN7cpython") and not function.is_declaration:
                    function.attributes.add("noinline")
                    function.attributes.add("optnone")
            super().add_ir_module(module)

        def _optimize_functions(self, module):
            pass

        def _optimize_final_module(self):
            # Of a function that nothing outside can call LLVM drops arguments that are never used, most of an array's.
            for function in self._final_module.functions:
                if function.linkage == binding.Linkage.linkonce_odr:
                    function.linkage = "internal"
            made = self._codegen._module_pass_manager(loop_vectorize=True, slp_vectorize=False, cost="cheap")
            passes, *builder = made if isinstance(made, tuple) else (made,)  # older versions of Numba need no builder
            passes.run(self._final_module, *builder)

    class PartLibrary(KernelLibrary):
        """The code of a part: LLVM optimises it together with the kernel, and no machine code is made of it alone."""

        def _optimize_final_module(self):
            pass

        def _finalize_final_module(self):
            self._finalized = True

    class InlinedLibrary(PartLibrary):
        """The code of a part that is inlined: LLVM optimises it before, once for all places where it is called."""

        def _optimize_final_module(self):
            KernelLibrary._optimize_final_module(self)

    @register_pass(mutates_CFG=True, analysis_only=False)
    class KernelLowering(NativeLowering):
        """Lowering without counts of references: arrays that are given live long enough, and none is returned."""

        _name, lowering_class, library_class = "kernel_lowering", lowering(), KernelLibrary

        def run_pass(self, state):
            counting = state.targetctx
            state.library = self.library_class(counting.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            state.targetctx = counting.subtarget(enable_nrt=False)
            try:
                return super().run_pass(state)
            finally:
                state.targetctx = counting

    @register_pass(mutates_CFG=True, analysis_only=False)
    class PartLowering(KernelLowering):
        """Lowering of a part. What Python would call is a function of C that raises a TypeError for all it is given."""

        _name, library_class = "part_lowering", PartLibrary

        def run_pass(self, state):
            state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
            super().run_pass(state)
            found, name, kept = state["cr"], state.func_id.func_name, (state.library,)
            raising = binding.address_of_symbol("PyErr_BadArgument")
            called = _dynfunc.make_function(found.fndesc.lookup_module(), name, "", raising, found.env, kept)
            state.targetctx.insert_user_function(called, found.fndesc, kept)
            state["cr"] = found._replace(cfunc=called)
            return True

    @register_pass(mutates_CFG=True, analysis_only=False)
    class LoopLowering(PartLowering):
        """Lowering of a part with loops that LLVM makes SIMD instructions of."""

        _name = "loop_lowering"

        def run_pass(self, state):
            state.flags.noalias = True
            return super().run_pass(state)

    @register_pass(mutates_CFG=True, analysis_only=False)
    class InlinedLowering(PartLowering):
        """Lowering of a part that is inlined."""

        _name, library_class = "inlined_lowering", InlinedLibrary

    class KernelCompiler(CompilerBase):
        """For kernels, which Python calls."""

        lowering = KernelLowering

        def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
            catalogue = Catalogue.__new__(Catalogue)
            catalogue.__dict__ = typingctx.__dict__  # the same, not another
            super().__init__(catalogue, targetctx, library, args, return_type, Options(flags), locals)

        def compile_extra(self, function):
            """Compile without the garbage collector, which would look again and again at all that is being made."""
            collects = gc.isenabled()
            gc.disable()
            try:
                return super().compile_extra(function)
            finally:
                if collects:
                    if not gc.get_freeze_count():  # what was made counts as old, or would be looked through at once
                        gc.freeze()
                        gc.unfreeze()
                    gc.enable()

        def define_pipelines(self):
            own = {DeadBranchPrune: Pruning, NativeLowering: self.lowering}
            pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
            pipeline.passes = [(own.get(p, p), text) for p, text in pipeline.passes if p.__name__ not in WITHOUT]
            pipeline.finalize()
            return [pipeline]

    class PartCompiler(KernelCompiler):
        """For functions that only kernels call."""

        lowering = PartLowering

    class LoopCompiler(KernelCompiler):
        """For parts that are loops over arrays of which no two share memory, unless nothing is written to them."""

        lowering = LoopLowering

    class InlinedCompiler(KernelCompiler):
        """For parts that are inlined wherever they are called."""

        lowering = InlinedLowering

    return KernelCompiler, PartCompiler, LoopCompiler, InlinedCompiler


OWN = version_info.short <= NEWEST
KernelCompiler, PartCompiler, LoopCompiler, InlinedCompiler = compilers() if OWN else [Compiler] * 4
