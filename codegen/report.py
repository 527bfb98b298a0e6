"""The derivation for machines: every value, gradient, update and formula as JSON, at full precision.

``null`` stands where the specification gives no sample or no initial weights, and for numbers beyond the range of a
float.  Up to :data:`MAX_LISTED` weights are listed one by one; in a larger network every array is one entry, with
nested lists for its numbers and formulas in index notation.  ``first`` tells the indices of the first element of a
tensor that does not count from 1: a recurrence with the state ``h[0]``, zeros around an image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from codegen.formulas.latex import Formulas
from codegen.marker import MARKER
from derive.derivation import Derivation
from derive.evaluate import Values, array, nested
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.naming import element_names
from derive.network import Network, Tensor, flatten
from derive.numbers import at
from derive.proof import Proof

MAX_LISTED = 20_000

#: A value that fits is written on one line, as wide as our code.
WIDTH = 120

Json = Any
_NAMED_ROLES = ("input", "target", "mask", "value")


def render(derivation: Derivation, spec_name: str) -> str:
    """The text of ``net.json``; the file names the specification, never a folder or a time."""
    network, numbers = derivation.network, derivation.numbers
    samples = [_values(network, values) for values in (numbers.samples if numbers else _given(network))]
    report = {
        "generator": f"{MARKER} from {spec_name}",
        "network": _network(network, Formulas(derivation)),
        "loss": {
            "name": network.loss,
            "value": _number(numbers.loss) if numbers else None,
            "after": _number(numbers.loss_after) if numbers else None,
        },
        "values": samples[0],
        **({"samples": samples} if len(samples) > 1 else {}),
        "weights": list(_weights(derivation)),
        "proof": _proof(derivation.proof),
    }
    return _layout(report) + "\n"


def _network(network: Network, formulas: Formulas) -> dict[str, Json]:
    optimizer = network.optimizer
    return {
        "title": network.title,
        "tensors": [
            {
                "name": t.name,
                "shape": list(t.shape),
                "role": t.role,
                **({"first": [t.start(d) for d in range(len(t.shape))]} if set(t.first) - {1} else {}),
            }
            for t in network.tensors.values()
            if not t.anonymous
        ],
        **({"masks": {name: float(p) for name, p in network.masks.items()}} if network.masks else {}),
        "outputs": list(network.outputs),
        "notation": network.notation,
        "batch": network.batch,
        "optimizer": {
            "name": optimizer.name,
            "settings": {str(symbol): float(value) for symbol, value in optimizer.settings.items()},
            **({"schedule": formulas.of_rate()} if optimizer.schedule is not None else {}),
        },
    }


def _given(network: Network) -> list[Values]:
    """The samples as the specification gives them, where there are no weights to work them with."""
    return [{n: array(v, network.tensors[n]) for n, v in s.items()} for s in network.samples] or [{}]


def _values(network: Network, values: Values) -> dict[str, Json]:
    """The inputs, targets and named values of one sample."""
    named = [t for t in network.tensors.values() if t.role in _NAMED_ROLES and not t.anonymous]
    return {t.name: _array(values, t) for t in named}


def _weights(derivation: Derivation) -> Iterator[dict[str, Json]]:
    network, formulas = derivation.network, Formulas(derivation)
    initial = {n: array(v, network.tensors[n]) for n, v in network.initial.items()}
    if sum(t.size for t in network.weights) > MAX_LISTED:
        for tensor in network.weights:
            yield _weight_array(derivation, formulas, initial, tensor)
        return
    for element, name in element_names(network.weights, network.notation).items():
        yield _weight(derivation, formulas, initial, element, name)


def _weight(derivation: Derivation, formulas: Formulas, initial: Values, element: Access, name: str) -> dict[str, Json]:
    """One single weight."""
    numbers = derivation.numbers
    return {
        "name": name,
        "array": element.tensor,
        "index": [int(i) for i in element.indices],
        "value": _number(at(initial, element)) if element.tensor in initial else None,
        "gradient": _number(at(numbers.gradient, element)) if numbers else None,
        "updated": _number(at(numbers.updated, element)) if numbers else None,
        **formulas.of_weight(element),
    }


def _weight_array(derivation: Derivation, formulas: Formulas, initial: Values, tensor: Tensor) -> dict[str, Json]:
    """A whole weight array: what :func:`_weight` tells of one element, in indices for all of them.

    A weight that several equations use at different places has the formula of each, separated by semicolons.
    """
    numbers = derivation.numbers
    gradient = adjoint_name(tensor.name)
    equations = [eq for eq in flatten(derivation.sweep.equations) if eq.lhs.tensor == gradient]
    return {
        "name": tensor.name,
        "array": tensor.name,
        "index": [str(i) for i in equations[0].lhs.indices] if len(equations) == 1 else None,
        "value": _array(initial, tensor),
        "gradient": _array(numbers.gradient if numbers else {}, tensor),
        "updated": _array(numbers.updated if numbers else {}, tensor),
        **formulas.of_equations(equations),
    }


def _proof(proof: Proof) -> dict[str, Json]:
    return {
        "points": proof.points,
        "narrow": proof.narrow,
        "checks": [{"name": c.name, "comparisons": c.comparisons, "error": c.error} for c in proof.checks],
    }


def _array(values: Values, tensor: Tensor) -> Json:
    """A tensor as nested lists; ``None`` where it has no numbers."""
    return _finite(nested(values[tensor.name], tensor)) if tensor.name in values else None


def _number(value: Any) -> float | None:
    """A number in working precision as a float."""
    converted: float | None = _finite(float(value.real))
    return converted


def _finite(value: Json) -> Json:
    """Nested lists of floats in which ``null`` stands for what JSON cannot hold."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if math.isfinite(value) else None


def _layout(value: Json, indent: int = 0, before: int = 0) -> str:
    """JSON that a person can read: a list or an object stands on one line where it fits, as rows of a matrix do."""
    compact = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, list | Mapping) or not value or (indent and before + len(compact) <= WIDTH):
        return compact
    inner = " " * (indent + 2)
    if isinstance(value, list):
        lines = [inner + _layout(item, indent + 2, indent + 3) for item in value]
    else:
        keys = {key: f"{json.dumps(key, ensure_ascii=False)}: " for key in value}
        lines = [
            inner + keys[key] + _layout(item, indent + 2, indent + 3 + len(keys[key])) for key, item in value.items()
        ]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return "\n".join((opening, ",\n".join(lines), " " * indent + closing))
