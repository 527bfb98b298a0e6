"""Matrix forms in NumPy: whole arrays, computed anew in a function and held against their elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codegen.formats.cells import Cells
from codegen.formats.celltext import filled, indented, nested
from codegen.formats.formcode import FormCode
from codegen.formats.numpycode import INDENT
from derive.expressions import accesses
from derive.formtree import Form, Letter, Single, Sum, nodes
from derive.network import Equation, Scan
from derive.readform import MatrixForms
from derive.vectorform import inlined

LONG = 100  # characters of a sum that has a line for every term


class ArrayCell(FormCode):
    """The source of one cell: a function that computes ``equations``, those that the notes show, by their forms.

    Vectors are columns or rows, that is arrays of two dimensions.
    """

    def __init__(self, cells: Cells, forms: MatrixForms, equations: Sequence[Equation]) -> None:
        super().__init__(cells, forms)
        self.found = {id(eq): form for eq in equations if (form := forms.right(eq)) is not None}
        self.made = list(dict.fromkeys(eq.lhs.tensor for eq in equations if id(eq) in self.found))
        self.steps = [*cells.network.equations, *cells.sweep.equations]
        self.partly = {eq.lhs.tensor for step in self.steps for eq in equations_of(step) if id(eq) not in self.found}
        self.name = cells.names.fresh("in_matrices")
        self.standing = cells.names.fresh("row" if forms.rows else "column")

    def _begin(self) -> list[str]:
        """What the function does first."""
        return []

    def _step(self, step: Equation | Scan) -> list[str]:
        """The statements of what is shown of a step."""
        return [line for eq in equations_of(step) if id(eq) in self.found for line in self._statement(eq)]

    def _placed(self, letter: Letter) -> str:
        """An array, or the part of it that a letter stands for."""
        return self.cells.names.array(letter.tensor)

    def _given(self, tensor: str) -> str:
        """A tensor as an array that stands as the formulas say."""
        raise NotImplementedError

    def source(self) -> str:
        """The function, its call, and what it must agree with."""
        read = {name for form in self.found.values() for name in self._reads(form)}
        given = [n for n in self.tensors if n in read - set(self.made) or n in self.partly.intersection(self.made)]
        lines = self._begin()
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

    def _statement(self, eq: Equation) -> list[str]:
        form = self.found[id(eq)]
        letter = self._left(eq)
        text, left = self.text(form), self._placed(letter)
        if self._is_scalar(letter.tensor) and not self._is_number(form):  # a matrix of one row and one column
            text = f"({text}).item()"
        elif len(text) > LONG and isinstance(form, Sum):
            return [f"{left} = (", *indented(self.terms(form)), ")"]
        return [f"{left} = {text}"]

    def _left(self, eq: Equation) -> Letter:
        return Letter(eq.lhs.tensor)

    def _letter(self, letter: Letter) -> str:
        flipped = letter.tensor in self.forms.flipped  # the array has the indices in the other order
        return self._placed(letter) + ".T" * (letter.turned != flipped)

    # what is known from the cells above

    def _elements(self, tensor: str) -> str:
        """A tensor with its elements in the order of the formulas."""
        known = self._known(tensor)
        return turned(known) if tensor.removeprefix("∂") in self.forms.flipped else known

    def _known(self, tensor: str) -> str:
        """The variable of a tensor, or in a small network the variables of its elements."""
        shape, names = self.tensors[tensor].shape, self.cells.variables([self.tensors[tensor]])
        return nested(names, shape) if self.cells.small and shape else names[0]


def turned(known: str) -> str:
    """The transpose of what is known."""
    return f"{known}.T" if known.isidentifier() else f"np.transpose({known})"


def equations_of(step: Equation | Scan) -> Sequence[Equation]:
    """The equations of a step."""
    return step.equations if isinstance(step, Scan) else (step,)
