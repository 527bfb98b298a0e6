"""What the terminal shows: the network, its update formulas, the proof's result, the files written."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from codegen.formulas.latex import Text, equations_of
from codegen.formulas.notation import Notation
from derive.derivation import Derivation
from derive.expressions import Access
from derive.network import Network, flatten

MAX_WEIGHTS = 12  # listed one by one


def show(derivation: Derivation, written: list[str], console: Console | None = None) -> None:
    """Print the summary to standard output (or to ``console``)."""
    console = console or Console(highlight=False, soft_wrap=True)
    network = derivation.network
    writer = Text(Notation(network, derivation.sweep), equations_of(network, derivation.sweep))
    console.print(Styled(network.title, style="bold"))
    console.print(_equations(derivation, writer))
    console.print(_updates(derivation, writer))
    numbers = derivation.numbers
    if numbers is not None:
        before, after = float(numbers.loss.real), float(numbers.loss_after.real)
        console.print(Styled(f"{network.loss} = {before:.10g}, after one update {after:.10g}"))
    proof = derivation.proof
    count = sum(c.comparisons for c in proof.checks)
    worst = max(c.error for c in proof.checks)
    console.print(
        Styled(
            f"proved: {len(proof.checks)} independent forms, {count} comparisons, largest difference {worst:.0e}",
            style="green",
        )
    )
    for name in written:
        console.print(Styled(f"wrote {name}", style="dim"))


def text(derivation: Derivation) -> str:
    """The summary as plain text."""
    console = Console(file=StringIO(), highlight=False, soft_wrap=True, color_system=None, force_jupyter=False)
    show(derivation, [], console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().split("\n"))  # type: ignore[attr-defined]


def _equations(derivation: Derivation, writer: Text) -> Table:
    """The forward equations and the derivatives that have a name."""
    table = Table.grid(padding=(0, 1))
    for eq in flatten(derivation.network.equations):
        tensor = derivation.network.tensors[eq.lhs.tensor]
        if not tensor.anonymous:
            right = writer.equation(eq) + (", 0 around" if tensor.border else "")
            table.add_row(Styled(""), Styled(writer.access(eq.lhs)), Styled("="), Styled(right))
    for eq in flatten(derivation.sweep.equations):
        name = eq.lhs.tensor.removeprefix("∂")
        if name in derivation.sweep.deltas:
            loss, place = derivation.network.loss, writer.access(Access(name, *eq.lhs.indices))
            left = writer.access(eq.lhs) + ("" if eq.accumulate else f" = ∂{loss}/∂{place}")
            table.add_row(
                Styled(""),
                Styled(left, style="cyan"),
                Styled("+=" if eq.accumulate else "="),
                Styled(writer.equation(eq)),
            )
    return table


def _updates(derivation: Derivation, writer: Text) -> Table:
    """The update of every weight of a small network, of every weight array of a large one.

    Where the optimizer's equations take the gradient more than once they follow the gradients, once for all weights.
    """
    network = derivation.network
    table = Table.grid(padding=(0, 1))
    weights = [e for w in network.weights for e in w.elements()] if derivation.lines else []
    alone = network.optimizer.repeats_gradient
    write = writer.line if alone else writer.factor
    gradients = [(weight, write(derivation.scalars.gradient(weight))) for weight in weights]
    if not 0 < len(weights) <= MAX_WEIGHTS:
        gradients = []
        for eq in flatten(derivation.sweep.equations):
            name = eq.lhs.tensor.removeprefix("∂")
            if name in derivation.sweep.weights:
                gradient = writer.equation(eq)
                gradient = f"({gradient})" if eq.body.is_Add and not eq.reduce and not alone else gradient
                gradients.append((Access(name, *eq.lhs.indices), gradient))
    if not alone:
        for weight, gradient in gradients:
            _add_update(table, network, writer, writer.access(weight), gradient)
        return table
    for weight, gradient in gradients:
        left = f"∂{network.loss}/∂{writer.access(weight)}"
        table.add_row(Styled(""), Styled(left, style="cyan"), Styled("="), Styled(gradient))
    _add_update(table, network, writer, "w", "g")
    return table


def _add_update(table: Table, network: Network, writer: Text, letter: str, gradient: str) -> None:
    """The optimizer's equations for one weight; ``gradient`` is a factor."""
    optimizer = network.optimizer
    for symbol, body in optimizer.updates:
        writer.numbers = {optimizer.weight: letter, optimizer.gradient: gradient}
        right = writer.line(body, optimizer.order(symbol))
        writer.numbers = {}
        new = letter if symbol == optimizer.weight else writer.symbol(symbol.name)
        mark = f"*{new}" if network.notation == "numbered" else f"new {new}"
        table.add_row(Styled(""), Styled(mark, style="yellow"), Styled("="), Styled(right))
