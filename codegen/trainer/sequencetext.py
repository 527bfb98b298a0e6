"""The kernel of :mod:`codegen.trainer.sequence` as text: what is copied in and out, the equations, the solvers."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from codegen.trainer.alike import FEW_IN_SEQUENCE, Alike
from codegen.trainer.identifiers import Identifiers
from codegen.trainer.kernels import kernel
from codegen.trainer.optimizer import Update
from codegen.trainer.printer import Used, needs_real, number_lines
from codegen.trainer.sequence import Layout, Sequence
from derive.network import Network, Tensor

INDENT = "    "
EACH_SLOT = "for slot in range(len(kept)):"
SLOPE = "scale * gradient[i]"  # what a solver's loop over all weights reads


@dataclass(frozen=True)
class Solver:
    """How a solver updates one weight: what is the same for all weights, and what is done for each."""

    name: str
    once: list[str]
    each: list[str]


@dataclass(frozen=True)
class Text:
    """The parts of the kernel, and what its statements use."""

    head: list[str]
    load: list[str]
    gather: list[str]
    lines: tuple[str, ...]
    loss: str
    store: list[str]
    states: int
    size: int
    most: int
    solvers: list[Solver]
    used: Used

    @property
    def statements(self) -> tuple[str, ...]:
        """Those of the equations."""
        return self.lines


def sequence_text(
    network: Network,
    plan: Sequence,
    names: Mapping[str, str],
    solvers: list[Update],
    offsets: Mapping[str, int],
    alike: Alike,
) -> Text:
    """The text; ``offsets`` are where weights begin in the parameter vector, ``alike`` the functions for its nests."""
    printed = kernel(plan.nodes, plan, names, alike, depth=2, few=FEW_IN_SEQUENCE)
    of_role = {role: [t.name for t in network.of_role(role)] for role in ("input", "target", "constant")}
    numbers = number_lines(printed.used)
    head = ["real = theta.dtype.type"] if needs_real((*numbers, *printed.lines)) else []
    head += numbers
    head += [f"{names[n]} = constants[{i}]" for i, n in enumerate(of_role["constant"]) if n in plan.arrays]
    load, store, gather = [], [], []
    runs: list[tuple[int, int, int]] = []
    scope = Identifiers(names.values())
    letters = [scope.new(f"i{d + 1}") for d in range(max(len(t.shape) for t in plan.tensors.values()))]
    for name in plan.arrays:
        tensor, layout = plan.tensors[name], plan.layouts[name]
        if tensor.role == "constant":
            continue
        head.append(f"{names[name]} = local(theta, {', '.join(str(tensor.shape[d]) for d in layout) or '1'})")
        places = [letter if size > 1 else "0" for letter, size in zip(letters, tensor.shape, strict=False)]
        element = f"{names[name]}[{', '.join(places[d] for d in layout) or '0'}]"
        long = [d for d, size in enumerate(tensor.shape) if size > 1]
        loops = [f"{INDENT * n}for {letters[d]} in range({tensor.shape[d]}):" for n, d in enumerate(long)]
        depth, outside = INDENT * len(long), tuple(range(len(tensor.shape)))
        if tensor.role == "weight" and [d for d in layout if d in long] == long:
            runs.append((plan.places[name], offsets[name], tensor.size))
            load.append(f"copy_run({names[name]}, 0, theta, {offsets[name]}, {tensor.size})")
            store.append(f"copy_run(theta, {offsets[name]}, {names[name]}, 0, {tensor.size})")
        elif tensor.role == "weight":
            far = _place(tensor, letters, offsets[name], outside)
            near = _place(tensor, letters, plan.places[name], layout)
            rows = [EACH_SLOT, *(f"{INDENT}{loop}" for loop in loops)]
            load += [*loops, f"{depth}{element} = theta[{far}]"]
            load += [*rows, f"{depth}{INDENT}states[{plan.size} * slot + {near}] = kept[slot, {far}]"]
            store += [*loops, f"{depth}theta[{far}] = {element}"]
            store += [*rows, f"{depth}{INDENT}kept[slot, {far}] = states[{plan.size} * slot + {near}]"]
        elif tensor.role in ("input", "target"):
            column = (*of_role["input"], *of_role["target"]).index(name)
            gather += [*loops, f"{depth}{element} = data[{column}][sample, {_place(tensor, letters, 0, outside)}]"]
    for place, start, count in _joined(runs):
        near = f"{plan.size} * slot + {place}" if place else f"{plan.size} * slot"
        load += [EACH_SLOT, f"{INDENT}copy_run(states, {near}, kept[slot], {start}, {count})"]
        store += [EACH_SLOT, f"{INDENT}copy_run(kept[slot], {start}, states, {near}, {count})"]
    found = [_solver(update, plan.size) for update in solvers]
    states, most = max(1, *(u.states for u in solvers)), max(1, *(len(_shared(u)) for u in solvers))
    return Text(
        head, load, gather, printed.lines, names[plan.loss], store, states, plan.size, most, found, printed.used
    )


def _joined(runs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Runs of numbers (place, place outside, count), those that follow each other as one."""
    joined: list[tuple[int, int, int]] = []
    for near, far, count in sorted(runs):
        if joined and (near, far) == (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]):
            near, far, before = joined.pop()
            count += before
        joined.append((near, far, count))
    return joined


def _place(tensor: Tensor, letters: list[str], start: int, order: Layout) -> str:
    """The position of an element in a vector where the tensor begins at ``start``, its dimensions in some order."""
    terms = []
    for n, d in enumerate(order):
        step = prod(tensor.shape[e] for e in order[n + 1 :])
        if tensor.shape[d] > 1:
            terms.append(letters[d] if step == 1 else f"{step} * {letters[d]}")
    return " + ".join([*([str(start)] if start else []), *terms]) or "0"


def _solver(update: Update, size: int) -> Solver:
    """From the statements of a solver's loop over all weights to those for one weight.

    Its state is one vector there, ``size`` numbers for each quantity: every function knows how far apart they lie.
    """
    shared = _shared(update)
    once = [f"settings = {update.name}_settings"] if any("settings[" in line for line in update.body) else []
    numbers = number_lines(update.used)
    rest = [line for line in update.body if line not in ("real = theta.dtype.type", *numbers)]
    once += [line for line in numbers if _assigned([line]) & _read(tuple(rest))] + rest
    once += [f"fixed[{n}] = {name}" for n, name in enumerate(shared)]
    each = [*numbers, *(f"{name} = fixed[{n}]" for n, name in enumerate(shared))]
    each += [line.replace("theta[i]", "weight").replace(SLOPE, "slope") for line in update.lines]
    return Solver(update.name, [_flat(line, size) for line in once], [_flat(line, size) for line in each])


def _flat(line: str, size: int) -> str:
    """A statement with the rows of a solver's state in one vector."""

    def place(found: re.Match[str]) -> str:
        begin = int(found["row"]) * size
        return (
            f"states[{f'{begin} + i' if begin else 'i'}]" if found["at"] == "i" else f"states[{begin}:{begin + size}]"
        )

    return re.sub(r"states\[(?P<row>\d+), (?P<at>[i:])\]", place, line)


def _shared(update: Update) -> list[str]:
    """The variables that the loop over all weights reads and the statements before it set, but for the numbers."""
    numbers = _assigned(number_lines(update.used)) | {"real"}
    before, inside = _assigned(update.body) - numbers, _read(update.lines)
    return sorted(before & inside)


def _assigned(lines: list[str] | tuple[str, ...]) -> set[str]:
    tree = ast.parse("\n".join(lines))
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _read(lines: tuple[str, ...]) -> set[str]:
    tree = ast.parse("\n".join(lines))
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
