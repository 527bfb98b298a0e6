"""What the class around the kernels knows of a network: its tables, the signatures of its methods, its defaults."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.trainer.literals import literal
from codegen.trainer.optimizer import Update
from derive.network import Network, Numbers
from derive.selection import choices

#: The parameters of the class ``Trainer`` that every network has.
PARAMETERS = (
    "solver learning_rate_init batch_size max_iter shuffle random_state dtype momentum tol n_iter_no_change verbose "
    "warm_start math"
).split()


def tables(network: Network, solvers: list[Update], statistics: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The module's constants: what the wrapper around the kernels needs to know."""
    binary = tuple(dict.fromkeys(f.tensor for f in network.facts if not f.reduce))
    sums = {
        f.tensor: tuple(d + 1 for d in f.axes(len(network.tensors[f.tensor].shape))) for f in network.facts if f.reduce
    }
    masks: dict[str, tuple[object, str]] = {
        "MASKS": ({t.name: t.shape for t in network.of_role("mask")}, "data that the trainer draws"),
        "DROPPED": (
            {n: float(p) for n, p in network.masks.items()},
            "the probability of a 0 in them, else 1 / (1 - p)",
        ),
    }
    places = {name: last for name, last in choices(network.flat_equations).items() if name not in network.constants}
    tables: dict[str, tuple[object, str]] = {
        "INPUTS": ({t.name: t.shape for t in network.of_role("input")}, "shapes of one sample"),
        "TARGETS": ({t.name: t.shape for t in network.of_role("target")}, ""),
        **(masks if network.masks else {}),
        **({"STATISTICS": (dict(statistics), "of all samples, for predictions")} if statistics else {}),
        "OUTPUTS": ({name: network.tensors[name].shape for name in network.outputs}, ""),
        "WEIGHTS": ({t.name: t.shape for t in network.weights}, "in the order of the parameter vector"),
        "BIASES": (tuple(t.name for t in network.weights if t.bias), "weights that start at zero"),
        "INITIAL": ({k: _numbers(v) for k, v in network.initial.items()}, "weights that start at given values"),
        "CONSTANTS": ({t.name: _numbers(network.constants[t.name]) for t in network.of_role("constant")}, ""),
        "SUM_TO_ONE": (sums, "targets whose elements add up to 1, and along which axes"),
        "ZERO_OR_ONE": (binary, "targets whose elements are 0 or 1"),
        **({"CHOICES": (places, "data that are whole numbers from 1 to the number of places")} if places else {}),
        "SCORED": (scored_pairs(network), "targets and the outputs that predict them"),
        "SOLVERS": ({s.name: s.settings for s in solvers}, "with their settings"),
        "STATES": ({s.name: s.states for s in solvers}, "vectors that a solver keeps beside the weights"),
        "PARAMETERS": (_parameters(network, solvers), "of the class Trainer"),
    }
    lines = []
    for name, (value, comment) in tables.items():
        text = f"{name} = {literal(value, len(name) + 3)}"
        lines.append(
            text + (f"  # {comment}" if comment and "\n" not in text and len(text) + len(comment) < 116 else "")
        )
    return "\n".join(lines).split("\n")


def _numbers(value: Numbers) -> object:
    return [_numbers(v) for v in value] if isinstance(value, list) else float(value)


def _parameters(network: Network, solvers: list[Update]) -> tuple[str, ...]:
    return (*PARAMETERS, *(["constants"] if adjustable(network) else []), *extra_settings(solvers))


def extra_settings(solvers: list[Update]) -> list[str]:
    """Settings of solvers, in the order of the solvers, that not every network's trainer has."""
    return [name for name in dict.fromkeys(n for s in solvers for n in s.settings) if name not in PARAMETERS]


def classifier_kind(network: Network) -> str:
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


def scored_pairs(network: Network) -> dict[str, str]:
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


def signatures(network: Network, classifier: str) -> dict[str, str]:
    """The first lines of the trainer's methods: data are asked for where the network has any."""
    data = ["X"] * bool(network.of_role("input")) + ["y"] * bool(network.of_role("target"))
    arguments = {
        "fit": data,
        "partial_fit": [*data, *(["classes=None"] if classifier else [])],
        "predict": [a for a in data if a == "X"],
        "score": data,
        "best": [f"{name}=None" for name in data],
    }
    methods = {name: f"    def {name}({', '.join(['self', *found])}):" for name, found in arguments.items()}
    many = ", ".join([*data, "seeds=0", "*", "same_order=False", "n_jobs=None", "**parameters"])
    return {**methods, "fit_many": f"def fit_many({many}):"}


def adjustable(network: Network) -> list[str]:
    """The constants that a trainer may be given other values for: all but those that stand as indices."""
    places = choices(network.flat_equations)
    return [t.name for t in network.of_role("constant") if t.name not in places]


def class_words(network: Network, classifier: str) -> str:
    """How many classes there may be, for a message."""
    if classifier == "binary":
        return "one output for 2 classes"
    return f"{network.of_role('target')[0].size} outputs" if classifier else ""
