"""How Numba compiles the functions of a trainer: its own compiler without the work that would be done in vain.

Numba compiles every function as if Python called it: LLVM optimises it twice together with all that it calls, and makes
machine code of it.  Most functions of a trainer are only ever parts of others, where all of this is done again.
``codegen.trainer.module`` copies this into the modules that it writes.
"""

from numba import version_info
from numba.core.compiler import Compiler

# The newest Numba for which the compilers below are written; a newer one compiles in its own way, which takes longer.
NEWEST = (0, 68)
# Passes for what no kernel has: nested functions and lists in brackets, with statements, errors raised with values,
# arithmetic of whole arrays, tuples of several types in a loop; then what is checked and noted down for reports.
# IRLegalization, which notes where a variable is read last, makes kernels faster and stays.
WITHOUT = {
    *("WithLifting", "InlineClosureLikes", "RewriteDynamicRaises", "MakeFunctionToJitFunction", "NopythonRewrites"),
    *("FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass"),
    *("NoPythonSupportedFeatureValidation", "AnnotateTypes", "DumpParforDiagnostics"),
}


def compilers():
    """A compiler for kernels, which Python calls, and one for parts, which only kernels call, or other parts."""
    from llvmlite import binding
    from numba import _dynfunc
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
    from numba.core.compiler_machinery import register_pass
    from numba.core.typed_passes import NativeLowering

    class KernelCompiler(CompilerBase):
        """For kernels, which Python calls."""

        def define_pipelines(self):
            pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
            pipeline.passes = [(self.instead(p), text) for p, text in pipeline.passes if p.__name__ not in WITHOUT]
            pipeline.finalize()
            return [pipeline]

        def instead(self, found):
            """The pass to run in place of one of Numba's."""
            return found

    class PartCompiler(KernelCompiler):
        """For functions that only kernels call, or other parts of them."""

        def instead(self, found):
            return PartLowering if found is NativeLowering else found

    class PartLibrary(JITCodeLibrary):
        """The code of a part, optimised once, so that LLVM makes SIMD instructions of its loops; no machine code."""

        def _optimize_final_module(self):
            made = self._codegen._module_pass_manager(loop_vectorize=True, slp_vectorize=False, cost="cheap")
            passes, *builder = made if isinstance(made, tuple) else (made,)  # older versions of Numba need no builder
            passes.run(self._final_module, *builder)

        def _finalize_final_module(self):
            self._finalized = True

    @register_pass(mutates_CFG=True, analysis_only=False)
    class PartLowering(NativeLowering):
        """Lowering of a part. What Python would call is a function of C that raises a TypeError for all it is given."""

        _name = "part_lowering"

        def run_pass(self, state):
            state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
            state.flags.no_compile = state.flags.no_cpython_wrapper = state.flags.no_cfunc_wrapper = True
            super().run_pass(state)
            found, name, kept = state["cr"], state.func_id.func_name, (state.library,)
            raising = binding.address_of_symbol("PyErr_BadArgument")
            called = _dynfunc.make_function(found.fndesc.lookup_module(), name, "", raising, found.env, kept)
            state.targetctx.insert_user_function(called, found.fndesc, kept)
            state["cr"] = found._replace(cfunc=called)
            return True

    return KernelCompiler, PartCompiler


KernelCompiler, PartCompiler = compilers() if version_info.short <= NEWEST else (Compiler, Compiler)
