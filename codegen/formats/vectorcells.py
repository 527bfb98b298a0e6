"""The matrix form of one sample in NumPy: whole vectors, computed anew and held against their elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codegen.formats.cells import Cells
from codegen.formats.celltext import filled, indented, nested
from codegen.formats.formcode import FormCode
from codegen.formats.numpycode import INDENT
from derive.expressions import Access, accesses, index_symbols
from derive.formtree import Form, Letter, Single, Sum, nodes
from derive.network import Equation, Scan
from derive.vectorform import VectorForms, inlined

LONG = 100  # characters of a sum that has a line for every term


class VectorCell(FormCode):
    """The source of one cell: a function that computes ``equations``, those that the notes show, by their forms.

    Vectors are columns or rows, that is arrays of two dimensions; those of a sequence lie one after the other.
    """

    forms: VectorForms

    def __init__(self, cells: Cells, forms: VectorForms, equations: Sequence[Equation]) -> None:
        super().__init__(cells, forms)
        self.found = {id(eq): form for eq in equations if (form := forms.right(eq)) is not None}
        self.made = list(dict.fromkeys(eq.lhs.tensor for eq in equations if id(eq) in self.found))
        self.steps = [*cells.network.equations, *cells.sweep.equations]
        self.partly = {eq.lhs.tensor for step in self.steps for eq in _equations(step) if id(eq) not in self.found}
        self.name = cells.names.fresh("in_matrices")
        self.standing = cells.names.fresh("row" if forms.rows else "column")

    def source(self) -> str:
        """The function, its call, and what it must agree with."""
        read = {name for form in self.found.values() for name in self._reads(form)}
        given = [n for n in self.tensors if n in read - set(self.made) or n in self.partly.intersection(self.made)]
        lines = [self._zeros(n) for n in self.made if n in self.forms.sequences and n not in self.partly]
        for step in self.steps:
            lines += self._step(step)
        names = self.cells.names
        place = "None, :" if self.forms.rows else "None"
        return "\n".join([
            f"def {self.standing}(a):",
            f"{INDENT}return np.array(a)[..., {place}]",
            "", "",
            *filled(f"def {self.name}(", [names.array(n) for n in given], "):"),
            *indented(lines),
            *indented(filled("return [", [names.array(n) for n in self.made], "]")),
            "", "",
            *filled(f"found = {self.name}(", [self._given(n) for n in given], ")"),
            *filled("elements = [", [self._elements(n) for n in self.made], "]"),
            "for one, other in zip(found, elements, strict=True):",
            f"{INDENT}assert np.allclose(np.ravel(one), np.ravel(other))",
            'print(len(found), "arrays agree with their elements")',
        ])  # fmt: skip

    def _reads(self, form: Form) -> Iterator[str]:
        """The tensors that a form is made of."""
        for node in nodes(form):
            if isinstance(node, Letter):
                yield node.tensor
            elif isinstance(node, Single):
                plain = inlined(node.value, self.tensors, self.forms.equations)
                yield from (a.tensor for a in accesses(plain))

    # statements

    def _zeros(self, name: str) -> str:
        shape = self.tensors[name].shape
        if self._is_vector(name):
            shape = (*shape[:-1], 1, shape[-1]) if self.forms.rows else (*shape, 1)
        return f"{self.cells.names.array(name)} = np.zeros({shape})"

    def _step(self, step: Equation | Scan) -> list[str]:
        shown = [eq for eq in _equations(step) if id(eq) in self.found]
        if isinstance(step, Scan) and shown:
            span = f"range({step.first - 1}, {step.last})"
            span = f"reversed({span})" if step.backward else span
            lines = [line for eq in shown for line in self._statement(eq)]
            return [f"for {self.cells.names.index(step.index)} in {span}:", *indented(lines)]
        lines = []
        for eq in shown:
            letter, _ = self.forms.letter(eq.lhs)
            times = index_symbols(letter.time) if letter.time is not None else ()
            spans = [(self.cells.names.index(t), eq.ranges[t]) for t in times]
            lines += [f"for {name} in range({first - 1}, {last}):" for name, (first, last) in spans]
            lines += indented(self._statement(eq)) if times else self._statement(eq)
        return lines

    def _statement(self, eq: Equation) -> list[str]:
        form = self.found[id(eq)]
        letter, indices = self.forms.letter(eq.lhs)
        text, left = self.text(form), self._placed(letter)
        if not indices and not self._is_number(form):  # a matrix of one row and one column
            text = f"({text}).item()"
        elif len(text) > LONG and isinstance(form, Sum):
            return [f"{left} = (", *indented(self.terms(form)), ")"]
        return [f"{left} = {text}"]

    # letters

    def _is_vector(self, tensor: str) -> bool:
        return len(self.tensors[tensor].shape) - (tensor in self.forms.sequences) == 1

    def _is_scalar(self, tensor: str) -> bool:
        return len(self.tensors[tensor].shape) == (tensor in self.forms.sequences)

    def _placed(self, letter: Letter) -> str:
        """An array, or of a sequence what is there at one time."""
        name = self.cells.names.array(letter.tensor)
        if letter.time is None:
            return name
        return f"{name}[{self.cells.arrays.position(letter.time, self.tensors[letter.tensor].start(0))}]"

    def _letter(self, letter: Letter) -> str:
        flipped = letter.tensor in self.forms.flipped  # the array has the indices in the other order
        return self._placed(letter) + ".T" * (letter.turned != flipped)

    def _element(self, element: Access) -> str:
        tensor = self.tensors[element.tensor]
        places = [self.cells.arrays.position(i, tensor.start(d)) for d, i in enumerate(element.indices)]
        if self._is_vector(element.tensor):
            places.insert(len(places) - self.forms.rows, "0")
        return self.cells.names.array(element.tensor) + (f"[{', '.join(places)}]" if places else "")

    # what is known from the cells above

    def _elements(self, tensor: str) -> str:
        """A tensor with its elements in the order of the formulas."""
        known = self._known(tensor)
        if tensor.removeprefix("∂") not in self.forms.flipped:
            return known
        return f"{known}.T" if known.isidentifier() else f"np.transpose({known})"

    def _given(self, tensor: str) -> str:
        """A tensor as an array that stands as the formulas say."""
        known = self._known(tensor)
        if self._is_vector(tensor):
            return f"{self.standing}({known})"
        return f"np.array({known})" if known.startswith("[") or tensor in self.partly & set(self.made) else known

    def _known(self, tensor: str) -> str:
        """The variable of a tensor, or in a small network the variables of its elements."""
        shape, names = self.tensors[tensor].shape, self.cells.variables([self.tensors[tensor]])
        return nested(names, shape) if self.cells.small and shape else names[0]


def _equations(step: Equation | Scan) -> Sequence[Equation]:
    return step.equations if isinstance(step, Scan) else (step,)
