"""The matrix form of one sample in NumPy; the vectors of a sequence lie one after the other."""

from __future__ import annotations

from codegen.formats.arraycells import ArrayCell
from codegen.formats.celltext import indented
from derive.expressions import Access, index_symbols
from derive.formtree import Letter
from derive.network import Equation, Scan
from derive.vectorform import VectorForms


class VectorCell(ArrayCell):
    """The source of one cell."""

    forms: VectorForms

    def _begin(self) -> list[str]:
        return [self._zeros(n) for n in self.made if n in self.forms.sequences and n not in self.partly]

    def _zeros(self, name: str) -> str:
        shape = self.tensors[name].shape
        if self._is_vector(name):
            shape = (*shape[:-1], 1, shape[-1]) if self.forms.rows else (*shape, 1)
        return f"{self.cells.names.array(name)} = np.zeros({shape})"

    def _step(self, step: Equation | Scan) -> list[str]:
        if isinstance(step, Scan):
            lines = super()._step(step)
            span = f"range({step.first - 1}, {step.last})"
            span = f"reversed({span})" if step.backward else span
            return [f"for {self.cells.names.index(step.index)} in {span}:", *indented(lines)] if lines else []
        if id(step) not in self.found:
            return []
        letter = self._left(step)
        times = index_symbols(letter.time) if letter.time is not None else ()
        spans = [(self.cells.names.index(t), step.ranges[t]) for t in times]
        heads = [f"for {name} in range({first - 1}, {last}):" for name, (first, last) in spans]
        return [*heads, *indented(self._statement(step))] if times else self._statement(step)

    # letters

    def _left(self, eq: Equation) -> Letter:
        letter, _ = self.forms.letter(eq.lhs)
        return letter

    def _is_vector(self, tensor: str) -> bool:
        return len(self.tensors[tensor].shape) - (tensor in self.forms.sequences) == 1

    def _is_scalar(self, tensor: str) -> bool:
        return len(self.tensors[tensor].shape) == (tensor in self.forms.sequences)

    def _placed(self, letter: Letter) -> str:
        """An array, or of a sequence what is there at one time."""
        name = super()._placed(letter)
        if letter.time is None:
            return name
        return f"{name}[{self.cells.arrays.position(letter.time, self.tensors[letter.tensor].start(0))}]"

    def _element(self, element: Access) -> str:
        tensor = self.tensors[element.tensor]
        places = [self.cells.arrays.position(i, tensor.start(d)) for d, i in enumerate(element.indices)]
        if self._is_vector(element.tensor):
            places.insert(len(places) - self.forms.rows, "0")
        return self.cells.names.array(element.tensor) + (f"[{', '.join(places)}]" if places else "")

    def _given(self, tensor: str) -> str:
        known = self._known(tensor)
        if self._is_vector(tensor):
            return f"{self.standing}({known})"
        return f"np.array({known})" if known.startswith("[") or tensor in self.partly & set(self.made) else known
