"""What ``derive net.spec --explain-schedule`` prints: the plans of a trainer, and why each is used when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from math import prod

from rich.console import Console
from rich.text import Text as Styled

from codegen.trainer import lanes, networks, sequence
from codegen.trainer.kinds import Kind
from codegen.trainer.lanes import Lanes, work
from codegen.trainer.networks import Networks
from codegen.trainer.nodes import SAMPLE, Assign, Clear, Contraction, Loop, Node, Product, Reduce, tensors_of
from codegen.trainer.plans import Plans, check_plans, plans
from codegen.trainer.products import MINIBATCH
from codegen.trainer.samples import per_sample
from codegen.trainer.schedule import TOTAL, Schedule
from codegen.trainer.sequence import Sequence as OneByOne
from codegen.trainer.sequence import Updated
from derive.derivation import Derivation

SAMPLES = "the samples"
BATCH, LANE = "batch", "lanes"  # sizes of arrays that are known when a trainer runs only
SIZES = {BATCH: MINIBATCH, LANE: lanes.LANES}  # what bytes are printed for
WORD = 4  # bytes of a number in float32
Kernels = list[tuple[str, tuple[Node, ...]]]


def show(derivation: Derivation, console: Console | None = None) -> None:
    """Print the plans to standard output (or to ``console``), after their legality is checked."""
    console = console or Console(highlight=False, soft_wrap=True)
    found = plans(derivation.network, derivation.sweep)
    network = derivation.network
    names = {name: name for name in found.tensors}
    check_plans(found, per_sample(network), names, names)
    console.print(Styled(f"Schedules of {network.title or 'an untitled network'}", style="bold"))
    console.print(Styled(_choice(found)))
    whole = found.whole
    kernels = [(name, getattr(whole, name)) for name in ("forward", "losses", "backward", "alone")]
    _section(console, "Minibatches as whole rows", kernels, whole)
    if found.lanes:
        _section(console, "Samples in lanes", [("a block of 16 samples", found.lanes.nodes)], found.lanes)
    if found.sequence:
        _section(console, "One sample after the other", [("a sample", found.sequence.nodes)], found.sequence)
    if found.networks:
        many = found.networks
        parts = [("before", many.before), ("the samples of a tile", many.sample)]
        parts += [("each of them", many.added), ("a tile", many.tile), ("after", many.after)]
        _section(console, "Networks in lanes", parts, many)


def text(derivation: Derivation) -> str:
    """The plans as plain text."""
    console = Console(file=StringIO(), highlight=False, soft_wrap=True, color_system=None, force_jupyter=False)
    show(derivation, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().split("\n"))  # type: ignore[attr-defined]


def _choice(found: Plans) -> str:
    """Which plan trains when: the numbers that the choice is made from."""
    amount = work(found.program.lines)
    rows = [("schedule", "used for", "why")]
    least = found.lanes.least if found.lanes else 0
    limits = {
        "samples in lanes": (found.lanes, f"minibatches of {least} and more", lanes.MOST_WORK),
        "one by one": (found.sequence, "one sample at a time", sequence.MOST_WORK),
        "networks in lanes": (found.networks, "fit_many", networks.MOST_WORK),
    }
    for name, (plan, when, most) in limits.items():
        why = f"{amount} multiply-adds of a sample, at most {most}"
        if plan is not None and amount > most:
            why = f"{amount} multiply-adds of a sample, many of them in no matrix product"
        if plan is None:
            too_much = f"{amount} multiply-adds of a sample are more than {most}"
            why = too_much if amount > most else "the samples, or the order of the equations, do not allow it"
        rows.append((name, when if plan else "nothing", why))
    fixed, each = elements(found.whole)
    memory = WORD * (fixed + each * MINIBATCH)
    rows.append(("whole rows", "everything else", f"{memory} bytes of memory at batch {MINIBATCH}, float32"))
    return _columns(rows)


def _section(console: Console, title: str, kernels: Kernels, plan: Schedule | Lanes | OneByOne) -> None:
    console.print()
    console.print(Styled(title, style="bold"))
    for name, nodes in kernels:
        if nodes:
            console.print(Styled(f"  {name}", style="cyan"))
            for line in _lines(nodes, "    "):
                console.print(Styled(line.replace(SAMPLES, "the networks") if isinstance(plan, Networks) else line))
    console.print(Styled(_arena(kernels, plan)))
    console.print(Styled(_memory(plan)))
    if plan.scalars:
        console.print(Styled(f"  in registers: {', '.join(t for t in plan.tensors if t in plan.scalars)}"))


def _lines(nodes: Iterable[Node], indent: str) -> Iterator[str]:
    """Loops as a tree; a statement by the numbers and text of its equations."""
    for node in nodes:
        match node:
            case Loop():
                loops, body = [node], node.body
                while len(body) == 1 and isinstance(body[0], Loop):
                    loops, body = [*loops, body[0]], body[0].body
                yield f"{indent}for {', '.join(map(_turns, loops))}"
                yield from _lines(body, indent + "  ")
            case Product():
                shapes = " · ".join(m.tensor + ("ᵀ" if m.transposed else "") for m in (node.left, node.right))
                yield f"{indent}{'; '.join(node.notes)}: matrix product {node.out.tensor} = {shapes}, by BLAS"
            case Clear():
                yield f"{indent}{node.tensor} = 0"
            case Assign(value=Updated()):
                yield f"{indent}{node.target.tensor}: the solver's update"
            case Contraction():
                spans = ", ".join(_turn(i, span) for i, span in (*node.rows, *node.columns, *node.over))
                yield f"{indent}{'; '.join(node.notes)}: for {spans}, a tile of results in SIMD registers"
            case Assign() | Reduce():
                what = "; ".join(node.notes) or f"{node.target} {'+=' if node.add else '='} {node.value}"
                yield f"{indent}{what}{_reduction(node) if isinstance(node, Reduce) else ''}"


def _reduction(node: Reduce) -> str:
    spans = ", ".join(_turn(i, span) for i, span in node.loops)
    return f", {node.kind} over {spans}{', SIMD' if node.wide else ''}"


def _turns(loop: Loop) -> str:
    return _turn(loop.index, loop.range) + (" backwards" if loop.backward else "") + (", SIMD" if loop.wide else "")


def _turn(i: object, span: tuple[int, int]) -> str:
    return SAMPLES if i is SAMPLE else f"{i} = {span[0]}…{span[1]}"


def _arena(kernels: Kernels, plan: Schedule | Lanes | OneByOne) -> str:
    """The arrays with shape, bytes in float32 and the kernels between which they live."""
    rows = [("array", "shape", "bytes", "lives in")]
    for name in plan.arrays:
        shape = _shape(name, plan)
        used = [title for title, nodes in kernels if any(name in tensors_of(n) for n in nodes)]
        lives = used[0] if len(used) == 1 else f"{used[0]} … {used[-1]}" if used else "the function"
        label = "loss of the minibatch" if name == TOTAL else name
        rows.append((label, " × ".join(map(str, shape)) or "1", str(_bytes(shape)), lives))
    return _columns(rows, "  ")


def elements(plan: Schedule | Lanes | OneByOne) -> tuple[int, int]:
    """How many numbers the arrays of a plan hold: those there are once, and those there are for each sample or lane.

    Whole rows have a copy of the minibatch besides; of the other plans it is one of the arrays.
    """
    data = [t.name for t in plan.tensors.values() if t.role in ("input", "target", "mask")]
    shapes = [_shape(name, plan) for name in (*plan.arrays, *(data if isinstance(plan, Schedule) else []))]
    each = [shape for shape in shapes if SIZES.keys() & set(shape)]
    fixed = sum(prod(map(int, shape)) for shape in shapes if shape not in each)
    return fixed, sum(prod(int(size) for size in shape if size not in SIZES) for shape in each)


def _memory(plan: Schedule | Lanes | OneByOne) -> str:
    """The bytes of a plan's arrays in float32 as a formula of sizes."""
    fixed, each = elements(plan)
    if isinstance(plan, OneByOne):
        return f"  memory: {WORD} · {fixed} = {WORD * fixed} bytes, besides the solver's state"
    name = LANE if isinstance(plan, Lanes) else BATCH
    most = lanes.LANES * plan.registers if isinstance(plan, Lanes) and not isinstance(plan, Networks) else 0
    numbers = f"({fixed} + {each} · {name})" if fixed else f"{each} · {name}"
    at_most = f" … {most}" if most > lanes.LANES else ""
    return (
        f"  memory: {WORD} · {numbers} = {WORD * (fixed + each * SIZES[name])} bytes, {name} = {SIZES[name]}{at_most}"
    )


def _columns(rows: Sequence[tuple[str, ...]], indent: str = "") -> str:
    """Rows as lines with their columns under each other; none is broken, however narrow the terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)


def _shape(name: str, plan: Schedule | Lanes | OneByOne) -> tuple[int | str, ...]:
    own: tuple[int, ...] = plan.tensors[name].shape
    if isinstance(plan, OneByOne):
        return tuple(own[d] for d in plan.layouts[name])
    if isinstance(plan, Networks) or (isinstance(plan, Lanes) and plan.kinds[name] is Kind.BATCH):
        return (*own, LANE)
    return (BATCH, *own) if plan.kinds[name] is Kind.BATCH else own


def _bytes(shape: Sequence[int | str]) -> int:
    return WORD * prod(SIZES[size] if isinstance(size, str) else size for size in shape)
