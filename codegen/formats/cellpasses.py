"""Cells that compute the loss and its derivatives: element by element in a small network, with arrays in any other."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

from codegen.formats.celldata import Given
from codegen.formats.celltext import indented, list_text, needed, tuple_text
from codegen.formats.numpycode import INDENT, slopes
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.network import Tensor, flatten
from derive.scalars import adjoint
from derive.steps import delta_elements

SHOWN = 24  # elements of an array that is printed


class Passes(Given):
    """The forward pass and the backward one, as lines of a cell and as functions."""

    def forward(self) -> str:
        """The forward pass of the first sample."""
        named = [self.tensors[eq.lhs.tensor] for eq in self.network.flat_equations]
        shown = [t for t in dict.fromkeys(named) if not t.anonymous]
        return "\n".join([*self._forward_lines(), "", *self._shown(shown), f"assert np.isfinite({self._loss})"])

    def _forward_lines(self, new: bool = False) -> list[str]:
        if not self.small:
            return self.arrays.lines(self.network.equations, set())
        return self.elements.lines(self._forward_definitions(), new=self._changed if new else frozenset())

    @property
    def _changed(self) -> frozenset[str]:
        """The tensors that an update changes."""
        return frozenset(t.name for t in self.network.tensors.values() if t.role in ("weight", "value"))

    def _forward_definitions(self) -> dict[Access, sympy.Expr]:
        found = {}
        for eq in self.network.flat_equations:
            tensor = self.tensors[eq.lhs.tensor]
            for element in tensor.elements() if not tensor.anonymous else ():
                form = self.scalars.definition(element)
                if form is not None:
                    found[element] = form
        return found

    def _backward_definitions(self) -> dict[Access, sympy.Expr]:
        """The definitions of all δ and all gradients."""
        found = {}
        for name in self.sweep.deltas:
            for delta in map(adjoint, delta_elements(self.scalars, name)):
                form = self.scalars.definition(delta)
                if form is not None:
                    found[delta] = form
        for element in (e for w in self.weights for e in w.elements()):
            found[adjoint(element)] = self.scalars.gradient(element)
        return found

    def _shown(self, tensors: Iterable[Tensor], new: bool = False) -> list[str]:
        lines = []
        for tensor in tensors:
            if self.small:
                given = tensor.role == "value"
                elements = [e for e in tensor.elements() if not given or self.scalars.definition(e) is not None]
                names = [self.elements.name(e, new) for e in elements]
                lines += [f'print(f"{{{name} = :.6g}}")' for name in names]
            elif not tensor.shape:
                lines.append(f'print(f"{{{self.names.array(tensor.name)} = :.6g}}")')
            else:
                name = self.names.array(tensor.name)
                lines.append(f'print("{name} =", {name if tensor.size <= SHOWN else f"..., {name}.shape"})')
        return [line.replace("..., ", '"an array of shape", ') for line in lines]

    def slopes(self) -> str:
        """The derivatives of the functions, held against central differences beside no kink."""
        lines: list[str] = []
        checks: list[str] = []
        for function in self.functions:
            for name, slope, n, code in slopes(function, self.names, self.used):
                lines += [*code, "", ""]
                count = sum(p not in function.defaults for p in function.parameters)
                z = [f"points + {k}.3" if k else "points" for k in range(count)]
                ends = [", ".join([*z[:n], f"{z[n]} {sign} 1e-5", *z[n + 1 :]]) for sign in "+-"]
                found = f"({name}({ends[0]}) - {name}({ends[1]})) / 2e-5"
                checks.append(f"assert np.allclose({slope}({', '.join(z)}), {found}, atol=1e-6, equal_nan=True)")
        if not lines:
            return ""
        points = "points = np.array([-3.417, -1.919, -0.731, -0.137, 0.137, 0.731, 1.919, 3.417])"
        return "\n".join([*lines, points, *checks])

    def expanded(self, element: Access) -> str:
        """An element down to inputs and weights alone."""
        name, text = self.elements.name(element), self.elements.text(self.scalars.expanded(element))
        return f"assert np.isclose({name}, {text})"

    def layer(self, name: str) -> str:
        """The equations of one derivative with those that they need and that were not carried out before."""
        written = adjoint_name(name)
        if self.small:
            definitions = self._backward_definitions()
            wanted = [e for e in definitions if e.tensor == written]
            lines = self.elements.lines(needed(wanted, definitions), self._known_elements)
            return "\n".join([*lines, "", *(f'print(f"{{{self.elements.name(e)} = :.6g}}")' for e in wanted)])
        last = max(
            (n for n, s in enumerate(self._steps) if any(eq.lhs.tensor == written for eq in flatten([s]))), default=-1
        )
        lines = self.arrays.lines(self._steps[: last + 1], self._known)
        del self._steps[: last + 1]
        return "\n".join([*lines, "", *self._shown([self.tensors[written]])])

    def as_functions(self) -> str:
        """Loss and gradient as functions, which give what the cells above gave."""
        check = [
            f"for one, other in zip(gradient(weights, data), {list_text(self._gradients())}):",
            f"{INDENT}assert np.allclose(one, other)",
        ]
        return "\n".join([self.loss_and_gradient(), "", "", *check])

    def loss_and_gradient(self) -> str:
        """Loss and gradient as functions of weights and data: the same statements once more."""
        start = self._unpacked()
        forward, backward = self._forward_lines(), self._backward_lines()
        found = ["def loss(weights, data):", *indented(start), *indented(forward), f"{INDENT}return {self._loss}"]
        found += ["", "", "def gradient(weights, data):", *indented([*start, *forward, *backward])]
        return "\n".join([*found, f"{INDENT}return {list_text(self._gradients())}"])

    def passes(self, backward: bool) -> list[str]:
        """The forward pass, and the backward one, for ``weights`` and ``data``: lines inside a function of these."""
        return [*self._unpacked(), *self._forward_lines(), *(self._backward_lines() if backward else [])]

    def _unpacked(self) -> list[str]:
        start = [f"{tuple_text(self.variables(self.weights))} = weights"]
        if self.data:
            start.append(f"{tuple_text(self.variables(self.data))} = data")
        return start

    def _backward_lines(self) -> list[str]:
        if not self.small:
            return self.arrays.lines(self.sweep.equations, set())
        forward = self._forward_definitions()
        return self.elements.lines({**forward, **self._backward_definitions()})[len(forward) :]
