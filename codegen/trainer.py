"""From a network and its derivatives to the text of a trainer: one Python module, ``net_trainer.py``."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import jinja2

from codegen import vectormath
from codegen.identifiers import Identifiers
from codegen.kernels import Kernel, kernel
from codegen.kinds import Kind
from codegen.literals import literal, prose, wrapped
from codegen.numbering import equation_numbers, plain_text
from codegen.optimizer import Update, updates
from codegen.printer import NATIVE, number_lines
from codegen.program import program_of
from codegen.resources import template_folders
from codegen.schedule import TOTAL, Schedule, schedule
from codegen.stable import stable
from derive.gradient import Sweep
from derive.network import Network, Numbers, Tensor

#: The parameters of the class ``Trainer`` that every network has.
PARAMETERS = (
    "solver learning_rate_init batch_size max_iter shuffle random_state dtype momentum tol n_iter_no_change verbose "
    "warm_start"
).split()
KERNEL_HEADER = "real = weights[0].dtype.type"


@dataclass(frozen=True)
class View:
    """An array inside a flat vector, or one to be allocated: plain text for the templates."""

    name: str
    text: str


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
    program = stable(program_of(network, sweep))
    plan = schedule(program, network.outputs, network.loss)
    names = _names(plan)
    kernels = {part: kernel(getattr(plan, part), plan, names) for part in ("forward", "losses", "backward")}
    solvers = updates(network.optimizer)
    used = [k.used for k in kernels.values()]
    functions = sorted(set().union(*(u.functions for u in used), *(s.used.functions for s in solvers)))
    emitted = [f for f in functions if f not in NATIVE]
    if "xlogy" in functions:
        emitted = sorted({*emitted, "log"})
    layout = _Layout(network, plan, names)
    classifier = _classifier(network)
    has_inputs, has_targets = bool(network.of_role("input")), bool(network.of_role("target"))
    context = {
        "spec_name": prose(spec_name),
        "docstring": _docstring(network, sweep, module_name),
        "imports": _imports(emitted, functions),
        "tables": _tables(network, solvers),
        "kernels": {part: layout.function(k) for part, k in kernels.items()},
        "views": layout.views,
        "values": layout.values,
        "data": layout.data,
        "outputs": layout.outputs,
        "total": layout.places[TOTAL],
        "size": layout.size,
        "mean": network.batch == "mean",
        "solvers": solvers,
        "extra": _extra(solvers),
        "xlogy": "xlogy" in functions,
        "vectormath": vectormath.source(emitted, imports=False).strip("\n"),
        "classifier": classifier,
        "has_inputs": has_inputs,
        "has_targets": has_targets,
        "several_outputs": len(network.outputs) > 1,
        "scored": bool(_scored(network)),
        "defaults": _defaults(network, solvers),
        "signatures": _signatures(network, classifier),
        "arguments": {
            "fit": f"{'X' if has_inputs else 'None'}, {'y' if has_targets else 'None'}",
            "predict": "X" if has_inputs else "None",
        },
        "output_name": literal(network.outputs[0]) if network.outputs else "",
        "class_count": 2 if classifier == "binary" else network.of_role("target")[0].size if classifier else 0,
        "class_words": _class_words(network, classifier),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folders()),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    compiled = environment.get_template("trainer/kernels.py.jinja").render(context, hash="")
    digest = hashlib.sha256((compiled + context["vectormath"]).encode()).hexdigest()[:8]  # type: ignore[operator]
    text = environment.get_template("trainer/module.py.jinja").render(context, hash=f"_{digest}")
    ast.parse(text)
    return text


def _names(plan: Schedule) -> dict[str, str]:
    """An identifier for every tensor: those that have a name first, so that they keep it."""
    identifiers = Identifiers()
    order = sorted(plan.tensors.values(), key=lambda t: (t.role == "adjoint", t.anonymous))
    return {t.name: identifiers.new("total_loss" if t.name == TOTAL else t.name) for t in order}


class _Layout:
    """Where the arrays are: parameters in one vector, the others in tuples."""

    def __init__(self, network: Network, plan: Schedule, names: Mapping[str, str]) -> None:
        self.plan, self.names = plan, names
        columns = [*network.of_role("input"), *network.of_role("target")]
        self.sources: dict[str, str] = {}
        self.views: list[View] = []
        self.size = 0
        for n, weight in enumerate(network.weights):
            end = self.size + weight.size
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
        self.data = [Column(n, t.size, rows(t)) for n, t in enumerate(columns)]
        outputs = [plan.tensors[name] for name in network.outputs]
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
        head = [KERNEL_HEADER, *numbers] if any("real(" in line for line in (*numbers, *k.lines)) else []
        arrays = sorted(k.tensors, key=lambda name: list(self.plan.tensors).index(name))
        head += [f"{self.names[name]} = {self.sources[name]}" for name in arrays]
        return [*("    " + line for line in head), *k.lines]


def rows(tensor: Tensor) -> str:
    """The shape of an array of ``rows`` samples, as source."""
    return f"({', '.join(['rows', *map(str, tensor.shape)])}{'' if tensor.shape else ','})"


def _docstring(network: Network, sweep: Sweep, module_name: str) -> list[str]:
    lines = [f"{prose(network.title) or 'Untitled network'}.", "", "The equations, numbered as in the notes:", ""]
    for number, eq in equation_numbers(network, sweep):
        label = f"    ({number})"
        lines += wrapped(prose(plain_text(eq)), f"{label:9} ", " " * 14)
    arguments = ", ".join(["X"] * bool(network.of_role("input")) + ["y"] * bool(network.of_role("target")))
    lines += ["", "Use:", "", f"    from {prose(module_name)} import Trainer", ""]
    lines += [f"    trainer = Trainer().fit({arguments})"]
    if network.outputs:
        lines += [f"    trainer.predict({'X' if network.of_role('input') else ''})"]
    lines += [
        "    trainer.weights_",
        *_data_lines(network),
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
            labels = ", or one label a sample" if letter == "y" and _classifier(network) else ""
            lines.append(f"{letter} is an array {shapes[0]}{labels}.")
        elif shapes:
            lines += wrapped(f"{letter} is a dict of arrays {', '.join(shapes)}.", "", "    ")
    return ["", *lines] if lines else []


def _imports(emitted: list[str], functions: Iterable[str]) -> list[str]:
    lines = [line for line in vectormath.import_lines(emitted) if line]
    standard = {"import sys", *(line for line in lines if line.split()[1] in ("functools", "math"))}
    standard |= {"import math"} if "math.sqrt" in functions else set()
    numba = {"njit"}
    other = []
    for line in lines:
        if line.startswith("from numba import "):
            numba |= set(line.removeprefix("from numba import ").split(", "))
        elif line.startswith("from "):
            other.append(line)
    return [*sorted(standard), "", "import numpy as np", f"from numba import {', '.join(sorted(numba))}", *other]


def _numbers(value: Numbers) -> object:
    return [_numbers(v) for v in value] if isinstance(value, list) else float(value)


def _tables(network: Network, solvers: list[Update]) -> list[str]:
    """The module's constants: what the wrapper around the kernels needs to know."""
    facts = {
        kind: tuple(dict.fromkeys(f.tensor for f in network.facts if bool(f.reduce) is (kind == "sum")))
        for kind in ("sum", "binary")
    }
    tables: dict[str, tuple[object, str]] = {
        "INPUTS": ({t.name: t.shape for t in network.of_role("input")}, "shapes of one sample"),
        "TARGETS": ({t.name: t.shape for t in network.of_role("target")}, ""),
        "OUTPUTS": ({name: network.tensors[name].shape for name in network.outputs}, ""),
        "WEIGHTS": ({t.name: t.shape for t in network.weights}, "in the order of the parameter vector"),
        "BIASES": (tuple(t.name for t in network.weights if t.bias), "weights that start at zero"),
        "INITIAL": ({k: _numbers(v) for k, v in network.initial.items()}, "weights that start at given values"),
        "CONSTANTS": ({t.name: _numbers(network.constants[t.name]) for t in network.of_role("constant")}, ""),
        "SUM_TO_ONE": (facts["sum"], "targets whose elements add up to 1"),
        "ZERO_OR_ONE": (facts["binary"], "targets whose elements are 0 or 1"),
        "SCORED": (_scored(network), "targets and the outputs that predict them"),
        "SOLVERS": ({s.name: s.settings for s in solvers}, "with their settings"),
        "SETTINGS": (tuple(dict.fromkeys(name for s in solvers for name in s.settings)), ""),
        "PARAMETERS": ((*PARAMETERS, *_extra(solvers)), "of the class Trainer"),
        "STATES": (max(len(s.states) for s in solvers), "vectors that a solver keeps beside the weights"),
    }
    lines = []
    for name, (value, comment) in tables.items():
        text = f"{name} = {literal(value, len(name) + 3)}"
        lines.append(
            text + (f"  # {comment}" if comment and "\n" not in text and len(text) + len(comment) < 116 else "")
        )
    return "\n".join(lines).split("\n")


def _extra(solvers: list[Update]) -> list[str]:
    """Settings of solvers that scikit-learn has no name for."""
    return sorted({name for s in solvers for name in s.settings} - set(PARAMETERS))


def _classifier(network: Network) -> str:
    """``classes``, ``binary`` or nothing: by the declared facts about the only target."""
    targets = network.of_role("target")
    if len(targets) != 1 or not network.outputs:
        return ""
    target, output = targets[0], network.tensors[network.outputs[0]]
    for fact in network.facts:
        if fact.tensor != target.name or output.shape != target.shape:
            continue
        if fact.reduce and fact.value == 1 and len(target.shape) == 1:
            return "classes"
        if not fact.reduce and target.size == 1:
            return "binary"
    return ""


def _signatures(network: Network, classifier: str) -> dict[str, str]:
    """The first lines of the trainer's methods: data are asked for where the network has any."""
    data = ["X"] * bool(network.of_role("input")) + ["y"] * bool(network.of_role("target"))
    arguments = {
        "fit": data,
        "partial_fit": [*data, *(["classes=None"] if classifier else [])],
        "predict": [a for a in data if a == "X"],
        "score": data,
    }
    return {name: f"    def {name}({', '.join(['self', *found])}):" for name, found in arguments.items()}


def _class_words(network: Network, classifier: str) -> str:
    """How many classes there may be, for a message."""
    if classifier == "binary":
        return "one output for 2 classes"
    return f"{network.of_role('target')[0].size} outputs" if classifier else ""


def _scored(network: Network) -> dict[str, str]:
    """For every target the first output of its shape that no target before it has; empty if one goes without."""
    free = list(network.outputs)
    pairs = {}
    for target in network.of_role("target"):
        output = next((o for o in free if network.tensors[o].shape == target.shape), None)
        if output is None:
            return {}
        free.remove(output)
        pairs[target.name] = output
    return pairs


def _defaults(network: Network, solvers: list[Update]) -> dict[str, str]:
    """Default values of the trainer's parameters that come from the specification."""
    chosen = next(s for s in solvers if s.name == network.optimizer.name)
    values = {name: value for s in [*solvers, chosen] for name, value in s.defaults.items()}
    return {"solver": literal(chosen.name), **{name: repr(value) for name, value in values.items()}}
