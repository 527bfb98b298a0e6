"""The matrices of a batch in NumPy: the same products as in the notes, held against the samples one by one."""

from __future__ import annotations

from collections.abc import Mapping, Set

from codegen.formats.cellpasses import SHOWN
from codegen.formats.cells import Cells
from codegen.formats.celltext import indented, list_text, nested
from codegen.formats.formcode import FormCode
from codegen.formats.numpycode import INDENT
from codegen.options import MATRIX_DECIMALS
from derive.batchform import BatchForms
from derive.formproof import in_batches
from derive.formtree import Letter, nodes
from derive.formvalue import Matrix
from derive.numbers import at

DRAWN = 3  # samples of a batch where the specification gives none


class BatchCell(FormCode):
    """The source of one cell."""

    forms: BatchForms

    def __init__(self, cells: Cells, forms: BatchForms) -> None:
        super().__init__(cells, forms)
        values, slopes = in_batches(cells.network, cells.sweep)
        mean = cells.network.batch != "sum"
        found = {eq.lhs.tensor: forms.equation(eq) for eq in values}
        self.values = {name: form for name, form in found.items() if form is not None}
        found = {eq.lhs.tensor.removeprefix("∂"): forms.gradient(eq, mean) for eq in slopes}
        self.slopes = {name: form for name, form in found.items() if form is not None}
        self.count = cells.names.fresh("N")

    def source(self) -> str:
        """Data, letters, products and what they must agree with."""
        data = [t.name for t in self.cells.data]
        forms = [*self.values.values(), *self.slopes.values()]
        letters = [node.tensor for form in forms for node in nodes(form) if isinstance(node, Letter)]
        read = [n for n in dict.fromkeys(letters) if n not in self.values and n not in data]
        lines = [*self._samples(), f"{self.count} = len(batch)", *self._data(), *self._weights(read)]
        lines += self._quantities([n for n in read if self.forms.sampled(n)])
        lines += [f"{self._name(name)} = {self.text(form)}" for name, form in self.values.items()]
        return "\n".join([*lines, *self._checks()])

    def numbers(self, tables: Mapping[str, Matrix], opposite: Set[str], slopes: Mapping[str, Matrix]) -> str:
        """The numbers of matrices as printed, ``opposite`` ones with the other sign, and of derivatives by weights."""
        lines, cells = [], self.cells
        for name, table in tables.items():
            lines += agreements(cells, f"{'-' * (name in opposite)}{self._name(name)}", table)
        assert cells.numbers is not None
        for n, e in enumerate(e for w in cells.weights for e in w.elements()):
            if e.tensor in slopes:
                lines.append(cells.agrees(f"gradients[{n}]", at(cells.numbers.gradient, e), MATRIX_DECIMALS))
        return "\n".join(lines)

    # letters

    def _name(self, tensor: str) -> str:
        """X for x, dZ1 for the derivative by z1; a weight has the name it has elsewhere."""
        if not self.forms.sampled(tensor):
            return self.cells.names.array(tensor)
        stem = tensor.removeprefix("∂")
        return self.cells.names.fresh(("d" if stem != tensor else "") + stem[:1].upper() + stem[1:])

    def _stands(self, tensor: str, text: str) -> str:
        """Samples in rows as the letter stands."""
        return f"{self._name(tensor)} = {text}{'' if self.forms.rows else '.T'}"

    def _samples(self) -> list[str]:
        """The samples of the specification, or some more where there are none."""
        if len(self.cells.network.samples) > 1:
            return ["batch = samples"]
        names = ", ".join(self.cells.variables(self.cells.data))
        drawn = [line for t in self.cells.data for line in self.cells.assigned(t, None)]
        return [
            "batch = [data]",
            f"for _ in range({DRAWN - 1}):",
            *indented([*drawn, f"batch.append(({names},))"]),
            f"{names}, = data" if "," not in names else f"{names} = data",
        ]

    def _data(self) -> list[str]:
        lines, start = [], 0
        for n, tensor in enumerate(self.cells.data):
            part = f"[one[{n}] for one in batch]"
            if self.cells.small:
                part, start = f"[one[{start}:{start + tensor.size}] for one in batch]", start + tensor.size
            lines.append(self._stands(tensor.name, f"np.array({part}).reshape({self.count}, {tensor.size})"))
        return lines

    def _weights(self, read: list[str]) -> list[str]:
        """Arrays for what a small network holds element by element."""
        if not self.cells.small:
            return []
        arrays = [self.tensors[n] for n in read if not self.forms.sampled(n) and self.tensors[n].shape]
        return [f"{self._name(t.name)} = np.array({nested(self.cells.variables([t]), t.shape)})" for t in arrays]

    def _quantities(self, read: list[str]) -> list[str]:
        """What has no matrix form comes from the passes of the samples."""
        if not read:
            return []
        tensors = [self.tensors[n] for n in read]
        results = [
            list_text(self.cells.variables([t])) if self.cells.small else self.cells.names.array(t.name)
            for t in tensors
        ]
        name = self.cells.names.fresh("quantities")
        lines = ["", "", f"def {name}(weights, data):", *indented(self.cells.passes(any(n[0] == "∂" for n in read)))]
        lines += [f"{INDENT}return {list_text(results)}", "", ""]
        for n, t in enumerate(tensors):
            part = f"np.array([{name}(weights, one)[{n}] for one in batch])"
            lines.append(self._stands(t.name, f"{part}.reshape({self.count}, {t.size})"))
        return lines

    def _checks(self) -> list[str]:
        """The derivatives by the weights, printed, and compared with those of the samples."""
        share = f" / {self.count}" if self.cells.network.batch != "sum" else ""
        lines = ["", f"slopes = [sum(parts){share} for parts in zip(*(gradient(weights, one) for one in batch))]"]
        start = 0
        for n, weight in enumerate(self.cells.weights):
            here = f"slopes[{n}]"
            if self.cells.small:
                here, start = f"slopes[{start}:{start + weight.size}]", start + weight.size
            if weight.name not in self.slopes:
                continue
            form = self.slopes[weight.name]
            if weight.name in self.forms.flipped:
                here = f"np.reshape({here}, {weight.shape}).T"
            lines.append(f"found = {self.text(form)}")
            if weight.size <= SHOWN:
                lines.append(f'print("by {self.cells.names.array(weight.name)}:", found, sep="\\n")')
            lines.append(f"assert np.allclose(np.ravel(found), np.ravel({here}))")
        return lines

    def _letter(self, letter: Letter) -> str:
        tensor, turned, name = self.tensors[letter.tensor], letter.turned, self._name(letter.tensor)
        if self.forms.sampled(tensor.name):
            return f"{name}.T" if turned else name
        stands_turned = self.forms.turned(tensor.name, len(tensor.shape)) != turned
        if len(tensor.shape) == 1:
            return f"{name}[None, :]" if stands_turned else f"{name}[:, None]"
        return f"{name}.T" if stands_turned and tensor.shape else name

    def _is_scalar(self, tensor: str) -> bool:
        return not self.forms.sampled(tensor) and not self.tensors[tensor].shape


def agreements(cells: Cells, source: str, table: Matrix) -> list[str]:
    """The statements that a matrix has the numbers of a table as they are printed."""
    places = ((r, c, value) for r, row in enumerate(table) for c, value in enumerate(row))
    return [cells.agrees(f"{source}[{r}, {c}]", value, MATRIX_DECIMALS) for r, c, value in places]
