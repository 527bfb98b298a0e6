"""The steps in indices: every line, its indices put in, equals the derivative; notes of any width stay short."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from itertools import product

import pytest
import sympy
from oracles import complex_step, draw, evaluated, exact, example, network_of, sweep_of

from codegen.notes import compose as notes
from derive.derivation import derive
from derive.evaluate import Number, Values, compile_scalar, context, forward
from derive.expressions import Access
from derive.index_lines import evaluate
from derive.index_steps import IndexDerivation, IndexSteps
from derive.network import Network, Scan
from derive.scalars import Scalars
from derive.steps import plain
from derive.tidy import RULES

SPECS = {
    "iris": "input x[2]\nh[3] = tanh(dense(x))\np[2] = softmax(dense(h))\ntarget t[2]\n"
    "loss L = cross_entropy(t, p) + 0.001 * sum(W1^2)\n",
    "convolution": "size n = 5\ninput x[n]\nweight K[3], c, v[3]\nz[i] = sum(k: K[k] * x[i+k-1]) + c\nh = relu(z)\n"
    "y = sum(i: v[i] * h[i])\ntarget t\nloss L = (y - t)^2\n",
    "stacked convolutions": "input x[6]\nweight K[2], M[2]\nz[i] = sum(k: K[k] * x[i+k-1])\nh = sigmoid(z)\n"
    "u[i] = sum(k: M[k] * h[i+k-1])\nloss L = sum(u^2)\n",
    "shared": "input x[3]\nweight W[3, 3]\nh = tanh(W @ x)\ny = tanh(W @ h)\nloss L = sum(y^2)\n",
    "residual": "input x[2]\nh[2] = tanh(dense(x))\nh2 = h + dense(h)\ny = linear(h2)\nloss L = 1/2 * (y - 3)^2\n",
    "attention": "input x[3, 2]\nweight Q[2, 2], K[2, 2]\nq = x @ Q\nk = x @ K\ns[i, j] = sum(u: q[i, u] * k[j, u])\n"
    "a[i, j] = exp(s[i, j]) / sum(v: exp(s[i, v]))\nloss L = sum(a^2)\n",
    "largest": "input x[3]\nweight W[3, 3]\nh = W @ x\nloss L = max(h) + sum(h^2)\n",
    "recurrence": "size T = 4\ninput x[T, 2]\nweight W[2, 2], U[2, 2], b[2]\n"
    "h[t, 2] = tanh(W @ h[t-1] + U @ x[t] + b)\n"
    "y = linear(h[T])\ntarget r\nloss L = (y - r)^2\n",
    "twice": "input x[2]\nweight w[2]\ny = sum(i: w[i] * x[i])\nz[i] = w[i] * y\nloss L = sum(z^2) + sum(w)\n",
}
MLP = "input x[{0}]\nh[{1}] = relu(dense(x))\np[{2}] = softmax(dense(h))\ntarget t[{2}]\nloss L = cross_entropy(t, p)\n"
TEN = "input x[20]\n" + "".join(
    f"h{n}[30] = tanh(dense({f'h{n - 1}' if n > 1 else 'x'}))\n" for n in range(1, 10)
) + "p[10] = softmax(dense(h9))\ntarget t[10]\nloss L = cross_entropy(t, p)\n"  # fmt: skip


@cache
def derivations(name: str) -> list[IndexDerivation]:
    return list(IndexSteps(Scalars(network_of(SPECS[name]), sweep_of(SPECS[name]))).all())


def slope(network: Network, data: Values, weight: Access) -> Number:
    """The complex step through the forward equations, time step by time step."""
    moved = {name: dict(numbers) for name, numbers in data.items()}
    moved[weight.tensor][tuple(map(int, weight.indices))] += context.mpc(0, "1e-30")
    return forward(network, moved)[network.loss][()].imag / context.mpf("1e-30")


@pytest.mark.parametrize("name", SPECS)
def test_every_line_is_the_derivative(name: str) -> None:
    network, swept = network_of(SPECS[name]), sweep_of(SPECS[name])
    scalars = Scalars(network, swept)
    data = exact(network, draw(network, 1))
    values = evaluated(network, swept, data)
    compared = 0
    recurrent = any(isinstance(step, Scan) for step in network.equations)
    for derivation in derivations(name):
        if recurrent and derivation.element.tensor not in data:
            continue  # the oracle cannot shift what a recurrence computes
        for point in product(*(range(first, last + 1) for first, last in derivation.ranges.values())):
            here = derivation.at(dict(zip(derivation.ranges, map(sympy.Integer, point), strict=True)))
            truth = slope(network, data, here.element) if recurrent else complex_step(network, data, here.element)
            for step in here.steps:
                for line in (step.before, step.after):
                    found = compile_scalar(evaluate(line, scalars))({}, values)
                    message = f"{step.rule} for {here.element}: {plain(line)}"
                    assert abs(found - truth) <= context.mpf("1e-28") * max(1, abs(truth)), message
                    compared += 1
    assert compared > 0


@pytest.mark.parametrize("name", SPECS)
def test_every_weight_has_its_steps_and_they_follow_one_another(name: str) -> None:
    found = derivations(name)
    assert {d.element.tensor for d in found} >= {w.name for w in network_of(SPECS[name]).weights}
    order = ["chain rule", "differentiation", "simplification", "named quantities"]
    for derivation in found:
        places = [order.index(step.rule) for step in derivation.steps]
        assert places == sorted(set(places))
        assert all(one.after == two.before for one, two in zip(derivation.steps, derivation.steps[1:], strict=False))
        assert all(reason in RULES for step in derivation.steps for reason in step.reasons)


def test_the_lines_of_a_hidden_layer() -> None:
    (hidden,) = [d for d in derivations("iris") if d.element.tensor == "z1"]
    assert [(step.rule, plain(step.after)) for step in hidden.steps] == [
        ("chain rule", "Σ_k (∂L/∂z2[k] · ∂z2[k]/∂h[i] · ∂h[i]/∂z1[i])"),
        ("differentiation", "Σ_k (∂z2[k] · W2[k, i] · (1 - tanh(z1[i])**2))"),
        ("simplification", "Σ_k (∂z2[k] · W2[k, i] · (1 - h[i]**2))"),
        ("named quantities", "(1 - h[i]**2)*Σ∂1[i]"),
    ]
    assert [str(eq.lhs) for eq in hidden.steps[1].uses] == ["z2[i]", "Σ2[i]", "h[i]"]
    assert hidden.steps[2].reasons == ("reuse",)


def test_a_term_of_the_loss_does_not_look_like_the_whole_derivative() -> None:
    (first,) = [d for d in derivations("iris") if d.element.tensor == "W1"]
    assert plain(first.steps[0].after) == "W1[i, j]/500 + ∂L/∂z1[i] · ∂z1[i]/∂W1[i, j]"


def test_the_proof_compares_the_lines_in_indices() -> None:
    checks = {check.name: check for check in derive(network_of(example("digits"))).proof.checks}
    assert checks["chain rule in indices"].comparisons > 20
    assert checks["chain rule in indices"].holds


def test_one_weight_of_each_array_stands_with_numbers_for_its_indices() -> None:
    text = notes.render(derive(network_of(MLP.format(784, 128, 10))), "net.spec")
    part = text[text.index("One weight of each array") :]
    for left in ("W^{(2)}_{12}", "b^{(2)}_{1}", "W^{(1)}_{12}", "b^{(1)}_{1}"):
        assert f"\\frac{{\\partial L}}{{\\partial {left}}}" in part
    assert "W^{(1)}_{12} &\\leftarrow W^{(1)}_{12} - a\\, \\delta^{(1)}_{1}\\, x_{2}" in part


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("spec", [MLP.format(784, 128, 10), TEN], ids=["784-128-10", "ten layers"])
def test_the_pages_stay_bounded(spec: str, tmp_path) -> None:
    (tmp_path / "net.tex").write_text(notes.render(derive(network_of(spec)), "net.spec"), "utf-8")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "net.tex"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert not [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt", run.stdout) if float(w) > 2]
    (pages,) = re.findall(r"Output written on net\.pdf \((\d+) pages", run.stdout)
    assert int(pages) <= 12
