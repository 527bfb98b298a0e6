"""From a network and its derivatives to the text of a trainer: one Python module, ``net_trainer.py``."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from codegen.numbering import PlainText, equation_numbers
from codegen.resources import environment, template
from codegen.trainer import vectormath
from codegen.trainer.alike import Alike
from codegen.trainer.identifiers import Identifiers
from codegen.trainer.imports import INTRINSICS, imports
from codegen.trainer.interface import (
    adjustable,
    class_words,
    classifier_kind,
    extra_settings,
    scored_pairs,
    signatures,
    tables,
)
from codegen.trainer.kernels import Kernel, kernel
from codegen.trainer.kinds import Kind
from codegen.trainer.lanes import LANES, LEAST, PRESENT, Lanes
from codegen.trainer.literals import literal, prose, wrapped
from codegen.trainer.networktext import Text as Many
from codegen.trainer.networktext import network_text
from codegen.trainer.optimizer import schedule as schedule_of
from codegen.trainer.optimizer import updates
from codegen.trainer.plans import check_plans, plans
from codegen.trainer.printer import Used, is_native, needs_real, number_lines
from codegen.trainer.samples import per_sample
from codegen.trainer.schedule import TOTAL, Schedule
from codegen.trainer.sequencetext import Text as OneByOne
from codegen.trainer.sequencetext import sequence_text
from derive.gradient import Sweep
from derive.network import Network, Tensor
from derive.selection import choices

PARTS = ("forward", "losses", "backward", "alone")
KERNEL_HEADER = "real = weights[0].dtype.type"
INLINED_LINES = 125  # at most, with comments, of a part that is inlined
FLAGS = '{**INLINED, "fastmath": {"contract"}}'  # with which elementary functions are compiled


@dataclass(frozen=True)
class View:
    """An array inside a flat vector, or one to be allocated: plain text for the templates."""

    name: str
    text: str


@dataclass(frozen=True)
class Mask:
    """A mask: its place among the data, its elements, and how they are drawn from 32-bit words."""

    place: int
    size: int
    shape: str
    threshold: int
    kept: str


@dataclass(frozen=True)
class Block:
    """The kernel that trains a block of samples in lanes: its arrays, how data come into them, its statements."""

    lanes: int
    registers: int
    least: int
    lane: str
    rows: str
    present: str
    total: str
    head: list[str]
    gather: list[str]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """An input, a target or an output: its place, its elements and the shape of an array of several samples."""

    place: int
    size: int
    shape: str
    batch: bool = True


def render(network: Network, sweep: Sweep, *, spec_name: str, module_name: str) -> str:
    """The text of the trainer for a network; a pure function of its arguments.

    ``spec_name`` goes into the first line, ``module_name`` into the example of use.
    """
    found = plans(network, sweep)
    docstring, coupled, network = _docstring(network, sweep, module_name), bool(network.coupling), per_sample(network)
    plan, together, many, single = found.whole, found.lanes, found.networks, found.sequence
    names = _names(found.tensors)
    alike = Alike()
    kernels = {part: kernel(getattr(plan, part), plan, names, alike) for part in PARTS}
    solvers = updates(network.optimizer)
    rate_used = Used()
    rate = schedule_of(network.optimizer, rate_used)
    block = kernel(together.nodes, together, names, alike) if together else None
    layout = _Layout(network, plan, names)
    text_of_many = network_text(network, many, names, alike) if many else None
    check_plans(found, network, layout.sources, names)
    one_by_one = sequence_text(network, single, names, solvers, layout.offsets, alike) if single else None
    contractions = block.used.contractions if block else {}
    used = [*(k.used for k in (*kernels.values(), *([block] if block else []))), *(s.used for s in solvers), rate_used]
    used += text_of_many.used if text_of_many else ()
    used += [one_by_one.used] if one_by_one else []
    functions = sorted(set().union(*(u.functions for u in used)))
    emitted = [f for f in functions if not is_native(f)]
    if "xlogy" in functions:
        emitted = sorted({*emitted, "log"})
    classifier = classifier_kind(network)
    has_inputs, has_targets = bool(network.of_role("input")), bool(network.of_role("target"))
    context = {
        "spec_name": prose(spec_name),
        "docstring": docstring,
        "tables": tables(network, solvers, {names[t]: plan.tensors[t].shape for t in plan.statistics}),
        "alike": alike.functions.values(),
        "options": {"sequence": _options(one_by_one), "networks": _options(text_of_many)},
        "kernels": {part: layout.function(k) for part, k in kernels.items()},
        "block": layout.block(together, block) if together and block else None,
        "sequence": one_by_one,
        "networks": text_of_many,
        "lanes": LANES,
        "lane_words": ["samples"] * bool(block) + ["networks"] * bool(many),
        "arrays": _source("trainer/arrays.py", "class Builder("),
        "lowering": _source("trainer/lowering.py", "# Turns of"),
        "pruning": _source("trainer/pruning.py", "def pruning("),
        "compiler": _source("trainer/compiler.py", "def linear_algebra("),
        "into_lanes": _source("trainer/lanes.py", "def shuffled(", "def contraction(") if block else "",
        "contraction": _source("trainer/lanes.py", "def contraction(") if contractions else "",
        "contractions": [f"{name} = {made}" for made, name in contractions.items()],
        "views": layout.views,
        "values": layout.values,
        "data": layout.data,
        "masks": layout.masks,
        "outputs": layout.outputs,
        "total": layout.places[TOTAL],
        "size": layout.size,
        "averages": network.batch == "mean",
        "mean": network.batch == "mean" and not coupled,
        "coupled": coupled,
        "statistics": layout.statistics,
        "solvers": solvers,
        "rate": rate,
        "extra": extra_settings(solvers),
        "xlogy": "xlogy" in functions,
        "difference": "difference" in functions,
        "vectormath": vectormath.source(emitted, imports=False, flags=FLAGS).strip("\n"),
        "elementary": f"({', '.join(emitted)}{',' if len(emitted) == 1 else ''})",
        "classifier": classifier,
        "choices": bool(choices(network.flat_equations)),
        "several_targets": not classifier and sum(t.size for t in network.of_role("target")) > 1,
        "has_inputs": has_inputs,
        "has_targets": has_targets,
        "several_outputs": len(network.outputs) > 1,
        "scored": bool(scored_pairs(network)),
        "solver": literal(network.optimizer.name),
        "signatures": signatures(network, classifier),
        "arguments": {
            "fit": f"{'X' if has_inputs else 'None'}, {'y' if has_targets else 'None'}",
            "predict": "X" if has_inputs else "None",
            "known": ", ".join(["X"] * has_inputs + ["y"] * has_targets),
            "predict_known": "X" if has_inputs else "",
        },
        "constants": adjustable(network),
        "adjustable": literal(tuple(adjustable(network))),
        "least": LEAST,
        "output_name": literal(network.outputs[0]) if network.outputs else "",
        "class_count": 2 if classifier == "binary" else network.of_role("target")[0].size if classifier else 0,
        "class_words": class_words(network, classifier),
    }
    compiled = environment().get_template("trainer/kernels.py.jinja").render(context, hash="")
    intrinsics = [name for name in INTRINSICS if f" {name}(" in compiled]
    in_lanes = bool(block or many or one_by_one)
    context["imports"] = imports(emitted, functions, intrinsics, in_lanes, bool(contractions))
    context["intrinsics"] = "\n\n\n".join(
        _definition("trainer/intrinsics.py", name) for name in (["intrinsic_for", *intrinsics] if intrinsics else [])
    )
    digest = hashlib.sha256((compiled + context["vectormath"]).encode()).hexdigest()[:8]  # type: ignore[operator]
    text = environment().get_template("trainer/module.py.jinja").render(context, hash=f"_{digest}")
    ast.parse(text)
    return text


def _names(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """An identifier for every tensor: those that have a name first, so that they keep it."""
    identifiers = Identifiers()
    order = sorted(tensors.values(), key=lambda t: (t.role == "adjoint", t.anonymous))
    return {t.name: identifiers.new("total_loss" if t.name == TOTAL else t.name) for t in order}


class _Layout:
    """Where the arrays are: parameters in one vector, the others in tuples."""

    def __init__(self, network: Network, plan: Schedule, names: Mapping[str, str]) -> None:
        self.plan, self.names = plan, names
        columns = network.data
        self.sources: dict[str, str] = {}
        self.offsets: dict[str, int] = {}
        self.views: list[View] = []
        self.size = 0
        for n, weight in enumerate(network.weights):
            self.offsets[weight.name], end = self.size, self.size + weight.size
            shape = f".reshape({literal(weight.shape)})" if len(weight.shape) > 1 else ""
            self.views.append(View(weight.name, f"theta[{self.size}:{end}]{shape}"))
            self.sources[weight.name] = f"weights[{n}]"
            self.sources[f"∂{weight.name}"] = f"gradients[{n}]"
            self.size = end
        self.sources |= {t.name: f"data[{n}]" for n, t in enumerate(columns)}
        self.sources |= {t.name: f"constants[{n}]" for n, t in enumerate(network.of_role("constant"))}
        self.sources |= {name: f"values[{n}]" for n, name in enumerate(plan.arrays)}
        self.places = {name: n for n, name in enumerate(plan.arrays)}
        self.values = [View(names[name], self.allocation(plan.tensors[name])) for name in plan.arrays]
        self.data = [Column(n, t.size, rows(t)) for n, t in enumerate(columns) if t.role != "mask"]
        self.masks = [_mask(n, t, network.masks[t.name]) for n, t in enumerate(columns) if t.role == "mask"]
        outputs = [plan.tensors[name] for name in network.outputs]
        self.statistics = [View(names[name], f"values[{self.places[name]}]") for name in plan.statistics]
        self.outputs = [Column(self.places[t.name], t.size, rows(t), plan.kinds[t.name] is Kind.BATCH) for t in outputs]

    def allocation(self, tensor: Tensor) -> str:
        shape = list(map(str, tensor.shape)) or ["1"]
        if self.plan.kinds[tensor.name] is Kind.BATCH:
            shape = ["rows", *map(str, tensor.shape)]
        return f"np.empty(({', '.join(shape)}{',' if len(shape) == 1 else ''}), theta.dtype)"

    def function(self, k: Kernel) -> list[str]:
        """The body of a kernel: its numbers, its arrays, its statements; empty if it does nothing."""
        if not k.lines:
            return []
        numbers = number_lines(k.used)
        head = [KERNEL_HEADER, *numbers] if needs_real((*numbers, *k.lines)) else []
        arrays = sorted(k.tensors, key=lambda name: list(self.plan.tensors).index(name))
        head += [f"{self.names[name]} = {self.sources[name]}" for name in arrays]
        return [*("    " + line for line in head), *k.lines]

    def block(self, together: Lanes, k: Kernel) -> Block:
        """The kernel for a block of samples; its own arrays have the lane as their last index."""
        head = [KERNEL_HEADER, *number_lines(k.used)]
        order = list(together.tensors)
        for name in sorted(k.tensors - set(together.arrays), key=order.index):
            head.append(f"{self.names[name]} = {self.sources[name]}")
        gather = []
        scope = Identifiers(self.names.values())
        lane, chosen = scope.new("n"), scope.new("rows")
        for name in together.arrays:
            tensor = together.tensors[name]
            batch = together.kinds[name] is Kind.BATCH
            sizes = [*map(str, tensor.shape), *["lanes"] * batch] or ["1"]
            head.append(f"{self.names[name]} = local(weights[0], {', '.join(sizes)})")
            if tensor.role in ("input", "target"):
                gather.append(f"into_lanes(lanes, {self.names[name]}, {self.sources[name]}, {chosen}, {tensor.size})")
        present, total = self.names[PRESENT], self.names[TOTAL]
        return Block(LANES, together.registers, together.least, lane, chosen, present, total, head, gather, k.lines)


def _options(text: OneByOne | Many | None) -> str:
    """How the part of a kernel that has the equations is compiled.

    One that is inlined LLVM optimises twice: small networks train up to an eighth faster, larger ones do not.
    """
    return "PARTS" if text and len(text.statements) > INLINED_LINES else "INLINED"


def _mask(place: int, tensor: Tensor, dropped: sympy.Rational) -> Mask:
    return Mask(place, tensor.size, rows(tensor), int(dropped * 2**32), repr(float(1 / (1 - dropped))))


def rows(tensor: Tensor) -> str:
    """The shape of an array of ``rows`` samples, as source."""
    return f"({', '.join(['rows', *map(str, tensor.shape)])}{'' if tensor.shape else ','})"


def _docstring(network: Network, sweep: Sweep, module_name: str) -> list[str]:
    lines = [f"{prose(network.title) or 'Untitled network'}.", "", "The equations, numbered as in the notes:", ""]
    plain_text = PlainText(network, sweep)
    for number, eq in equation_numbers(network, sweep):
        if plain_text.is_shown(eq):
            label = f"    ({number})"
            lines += wrapped(prose(plain_text(eq)), f"{label:9} ", " " * 14)
    for tensor in network.of_role("mask"):
        dropped = network.masks[tensor.name]
        text = (
            f"{tensor.name} is drawn: 0 with probability {dropped}, else {1 / (1 - dropped)}. It is 1 in predictions."
        )
        lines += ["", *wrapped(text, "", "")]
    arguments = ", ".join(["X"] * bool(network.of_role("input")) + ["y"] * bool(network.of_role("target")))
    lines += ["", "Use:", "", f"    from {prose(module_name)} import Trainer", ""]
    lines += [f"    trainer = Trainer().fit({arguments})"]
    if network.outputs:
        lines += [f"    trainer.predict({'X' if network.of_role('input') else ''})"]
    lines += [
        "    trainer.weights_",
        *_data_lines(per_sample(network)),
        "",
        f"``python {prose(module_name)}.py --selfcheck`` compares the derivatives ",
    ]
    lines[-1] += "with central differences."
    return lines


def _data_lines(network: Network) -> list[str]:
    """What X and y are, with their shapes for n samples."""
    lines = []
    for letter, tensors in (("X", network.of_role("input")), ("y", network.of_role("target"))):
        shapes = [f"{t.name} ({', '.join(['n', *map(str, t.shape)])}{'' if t.shape else ','})" for t in tensors]
        if len(shapes) == 1:
            labels = ", or one label a sample" if letter == "y" and classifier_kind(network) else ""
            lines.append(f"{letter} is an array {shapes[0]}{labels}.")
        elif shapes:
            lines += wrapped(f"{letter} is a dict of arrays {', '.join(shapes)}.", "", "    ")
    return ["", *lines] if lines else []


def _definition(name: str, function: str) -> str:
    """A function in a file of Python, with its decorators."""
    text = template(name).read_text(encoding="utf-8")
    return next(part for part in text.split("\n\n\n") if f"def {function}(" in part).strip("\n")


def _source(name: str, start: str, end: str = "") -> str:
    """A file of Python from the definition that begins with ``start`` to that with ``end``, by default to its end."""
    text = template(name).read_text(encoding="utf-8")
    first = text.index(start)
    return text[first : text.index(end) if end else None].strip("\n")
