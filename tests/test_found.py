"""Counter-examples that searches found: each stands for a mistake of ours that was put right.

``python tests/search.py`` looks for more.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from oracles import network_of, sweep_of
from robust import reading, working

from codegen.formulas.notation import Notation

#: Specifications for which some output was not written, by what was wrong.
FOUND = {
    "the largest of sums that are added in another order": (
        "input u[2], x[4]\ntarget t\nh = tanh(u)\nm = maxout(h, 2)\np[2] = softmax(dense(x))\n"
        "loss L = -log(p[t]) + 0.1 * cos(m)\n"
    ),
    "the size of a quotient by a root, whose derivative SymPy takes for one of complex numbers": (
        "input x[2]\ntarget t\nm[i] = mean(batch: x[i])\nq[i] = mean(batch: (x[i] - m[i])^2)\n"
        "h[i] = (x[i] - m[i]) / sqrt(q[i] + 0.1)\no = dense(h)\nloss L = abs(o - t)\n"
    ),
    "a maximum and the rest of the loss read the same weight": (
        "input x[4]\nweight w[4], v[4]\nh[4] = max(x * w, v) + min(x, w^2) - abs(w - v)\n"
        "loss L = sum(h * abs(h)) + max(v)\n"
    ),
    "training that soon leaves what a picture can hold": (
        "weight a, b\nc1 = a + b\nd1 = a * b + b^3\nc2 = c1 + c1 + 1\nc = c2 + 1 + c2 + (-a)\n"
        "d2 = d1 + d1 * 2 + relu(b + a)\nd = d2 + 3 * d2 + relu(b - a)\ne = c - d\nf = e^2\n"
        "loss g = f / 2 + 10 / f\ninit a = -4, b = 2\n"
    ),
    "the largest of many elements": (
        "input x[24]\nweight w\ntarget t\nh = max(x) * w + max(x^2)\nloss L = (h - t)^2\n"
    ),
    "a curve that is flat far from zero": (
        "input X1, X2\nweight W1, W2\nloss F = W1 * X1 + W2 * X2\nrate a = 0.1\ninit W1 = 0.5, W2 = 1e300\n"
        "sample X1 = 2, X2 = -1/3\n"
    ),
    "the complex step of a very high power": (
        "input x[7]\nweight K[3], b[3]\nz[i] = sum(k: K[k] * x[2*i+k-2]) + b[i]\ntarget t[3]\n"
        "loss L = 1/2 * sum((z - t)^222)\n"
    ),
    "an unnamed product of two matrices has no letter in the matrix form": (
        "input x[3]\nweight A[2, 4], B[4, 3], u[2], v[3]\nloss L = sum((A @ B @ x)^2) + u @ (A @ B @ v)\n"
    ),
    "a function that reads a weight has a derivative by it": (
        "define blend(u, v) = sigmoid(u) * s + (1 - sigmoid(u)) * sin(v)\ninput x[2]\nweight w[3], s\n"
        "h[3] = blend(dense(x), linear(x))\nloss L = sum(blend(h, w)^2) + exp(blend(s, 0.3))\n"
    ),
    "a function of a function that reads a weight": (
        "define gate(z) = s * z\ndefine twice(z) = gate(z)^2 + z\nweight s, w[3]\nloss L = sum(twice(w)) + twice(s)\n"
    ),
    "high powers do not upset the numerical derivatives": (
        "input x[4, 2]\nweight U[3, 3], V[3, 2], c[3], s[3]\nh[0,j] = s[j]\n"
        "h[t,j] = tanh(sum(k: U[j,k] * h[t-1,k]) + sum(k: V[j,k] * x[t,k]))\ny[t] = sum(j: c[j] * h[t,j])\n"
        "loss L = sum(y^1000) + sum(j: h[4,j])\n"
    ),
    "neither do losses far larger than a derivative": (
        "input x[4]\nweight w[4], v[4]\nh[4] = max(3 * w, v / v / v / v / v / v) + min(x, w^2) - abs(w - v)\n"
        "loss L = sum(h * abs(h)) + max(v)\n"
    ),
    "a power that makes a polynomial of an endless degree": (
        "input x[3]\nweight w[3]\nz[i] = w[i] * x[i]\n"
        "loss L = sum(sin(z) + log(1 + z^1e-300) + sqrt(2 + z)) + sum(z) / sum(1 + z^2)\n"
    ),
    "neither do small ones near zero": (
        "input x[3]\nweight A[3, 3]\ns = sum(i: A[i,i])\n"
        "loss L = s^0.1 + sum(i: A[i,i] * x[i]) + sum(i, j: A[i,j] * A[j,i])\n"
    ),
    "the matrices of a batch with zeros around": (
        "input x[6]\nweight K[3], M[5], v[6]\np = pad(x, 1)\nh[i] = tanh(sum(u: K[u] * p[i+u-2]))\n"
        "q = pad(h^2, 2)\ng[i] = sum(u: M[u] * q[i+u-3]) + x[i]\ntarget t\n"
        "loss T = (v @ g - t)^2 + -1 * sum(q)\n"
    ),
    "a formula of the zeros around a tensor": (
        "input x[2]\nweight w[1]\ntarget t[3]\np = pad(x, 2)\nh[i] = silu(sum(u: w[u] * p[3*i+u-5]))\n"
        "y[3] = dense(h * tanh(x))\nloss L = mae(y, t) + 0.01 * l2(w)\n"
    ),
    "the least of many elements that no smaller network has": (
        "input x[1, 2, 2]\nweight w[2, 1, 1, 1]\ntarget t[3]\np = pad(x, 0, 0, 1)\n"
        "h[o,i,j] = sum(c, u, v: w[o,c,u,v] * p[c,i+u-1,j+v-2])\ny[3] = dense(min(h) + sum(sin(h)))\n"
        "loss L = sum((y - t)^2) + 0.01 * l2(w)\n"
    ),
    "a sum without a name over an index that has another meaning beside it": (
        "input u, x[2]\ntarget t[2], s\nh[1] = tanh(linear(u))\nc = sum(h)\nn = batch_norm(x, eps = 0.1)\n"
        "y[2] = dense(c)\nz = dense(h)\nloss L = squared_error(y, t) + squared_error(z, s) + 0.1 * sum(cos(n))\n"
    ),
    "functions of numbers alone": "define f(z) = z * sigmoid(1.702)\nweight w\nloss L = f(w)^2 + f(w) * log(f(2))\n",
    "a function with the name of one of mpmath's": (
        "define zeta(z) = exp(z) + z\nweight w\nloss L = (zeta(2) * w - zeta(w))^2\n"
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_everything_is_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.spec"
    path.write_text(FOUND[name], encoding="utf-8")
    assert reading(path) == (True, "")
    assert working(path, [".tex", ".py", ".json"], seconds=60) == ""


NESTED = {
    "softmax of softmax … of a number": "loss L = sum(w^" + 59 * "softmax(" + "2" + 59 * ")" + ")",
    "a function that reads its argument often": (
        "define f(z) = z * sum(z) / sum(z) + z - z\nloss L = sum(" + 40 * "f(" + "w" + 40 * ")" + ")"
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_formulas_are_worked_out_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.spec"
    path.write_text(f"weight w[9]\n{NESTED[name]}\n", encoding="utf-8")
    assert reading(path) == (True, "")


def test_an_answer_that_quotes_much_is_short(tmp_path: Path) -> None:
    path = tmp_path / "net.spec"
    path.write_text(f"weight w[{', '.join('1' * 300)}]\nloss L = w\n", encoding="utf-8")
    assert reading(path) == (False, "")


@pytest.mark.parametrize("notation", ["indexed", "nielsen", "cs231n"])
def test_two_deltas_never_have_one_letter(notation: str) -> None:
    """The numbers of two scalars, h1 and o1, are not those of layers."""
    spec = "weight u, v, w\nh1 = sin(u)\nh2 = cos(v) * h1\no1 = exp(w * h1) * h2^2\nloss L = o1^2 + o1 * h2\n"
    found = Notation(network_of(spec), sweep_of(spec), notation).deltas.values()
    assert len({name.latex() for name in found}) == len({name.text for name in found}) == len(found) >= 3
