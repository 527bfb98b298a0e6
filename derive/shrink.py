"""A narrow copy of a network: the same equations at small sizes.

A formula in index notation holds for any width, so it can be proved where every width is two or three; that keeps
the proof of a 784-128-10 network as cheap as that of a 3-2-3 one.
"""

from __future__ import annotations

from dataclasses import replace

from derive.expressions import Index
from derive.network import Equation, Network, Scan, Tensor

Dimension = tuple[str, int]


def can_shrink(network: Network) -> bool:
    """Whether every index stands alone, so that sizes may change freely."""
    return all(
        not isinstance(step, Scan)
        and all(i.is_Symbol or i == 1 for a in (step.lhs, *step.reads) for i in a.indices)
        and not any(t.first for t in network.tensors.values())
        for step in network.equations
    )


def shrink(network: Network) -> Network:
    """The network with each independent size replaced by 2 or 3, alternating; sizes below stay."""
    if not can_shrink(network):
        return network
    classes = _classes(network)
    sizes: dict[int, int] = {}
    for dimension, label in classes.items():
        extent = network.tensors[dimension[0]].shape[dimension[1]]
        sizes.setdefault(label, min(extent, 2 + len(sizes) % 2))
    tensors = {
        name: replace(t, shape=tuple(sizes[classes[name, d]] for d in range(len(t.shape))))
        for name, t in network.tensors.items()
    }
    equations = tuple(_shrink_equation(eq, tensors) for eq in network.equations if isinstance(eq, Equation))
    constants = {name: _corner(numbers, tensors[name].shape) for name, numbers in network.constants.items()}
    return replace(
        network, tensors=tensors, equations=equations, samples=(), initial={}, constants=constants, source=None
    )


def _corner(numbers: object, shape: tuple[int, ...]) -> object:
    if not shape:
        return numbers
    assert isinstance(numbers, list)
    return [_corner(row, shape[1:]) for row in numbers[: shape[0]]]


def _classes(network: Network) -> dict[Dimension, int]:
    """A label for every dimension of every tensor; equal where one index runs over both."""
    dimensions = [(t.name, d) for t in network.tensors.values() for d in range(len(t.shape))]
    label = {dimension: n for n, dimension in enumerate(dimensions)}

    def merge(old: int, new: int) -> None:
        for key, value in label.items():
            if value == old:
                label[key] = new

    for eq in network.flat_equations:
        seen: dict[Index, Dimension] = {}
        for access in (eq.lhs, *eq.reads):
            for d, i in enumerate(access.indices):
                if i.is_Symbol:
                    dimension = (access.tensor, d)
                    if i in seen:
                        merge(label[dimension], label[seen[i]])
                    seen[i] = dimension
    return label


def _shrink_equation(eq: Equation, tensors: dict[str, Tensor]) -> Equation:
    ranges = {}
    for access in (eq.lhs, *eq.reads):
        for d, i in enumerate(access.indices):
            if i.is_Symbol:
                ranges[i] = (1, tensors[access.tensor].shape[d])
    return replace(eq, ranges={s: ranges.get(s, r) for s, r in eq.ranges.items()})
