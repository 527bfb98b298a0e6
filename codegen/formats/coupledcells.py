"""The matrices of a batch in NumPy where its samples are an index of the equations."""

from __future__ import annotations

from collections.abc import Mapping, Set

from codegen.formats.arraycells import ArrayCell, turned
from codegen.formats.batchcells import agreements
from derive.batchform import BatchForms
from derive.expressions import Access
from derive.formtree import Ones, nodes
from derive.formvalue import Matrix
from derive.gradient import adjoint_name


class CoupledCell(ArrayCell):
    """The source of one cell."""

    forms: BatchForms

    def _begin(self) -> list[str]:
        """The column that has a 1 for every sample."""
        assert self.forms.coupling is not None
        forms = self.found.values()
        if not any(isinstance(node, Ones) and node.extent is None for form in forms for node in nodes(form)):
            return []
        return [f"{self.cells.names.fresh('ones')} = np.ones((int({self._element(self.forms.coupling.count)}), 1))"]

    def _ones(self, extent: int | None, turned: bool) -> str:
        return self.cells.names.fresh("ones") + ".T" * turned if extent is None else super()._ones(extent, turned)

    def numbers(self, tables: Mapping[str, Matrix], opposite: Set[str], slopes: Mapping[str, Matrix]) -> str:
        """The numbers of matrices as printed, ``opposite`` ones with the other sign, and of derivatives by weights."""
        lines, printed = [], self.cells.names.fresh("printed")
        for name, table in {**tables, **{adjoint_name(weight): table for weight, table in slopes.items()}}.items():
            flipped = name.removeprefix("∂") in self.forms.flipped
            lines.append(f"{printed} = {self._elements(name) if flipped else self._given(name)}")
            lines += agreements(self.cells, f"{'-' * (name in opposite)}{printed}", table)
        return "\n".join(lines)

    def _is_scalar(self, tensor: str) -> bool:
        return not self.forms.sampled(tensor) and not self.tensors[tensor].shape

    def _element(self, element: Access) -> str:
        return self.cells.names.array(element.tensor)

    def _given(self, tensor: str) -> str:
        known, shape = self._known(tensor), self.forms.shape(tensor)
        if self.forms.sampled(tensor) and not shape:
            return f"np.reshape({known}, {'(-1, 1)' if self.forms.rows else '(1, -1)'})"
        if self.forms.sampled(tensor) and not self.forms.rows:
            return turned(known)
        if len(shape) == 1 and not self.forms.sampled(tensor):
            return f"{self.standing}({known})"
        return f"np.array({known})" if known.startswith("[") else known

    def _elements(self, tensor: str) -> str:
        lies = self.forms.sampled(tensor) and self.forms.shape(tensor) and not self.forms.rows
        return turned(self._known(tensor)) if lies else super()._elements(tensor)
