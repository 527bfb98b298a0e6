"""Plans are checked before they are printed: none of ours is illegal, and no mutation of one goes unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from networks import Made, networks
from oracles import example, network_of, sweep_of

from codegen.trainer.legality import IllegalPlan, check
from codegen.trainer.module import render
from codegen.trainer.nodes import Assign, Clear, Loop, Node, Product, Reduce, read, walk
from codegen.trainer.plans import GIVEN, Plans, plans
from codegen.trainer.schedule import TOTAL
from codegen.trainer.sequence import Updated

NAMES = ("two_two_one", "iris", "digits", "rnn", "gru", "digits_conv", "digits_normalised")
Nodes = tuple[Node, ...]
Kernels = list[Nodes]


@cache
def plans_of(name: str) -> Plans:
    spec = example(name)
    return plans(network_of(spec), sweep_of(spec))


def examine(name: str, kernels: Kernels, memory: dict[str, str] | None = None) -> None:
    """Check kernels as whole rows of an example."""
    whole, network = plans_of(name).whole, network_of(example(name))
    known = {t for t, tensor in whole.tensors.items() if tensor.role in GIVEN}
    slopes = {f"∂{w.name}" for w in network.weights}
    places = {t: t for t in whole.arrays} if memory is None else memory
    check(kernels, whole.tensors, given=known, results={*network.outputs, TOTAL, *slopes}, memory=places)


def kernels_of(name: str) -> Kernels:
    whole = plans_of(name).whole
    return [whole.forward, whole.losses, whole.backward]


def mutated(nodes: Nodes, change: Callable[[Nodes], Iterator[Nodes]]) -> Iterator[Nodes]:
    """The nodes with one change in one place: here, or inside one of the loops."""
    yield from change(nodes)
    for n, node in enumerate(nodes):
        if isinstance(node, Loop):
            for body in mutated(node.body, change):
                yield (*nodes[:n], replace(node, body=body), *nodes[n + 1 :])


def swapped(nodes: Nodes) -> Iterator[Nodes]:
    """Two neighbours the other way round, the second of which reads what the first computes."""
    for n, (first, second) in enumerate(pairwise(nodes)):
        computed = {m.target.tensor for m in walk([first]) if isinstance(m, Assign | Reduce)}
        computed |= {m.out.tensor for m in walk([first]) if isinstance(m, Product)}
        wanted = {a.tensor for a in read(second)}
        wanted |= {f.tensor for m in walk([second]) if isinstance(m, Product) for f in (m.left, m.right)}
        if computed & wanted:
            yield (*nodes[:n], second, first, *nodes[n + 2 :])


def without_a_start(nodes: Nodes) -> Iterator[Nodes]:
    for n, node in enumerate(nodes):
        if isinstance(node, Clear) or (isinstance(node, Assign) and node.value == 0 and not node.add):
            yield (*nodes[:n], *nodes[n + 1 :])


def without_a_statement(nodes: Nodes) -> Iterator[Nodes]:
    """But for additions to what others add to as well: nothing tells how many there should be."""
    for n, node in enumerate(nodes):
        if isinstance(node, Product) or (isinstance(node, Assign | Reduce) and not node.add and node.value != 0):
            yield (*nodes[:n], *nodes[n + 1 :])


def twice(nodes: Nodes) -> Iterator[Nodes]:
    for n, node in enumerate(nodes):
        if isinstance(node, Product) or (isinstance(node, Assign | Reduce) and not node.add):
            yield (*nodes[: n + 1], node, *nodes[n + 1 :])


def into_a_factor(nodes: Nodes) -> Iterator[Nodes]:
    for n, node in enumerate(nodes):
        if isinstance(node, Product):
            yield (*nodes[:n], replace(node, out=replace(node.out, tensor=node.left.tensor)), *nodes[n + 1 :])


def too_far(nodes: Nodes) -> Iterator[Nodes]:
    """A loop with one turn too many."""
    for n, node in enumerate(nodes):
        if isinstance(node, Loop) and node.range[1] >= node.range[0]:
            longer = replace(node, range=(node.range[0], node.range[1] + 1))
            yield (*nodes[:n], longer, *nodes[n + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_the_plans_of_the_examples_are_legal(name):
    examine(name, kernels_of(name))


@pytest.mark.parametrize("change", [swapped, without_a_start, without_a_statement, twice, into_a_factor, too_far])
@pytest.mark.parametrize("name", NAMES)
def test_every_mutation_is_noticed(name, change):
    kernels = kernels_of(name)
    for k, nodes in enumerate(kernels):
        for other in mutated(nodes, change):
            with pytest.raises(IllegalPlan):
                examine(name, [*kernels[:k], other, *kernels[k + 1 :]])


def test_there_is_something_to_mutate():
    for change in (swapped, without_a_start, without_a_statement, twice, into_a_factor, too_far):
        assert any(True for name in NAMES for nodes in kernels_of(name) for _ in mutated(nodes, change)), change


@pytest.mark.parametrize("name", NAMES)
def test_two_tensors_in_one_memory_are_noticed(name):
    arrays = plans_of(name).whole.arrays
    with pytest.raises(IllegalPlan, match="share memory"):
        examine(name, kernels_of(name), dict.fromkeys(arrays, "values[0]") | {"x": "values[0]"})


def test_kernels_in_another_order_are_noticed():
    with pytest.raises(IllegalPlan):
        examine("iris", kernels_of("iris")[::-1])


@pytest.mark.parametrize("name", ["two_two_one", "iris"])
def test_a_weight_updated_too_early_is_noticed(name):
    """Of the samples one after the other: every update moved to the front, before the weight is read."""
    found, network = plans_of(name), network_of(example(name))
    plan = found.sequence
    assert plan is not None
    known = {t for t, tensor in plan.tensors.items() if tensor.role in GIVEN}
    wanted = {network.loss, *(w.name for w in network.weights)}
    check([plan.nodes], plan.tensors, given=known, results=wanted, memory={})
    for node in plan.nodes:
        if any(isinstance(n, Assign) and isinstance(n.value, Updated) for n in walk([node])):
            early = (node, *(n for n in plan.nodes if n is not node))
            with pytest.raises(IllegalPlan):
                check([early], plan.tensors, given=known, results=wanted, memory={})


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=networks())
def test_the_plans_of_any_network_are_legal(made: Made):
    network = network_of(made.spec)
    render(network, sweep_of(made.spec), spec_name="net.spec", module_name="net_trainer")


def test_a_product_may_be_multiplied_by_a_number_afterwards():
    """In place: the statement reads what the product has written, and gives it anew."""
    spec = "input x[64]\nh[64] = tanh(linear(x))\nloss L = 0.1 * sum(cos(h))"
    found = plans(network_of(spec), sweep_of(spec))
    assert any(isinstance(n, Product) and n.out.tensor == "∂W1" for n in walk(found.whole.backward))
    render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer")


def test_a_state_before_the_first_step_has_its_derivative_after_all_others():
    spec = """
        input x[4, 3]
        weight A[2, 2], B[2, 3], s[2]
        h[0] = s
        h[t] = tanh(A @ h[t-1] + B @ x[t] + s)
        loss L = sum(cos(h))
    """
    render(network_of(spec), sweep_of(spec), spec_name="net.spec", module_name="net_trainer")
