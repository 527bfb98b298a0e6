"""The derivation for machines: every value, gradient, update and formula as JSON, at full precision.

``null`` stands where the specification gives no sample or no initial weights, and for numbers beyond the range of a
float.  Up to :data:`MAX_LISTED` weights are listed one by one; in a larger network every array is one entry, with
nested lists for its numbers and its equations in index notation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from codegen import latex
from codegen.numbering import flatten, plain_text
from codegen.outputs import MARKER
from derive.derivation import Derivation
from derive.evaluate import Values, nested
from derive.expressions import Access
from derive.gradient import adjoint_name
from derive.naming import element_names
from derive.network import Network, Tensor
from derive.numbers import at
from derive.proof import Proof

MAX_LISTED = 20_000

#: A value that fits is written on one line, as wide as our code.
WIDTH = 120

Json = Any
_NAMED_ROLES = ("input", "target", "value")


def render(derivation: Derivation, spec_name: str) -> str:
    """The text of ``net.json``; the file names the specification, never a folder or a time."""
    network, numbers = derivation.network, derivation.numbers
    samples = [_values(network, values) for values in numbers.samples] if numbers else []
    report = {
        "generator": f"{MARKER} from {spec_name}",
        "network": _network(network),
        "loss": {
            "name": network.loss,
            "value": _number(numbers.loss) if numbers else None,
            "after": _number(numbers.loss_after) if numbers else None,
        },
        "values": samples[0] if samples else _values(network, None),
        **({"samples": samples} if len(samples) > 1 else {}),
        "weights": list(_weights(derivation)),
        "proof": _proof(derivation.proof),
    }
    return _layout(report) + "\n"


def _network(network: Network) -> dict[str, Json]:
    optimizer = network.optimizer
    return {
        "title": network.title,
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "role": t.role}
            for t in network.tensors.values()
            if not t.anonymous
        ],
        "outputs": list(network.outputs),
        "notation": network.notation,
        "batch": network.batch,
        "optimizer": {
            "name": optimizer.name,
            "settings": {str(symbol): float(value) for symbol, value in optimizer.settings.items()},
        },
    }


def _values(network: Network, values: Values | None) -> dict[str, Json]:
    """The inputs, targets and named values of one sample."""
    named = [t for t in network.tensors.values() if t.role in _NAMED_ROLES and not t.anonymous]
    return {t.name: _array(values, t) for t in named}


def _weights(derivation: Derivation) -> Iterator[dict[str, Json]]:
    network = derivation.network
    if sum(t.size for t in network.weights) > MAX_LISTED:
        for tensor in network.weights:
            yield _weight_array(derivation, tensor)
        return
    for element, name in element_names(network.weights, network.notation).items():
        yield _weight(derivation, element, name)


def _weight(derivation: Derivation, element: Access, name: str) -> dict[str, Json]:
    """One single weight."""
    numbers = derivation.numbers
    return {
        "name": name,
        "array": element.tensor,
        "index": [int(i) for i in element.indices],
        "value": _number(at(numbers.weights, element)) if numbers else None,
        "gradient": _number(at(numbers.gradient, element)) if numbers else None,
        "updated": _number(at(numbers.updated, element)) if numbers else None,
        "formula": latex.formula_text(derivation, element),
        "latex": latex.formula_latex(derivation, element),
    }


def _weight_array(derivation: Derivation, tensor: Tensor) -> dict[str, Json]:
    """A whole weight array: what :func:`_weight` tells of one element, for all of them; the formula is the equation."""
    numbers = derivation.numbers
    gradient = adjoint_name(tensor.name)
    equations = [eq for eq in flatten(derivation.sweep.equations) if eq.lhs.tensor == gradient]
    return {
        "name": tensor.name,
        "array": tensor.name,
        "index": None,
        "value": _array(numbers.weights if numbers else None, tensor),
        "gradient": _array(numbers.gradient if numbers else None, tensor),
        "updated": _array(numbers.updated if numbers else None, tensor),
        "formula": "; ".join(map(plain_text, equations)),
        "latex": None,
    }


def _proof(proof: Proof) -> dict[str, Json]:
    return {
        "points": proof.points,
        "narrow": proof.narrow,
        "checks": [{"name": c.name, "comparisons": c.comparisons, "error": c.error} for c in proof.checks],
    }


def _array(values: Values | None, tensor: Tensor) -> Json:
    return None if values is None else _finite(nested(values[tensor.name], tensor))


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
