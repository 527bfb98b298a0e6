"""From equations to loops and products: kinds, order, fusion, where values live, and program-wide stable rules."""

from __future__ import annotations

import ast

import sympy

from codegen.arithmetic.program import Program, program_of
from codegen.arithmetic.stable import stable
from codegen.trainer.kinds import Kind, kinds
from codegen.trainer.module import render
from codegen.trainer.nodes import SAMPLE, Assign, Loop, Node, Product, Reduce, walk
from codegen.trainer.schedule import Schedule, schedule
from derive.diagnostics import Source
from derive.expressions import Access
from derive.gradient import sweep
from derive.language.build import load


def program(spec: str) -> Program:
    network = load(Source("net.spec", spec))
    return program_of(network, sweep(network))


def plan(spec: str) -> Schedule:
    network = load(Source("net.spec", spec))
    return schedule(stable(program_of(network, sweep(network))), network.outputs, network.loss)


def nest_of(nodes: tuple[Node, ...], tensor: str) -> list[str]:
    """The indices of the loops around the statement that gives a tensor its value, the outermost first."""
    for node in nodes:
        if isinstance(node, Loop):
            inner = nest_of(node.body, tensor)
            if inner:
                return [str(node.index), *inner]
        elif isinstance(node, Assign | Reduce) and node.target.tensor == tensor and node.value != 0:
            return [*(str(i) for i, _ in getattr(node, "loops", ())), "="]
    return []


def dense(inputs: int, outputs: int) -> str:
    return f"""
        input x[{inputs}]
        h[{outputs}] = tanh(dense(x))
        y[{outputs}] = tanh(dense(h))
        target t[{outputs}]
        loss L = squared_error(y, t) + 0.1 * sum(W1^2)
    """


def test_kinds():
    found = kinds(program(dense(2, 3)))
    assert found["h"] is found["L"] is found["∂z1"] is Kind.BATCH
    assert found["W1"] is Kind.PLAIN
    assert found["∂W1"] is found["∂b2"] is Kind.SUMMED
    squares = [name for name, kind in found.items() if kind is Kind.PLAIN and name.startswith("Σ")]
    assert len(squares) == 1  # Σ W1² depends on no sample


def test_small_products_are_loops_with_a_contiguous_innermost_index():
    s = plan(dense(2, 3))
    assert not any(isinstance(n, Product) for k in (s.forward, s.losses, s.backward) for n in walk(k))
    assert nest_of(s.forward, "Σ1") == ["sample", "i", "j", "="]  # rows of W1 against x
    assert nest_of(s.backward, "∂W2") == ["sample", "i", "j", "="]


def test_large_products_are_found_in_the_equations():
    s = plan(dense(64, 64))
    products = [
        (n.out.tensor, n.left.tensor, n.right.tensor)
        for k in (s.forward, s.backward)
        for n in k
        if isinstance(n, Product)
    ]
    assert [p[0] for p in products] == ["Σ1", "Σ2", "Σ∂1", "∂W1", "∂W2"]
    assert products[0] == ("Σ1", "x", "W1")
    assert products[3] == ("∂W1", "∂z1", "x")


def test_a_factor_that_is_more_than_an_element_is_stored_for_the_product():
    spec = """
        input x[64]
        weight W[64, 64]
        y[i] = sum(j: W[i,j] * tanh(x[j])^2)
        target t[64]
        loss L = squared_error(y, t)
    """
    s = plan(spec)
    product = next(n for n in s.forward if isinstance(n, Product))
    assert product.left.tensor in s.arrays
    assert s.kinds[product.left.tensor] is Kind.BATCH


def test_sample_independent_terms_stand_outside_the_sample_loop():
    s = plan(dense(2, 3))
    outside = [n for n in s.losses if "sample" not in str(n)]
    assert outside, "Σ W1² is computed once"
    for node in s.backward:
        if isinstance(node, Loop) and node.index is not SAMPLE:
            assert all(
                a.tensor in ("W1", "∂W1") for n in walk([node]) if isinstance(n, Assign) for a in n.value.atoms(Access)
            )


def test_elementwise_equations_share_a_loop_and_their_values_stay_in_scalars():
    s = plan(
        "input x[4]\n weight a[4]\n u[i] = a[i] * x[i]\n v[i] = u[i]^2\n y = sum(v)\n target t\n loss L = (y - t)^2"
    )
    loops = [n for n in walk(s.forward) if isinstance(n, Loop) and n.index is not SAMPLE]
    assert len(loops) == 1
    assert [n.target.tensor for n in loops[0].body] == ["u", "v"]
    assert "L" in s.scalars


def test_fusion_keeps_what_another_iteration_reads():
    """v[j] reads u[6-j]: the loops must stay apart."""
    s = plan(
        "input x[5]\n weight a, c[5]\n u[i] = a * x[i]\n v[j] = c[j] * u[6-j]\n y = sum(v)\n target t\n"
        "loss L = (y - t)^2"
    )
    loops = [
        n for n in walk(s.forward) if isinstance(n, Loop) and n.index is not SAMPLE and not isinstance(n.body[0], Loop)
    ]
    assert [[n.target.tensor for n in loop.body] for loop in loops][:2] == [["u"], ["v"]]


def test_time_runs_backwards_for_the_derivatives():
    s = plan("input u[5]\n weight w\n s[t] = tanh(w*s[t-1] + u[t])\n target r\n loss L = (s[5] - r)^2")
    forward = next(n for n in walk(s.forward + s.losses) if isinstance(n, Loop) and str(n.index) == "t")
    backward = next(n for n in s.backward if isinstance(n, Loop) and str(n.index) == "t" and n.backward)
    assert not forward.backward
    assert backward.range == forward.range == (1, 5)


# rules on programs


def bodies(spec: str) -> dict[str, sympy.Expr]:
    return {line.equation.lhs.tensor: line.equation.body for line in stable(program(spec)).forward}


SOFTMAX = "input x[3]\n weight W[3, 3]\n z[i] = sum(j: W[i,j]*x[j])\n target t[3]\n"


def test_shift_of_a_softmax_written_by_hand():
    found = bodies(SOFTMAX + "e = sum(i: exp(z[i]))\n q[i] = exp(z[i]) / e\n loss L = -sum(i: t[i]*log(q[i]))")
    assert str(found["e"]) == "⟨e[i]"
    assert str(found["⟨e"]) == "exp(-⌈e + z[i])"
    assert str(found["q"]) == "⟨e[i]/e"
    logarithm = next(b for b in found.values() if b.has(sympy.log))
    assert not any(a.tensor == "q" for a in logarithm.atoms(Access))


def test_shift_of_log_sum_exp():
    found = bodies(SOFTMAX + "loss L = log(sum(exp(z))) - sum(t*z)")
    largest = next(name for name in found if name.startswith("⌈"))
    assert found["L"].has(sympy.log(Access(largest[1:])))
    assert found["L"].coeff(Access(largest)) == 1


def test_a_sum_of_exponentials_alone_is_not_shifted():
    found = bodies(SOFTMAX + "loss L = sum(exp(z)) - sum(t*z)")
    assert not any(name.startswith("⌈") for name in found)


def test_the_terms_of_a_maximum_are_stored_for_its_derivative():
    lines = stable(program(SOFTMAX + "m = max(i: z[i]*t[i] + z[i]^2)\n loss L = m^2")).lines
    text = "\n".join(str(line.equation) for line in lines)
    assert "m = max[i] ⟨m[i]" in text
    assert "Equal(⟨m[i], m)" in text


def test_a_logarithm_looks_through_definitions():
    found = bodies(
        "input x\n weight w\n z = w*x\n q = 1/(1 + exp(-z))\n target t\n loss L = -t*log(q) - (1-t)*log(1-q)"
    )
    assert "Softplus(z)" in str(found["L"])
    assert "Softplus(-z)" in str(found["L"])
    assert not found["L"].has(sympy.log)


# How much is compiled --------------------------------------------------------------------------------------------

DEEP = (
    "input x[{0}]\nh[{1}] = tanh(dense(x))\ng[{1}] = relu(dense(h))\np[{2}] = softmax(dense(g))\n"
    "target t[{2}]\nloss L = cross_entropy(t, p)\n"
)
SIZES = [(2, 2, 2), (4, 8, 3), (20, 20, 5), (64, 64, 10), (1000, 1000, 10)]
MOST_STATEMENTS = 200  # of one kernel of this network, whatever its sizes; measured: 174


def statements(spec: str) -> dict[str, int]:
    """How many statements every compiled function has in the text of a trainer."""
    network = load(Source("net.spec", spec))
    tree = ast.parse(render(network, sweep(network), spec_name="net.spec", module_name="net_trainer"))
    functions = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.decorator_list]
    return {f.name: sum(isinstance(node, ast.stmt) for node in ast.walk(f)) for f in functions}


def test_wide_networks_have_no_more_statements_than_narrow_ones() -> None:
    """Everything is loops: the text of a kernel, and with it the time to compile it, stays bounded."""
    found = [
        statements(DEEP.format(*sizes)) for sizes in ((2, 2, 2), (4, 8, 3), (20, 20, 5), (64, 64, 10), (1000, 1000, 10))
    ]
    assert max(count for counts in found for count in counts.values()) <= 11 * MOST_STATEMENTS
    narrow, *_, wide = (counts.values() for counts in found)
    assert sum(wide) < sum(narrow)
