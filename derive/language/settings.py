"""The statements that are not mathematics: title, notation, numbers, optimizer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import sympy

from derive.diagnostics import Span, SpecError, did_you_mean
from derive.language import checks, numbers, optimizers, syntax
from derive.language.formulas import Formulas
from derive.language.masks import check_drawn
from derive.language.names import NOTATIONS
from derive.naming import MAX_NUMBERED, numbered_groups
from derive.network import Network, Numbers, Optimizer
from derive.selection import choices

if TYPE_CHECKING:
    from derive.language.build import Builder


#: What the learning rate is called where the specification does not tell: the first that is free.
RATE_NAMES = ("a", "eta", "alpha", "rate")


class Settings:
    """What the statements besides declarations and equations say, checked against the tensors."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.title = "Untitled network"
        self.notation = "indexed"
        self.batch: Literal["mean", "sum"] = "mean"
        self.rate: syntax.Rate | None = None
        self.chosen: syntax.Optimizer | None = None
        self.lines: list[syntax.Optimizer | syntax.Update] = []
        self.samples: list[dict[str, Numbers]] = []
        self.first_sample: Span | None = None
        self.initial: dict[str, Numbers] = {}
        self.constants: dict[str, Numbers] = {}
        self.inits: list[syntax.Assignment] = []
        self.seen: dict[type[Any], Span] = {}

    def read(self, statement: syntax.Statement) -> None:
        """Take one statement in; declarations and equations are not for here."""
        match statement:
            case syntax.Title() | syntax.Notation() | syntax.Rate() | syntax.Optimizer() | syntax.Batch():
                self.once(statement)
        match statement:
            case syntax.Title():
                self.title = statement.text
            case syntax.Notation():
                self.notation = self.word("notation", statement.style, NOTATIONS)
            case syntax.Batch():
                self.batch = self.word("batch", statement.reduction, ("mean", "sum"))  # type: ignore[assignment]
            case syntax.Rate():
                if statement.name.id in self.builder.spans:
                    self.builder.refuse_second(statement.name)
                self.rate = statement
            case syntax.Optimizer():
                self.chosen = statement
                self.lines.append(statement)
            case syntax.Update():
                self.lines.append(statement)
            case syntax.Init():
                self.inits += statement.assignments
            case syntax.Sample():
                self.sample(statement)

    def once(self, statement: syntax.Statement) -> None:
        if type(statement) in self.seen:
            line = self.builder.source.locate(self.seen[type(statement)].start)[0]
            word = type(statement).__name__.lower().replace("title", "network")
            raise SpecError(
                f"there are two '{word}' lines", statement.span, f"the first is on line {line}", "remove one"
            )
        self.seen[type(statement)] = statement.span

    def word(self, statement: str, name: syntax.Name, known: tuple[str, ...]) -> str:
        if name.id not in known:
            hint = did_you_mean(name.id, known) or f"write {statement} {', '.join(known[:-1])} or {known[-1]}"
            raise SpecError(f"unknown {statement} '{name.id}'", name.span, "", hint)
        return name.id

    def sample(self, statement: syntax.Sample) -> None:
        """One sample: a value for every input and target, and for masks; without one a mask is 1 everywhere."""
        wanted = {t.name: t for t in self.builder.tensors.values() if t.role in ("input", "target")}
        masks = {name: self.builder.tensors[name] for name in self.builder.masks}
        known = {**wanted, **masks}
        sample: dict[str, Numbers] = {}
        places = choices(self.builder.equations)
        for assignment in statement.assignments:
            name = assignment.name
            if name.id not in known:
                hint = did_you_mean(name.id, known) or (
                    f"a sample gives {', '.join(known)}" if known else "without inputs and targets there are no samples"
                )
                raise SpecError(f"'{name.id}' is not an input or target", name.span, "", hint)
            if name.id in sample:
                raise SpecError(f"'{name.id}' is given twice in this sample", name.span, "", "remove one of the two")
            sample[name.id] = numbers.array(assignment.values, known[name.id])
            if name.id in masks:
                check_drawn(assignment.values, self.builder.masks[name.id])
            checks.check_choices(places, name.id, sample[name.id], assignment.values.span)
        missing = [name for name in wanted if name not in sample]
        if missing:
            raise SpecError(f"this sample does not give {missing[0]}", statement.span, "", f"add: {missing[0]} = …")
        self.first_sample = self.first_sample or statement.span
        checks.check_facts(self.builder.facts, sample, statement)
        ones = {n: numbers.filled(m, sympy.Integer(1), statement.span) for n, m in masks.items() if n not in sample}
        self.samples.append({**ones, **sample})

    def optimizer(self) -> Optimizer:
        """The chosen optimizer with its numbers; gradient descent where none is chosen."""
        own = next(iter(optimizers.definitions(self.lines)), None)
        if own is not None and own.updates:
            made = optimizers.compile_optimizer(self.builder, own, self.rate.name if self.rate else None)
        else:
            made = self.from_catalogue(self.chosen.name if self.chosen else None)
        for setting in map(str, made.settings):
            if setting in self.builder.tensors and not (self.rate and setting == self.rate.name.id):
                help = f"write another name here, or leave {made.name} out"
                raise SpecError(f"'{setting}' is a setting of {made.name} too", self.builder.spans[setting], "", help)
        settings = {made.rate: sympy.Integer(0), **made.settings, **self.hyperparameters(made)}
        schedule, first = self.schedule() if self.rate else (None, settings[made.rate])
        made = replace(made, settings={**settings, made.rate: first}, schedule=schedule)
        for line in own.updates if own else ():
            if line.target.brackets and not _is_number(made.start(line.target.name.id)):
                raise SpecError("this has no real value", line.body.span, "", "change it, or the settings in it")
        return made

    def from_catalogue(self, name: syntax.Name | None) -> Optimizer:
        """An optimizer of the catalogue, its learning rate called as the ``rate`` line says, else by a free letter."""
        known = optimizers.catalogue()
        if name is not None and name.id not in known:
            own = "one of your own has update lines below it"
            hint = did_you_mean(name.id, known) or f"the optimizers are {', '.join(known)};\n{own}"
            raise SpecError(f"unknown optimizer '{name.id}'", name.span, "", hint)
        made = optimizers.catalogued(name.id if name else "sgd")
        taken = {s.name for s, _ in made.updates} | {s.name for s in made.settings if s != made.rate} | {"g", "k"}
        if self.rate and self.rate.name.id in taken:
            letter = self.rate.name
            message = f"'{letter.id}' stands in the updates of {made.name}"
            raise SpecError(message, letter.span, "", "write another letter")
        free = (n for n in RATE_NAMES if n not in self.builder.tensors and n not in taken)
        if self.rate:
            return optimizers.with_rate(made, self.rate.name.id)
        own = next(free)
        self.builder.made[own] = 0
        return optimizers.with_rate(made, own)

    def schedule(self) -> tuple[sympy.Expr | None, sympy.Expr]:
        """The formula of the learning rate where it changes, and its value in the first update."""
        assert self.rate is not None
        node, k = self.rate.value, optimizers.COUNT
        formulas = Formulas(self.builder, "a learning rate", {"k": k}, optimizers.schedules())
        formula, _ = formulas.lower(formulas.with_first(node, "k"))
        first = formula.xreplace({k: sympy.Integer(1)})
        if not _is_number(first):
            help = "k counts the updates from 1"
            raise SpecError("the learning rate has no real value at k = 1", node.span, "", help)
        if first <= 0:
            label = "" if formula == first else f"it is {float(first):g} at k = 1, the first update"
            raise SpecError("a learning rate is positive", node.span, label, "for example: rate a = 0.05")
        return (None if formula == first else formula), first

    def hyperparameters(self, optimizer: Optimizer) -> dict[sympy.Symbol, sympy.Rational]:
        """The numbers in the brackets behind the optimizer's name."""
        known = {str(s): s for s in optimizer.settings}
        rate = str(optimizer.rate)
        values: dict[sympy.Symbol, sympy.Rational] = {}
        for key, value in self.chosen.settings if self.chosen else ():
            if key.id not in known:
                hint = did_you_mean(key.id, known) or f"its settings are {', '.join(known)}"
                raise SpecError(f"{optimizer.name} has no setting '{key.id}'", key.span, "", hint)
            if known[key.id] in values or (self.rate and key.id == rate):
                raise SpecError(f"'{key.id}' is given twice", key.span, "", "remove one of the two")
            if key.id == rate and value.value <= 0:
                raise SpecError("a learning rate is positive", value.span, "", f"for example: {rate} = 0.05")
            if value.value < 0:
                raise SpecError(f"{key.id} cannot be negative", value.span, "", "write 0 or a positive number")
            values[known[key.id]] = numbers.rational(value)
        return values

    def finish(self, network: Network) -> Network:
        """The network with its initial weights, which need the numbering of the weights."""
        weights = sum(t.size for t in network.weights)
        if network.notation == "numbered" and weights > MAX_NUMBERED:
            help = f"numbers are for at most {MAX_NUMBERED:,}; leave the line out, and weights are called W1[1,2]"
            label = f"there are {weights:,}"
            raise SpecError("too many weights to be numbered", self.seen[syntax.Notation], label, help)
        groups = numbered_groups(network.weights) if network.notation == "numbered" else {}
        tensors = {t.name: t for t in network.weights}
        if network.notation == "numbered":
            self.check_numbered(groups)
        for assignment in self.inits:
            name = assignment.name
            if name.id in tensors:
                self.put(name, numbers.array(assignment.values, tensors[name.id], broadcast=True))
            elif groups.get(name.id):
                elements = groups[name.id]
                given = numbers.flat(assignment.values)
                if len(given) == 1:
                    given = given * len(elements)
                if len(given) != len(elements):
                    raise SpecError(
                        f"wrong number of values for {name.id}",
                        assignment.values.span,
                        f"{len(given)} given",
                        f"the network has {len(elements)}, from {name.id}1 to {name.id}{len(elements)}",
                    )
                for tensor in [t for t in network.weights if any(e.tensor == t.name for e in elements)]:
                    own = [v for e, v in zip(elements, given, strict=True) if e.tensor == tensor.name]
                    self.put(name, numbers.reshape(own, tensor.shape), tensor.name)
            else:
                known = [*tensors, *(g for g, elements in groups.items() if elements)]
                hint = did_you_mean(name.id, known) or f"the weights are {', '.join(known)}"
                if name.id == "w" and not groups:
                    hint = "one list for all weights needs: notation numbered"
                raise SpecError(f"'{name.id}' is not a weight", name.span, "", hint)
        starts = self.builder.starts | self.initial
        return replace(network, initial={t.name: starts[t.name] for t in network.weights if t.name in starts})

    def put(self, name: syntax.Name, values: Numbers, tensor: str = "") -> None:
        if (tensor or name.id) in self.initial:
            raise SpecError(f"{tensor or name.id} is initialised twice", name.span, "", "remove one of the two")
        self.initial[tensor or name.id] = values

    def check_numbered(self, groups: dict[str, list[Any]]) -> None:
        """Numbered weights must not take the name of anything else."""
        for letter, elements in groups.items():
            for n in range(1, len(elements) + 1):
                tensor = self.builder.tensors.get(f"{letter}{n}")
                if tensor is not None and not (tensor.role == "weight" and tensor.shape):
                    raise SpecError(
                        f"'{letter}{n}' is the name of a numbered weight too",
                        self.builder.spans[tensor.name],
                        "",
                        f"rename {tensor.name}, or leave out: notation numbered",
                    )


def _is_number(value: sympy.Expr) -> bool:
    return bool(value.is_real and value.is_finite)


def symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)
