"""The proof: right formulas pass it, wrong ones do not, and narrow networks have the formulas of wide ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from oracles import CASES, EXAMPLES, example, feed_forward, network_of, sweep_of
from sympy.core.cache import clear_cache

import derive.adjoints
import derive.derivation
import derive.expressions
import derive.proof
import derive.tidy
from derive.diagnostics import SpecError
from derive.expressions import Access, extent_of
from derive.functions import Formula
from derive.gradient import Sweep, sweep
from derive.network import Equation, Network, Scan
from derive.proof import EXACT, TOLERANCES, Proof, ProofError, prove
from derive.scalars import Scalars, is_small
from derive.shrink import shrink
from derive.steps import Product, all_steps

NUMERIC = {"complex step", "central difference"}
SYMBOLIC = {"closed form", "expanded form", "direct derivative"}


def prove_with(network: Network, swept: Sweep, kind: type[Scalars] = Scalars) -> Proof:
    """The proof of what would be printed for these derivatives."""
    scalars = kind(network, swept)
    return prove(network, swept, scalars, dict(all_steps(scalars)) if is_small(network) else {})


def proof_of(spec: str) -> Proof:
    return prove_with(network_of(spec), sweep_of(spec))


# Right formulas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_proved(name: str) -> None:
    proof = proof_of(example(name))
    names = {c.name for c in proof.checks}
    narrow = NUMERIC if name == "digits_conv" else NUMERIC | {"closed form"}  # narrow images have many pixels still
    assert names >= (narrow if proof.narrow else NUMERIC | SYMBOLIC)
    assert ("matrix form" in names) == (name not in ("gradient_descent", "rnn")), "scalar weights are no matrix"
    assert ("chain rule" in names) == (not proof.narrow)
    for check in proof.checks:
        assert check.holds
        assert check.tolerance == float(TOLERANCES.get(check.name, EXACT))
        assert check.comparisons >= proof.points >= 2
    assert proof.narrow == (name in ("iris", "digits", "digits_conv", "digits_normalised", "gru"))


#: The direct derivative of a composed softmax or norm takes SymPy seconds; those are left to test_gradient.
SLOW = {
    "layer norm",
    "gallery of functions",
    "several outputs and targets",
    "maximum over an index",
    "image convolution",
}


@pytest.mark.parametrize("name", sorted(set(CASES) - SLOW - {"maximum with ties"}))
def test_every_further_network_is_proved(name: str) -> None:
    proof = proof_of(CASES[name].spec)
    assert {c.name for c in proof.checks} >= NUMERIC


def test_all_weights_of_a_small_network_are_compared() -> None:
    proof = proof_of(example("two_two_one"))
    compared = {c.name: c.comparisons for c in proof.checks}
    lines, elements, vectors = (compared.pop(name) for name in ("chain rule", "batch form", "vector form"))
    assert compared == dict.fromkeys(NUMERIC | SYMBOLIC | {"matrix form"}, 6 * proof.points)
    # h and prediction of two samples and six weights, samples in columns and in rows, W or Wᵀ, of which δ has none
    assert elements == (4 * (2 * (2 + 1) + 6) + 2 * (2 * 1)) * proof.points
    # of one sample also the error
    assert vectors == 2 * (2 + 1 + 1 + 1 + 6) * proof.points
    assert lines >= 6 * 5 * proof.points, "five lines for each of six weights"


def test_the_proof_is_the_same_each_time() -> None:
    assert proof_of(example("relu_two_two")) == proof_of(example("relu_two_two"))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(feed_forward())
def test_every_form_of_any_feed_forward_network_agrees(spec: str) -> None:
    """No network is refused because two of our own forms differ."""
    assert all(check.holds for check in proof_of(spec).checks)


# Wrong formulas -----------------------------------------------------------------------------------------------


Choice = Callable[[Equation], bool]


def defines(tensor: str) -> Choice:
    return lambda eq: eq.lhs.tensor == tensor


def sums(tensor: str) -> Choice:
    """Whether an equation adds up over elements of a tensor."""
    return lambda eq: bool(eq.reduce) and any(a.tensor == tensor for a in eq.reads)


def tampered(swept: Sweep, chosen: Choice, change: Callable[[Equation], Equation]) -> Sweep:
    """The sweep with the chosen equations changed, which must change it."""
    steps: list[Equation | Scan] = []
    for step in swept.equations:
        if isinstance(step, Scan):
            inner = tuple(change(eq) if chosen(eq) else eq for eq in step.equations)
            steps.append(replace(step, equations=inner))
        else:
            steps.append(change(step) if chosen(step) else step)
    assert tuple(steps) != swept.equations
    return replace(swept, equations=tuple(steps))


def with_body(make: Callable[[sympy.Expr], sympy.Expr]) -> Callable[[Equation], Equation]:
    return lambda eq: replace(eq, body=make(eq.body))


def first_term_dropped(body: sympy.Expr) -> sympy.Expr:
    assert body.is_Add
    return body - sorted(body.args, key=str)[0]


def sign_flipped(body: sympy.Expr) -> sympy.Expr:
    first, *rest = sorted(body.args, key=str)
    return -first + sympy.Add(*rest) if body.is_Add else -body


def transposed(name: str) -> Callable[[sympy.Expr], sympy.Expr]:
    def swap(body: sympy.Expr) -> sympy.Expr:
        return body.xreplace({a: Access(name, *a.indices[::-1]) for a in body.atoms(Access) if a.tensor == name})

    return swap


def one_step_too_few(eq: Equation) -> Equation:
    (index,) = eq.reduce[:1]
    first, last = eq.ranges[index]
    return replace(eq, ranges={**eq.ranges, index: (first, last - 1)})


SQUARE = """
input x[2]
h[2] = tanh(dense(x))
g[2] = tanh(dense(h))
target t[2]
loss L = 1/2 * sum((g - t)^2) + 0.01 * sum(W1^2)
"""
WIDE_SQUARE = SQUARE.replace("[2]", "[40]")
SLIPS = {
    "a term is missing": (SQUARE, defines("∂W1"), with_body(first_term_dropped)),
    "a sign is wrong": (SQUARE, defines("∂z2"), with_body(sign_flipped)),
    "the weights are not transposed": (SQUARE, sums("W2"), with_body(transposed("W2"))),
    "a factor 2 is missing": (SQUARE, defines("∂W2"), with_body(lambda b: b / 2)),
    "a sum stops too early": (SQUARE, sums("W2"), one_step_too_few),
    "a tiny error": (SQUARE, defines("∂b1"), with_body(lambda b: b * (1 + sympy.Rational(1, 10**22)))),
    "a scalar prediction": (example("two_two_one"), defines("∂prediction"), with_body(sign_flipped)),
    "the new weights are used": (
        example("two_two_one"),
        defines("∂W1"),
        with_body(lambda b: b.xreplace({a: a - Access("i", 1) / 100 for a in b.atoms(Access) if a.tensor == "W2"})),
    ),
    "another layer's input": (
        SQUARE,
        defines("∂W2"),
        with_body(lambda b: b.xreplace({a: Access("x", *a.indices) for a in b.atoms(Access) if a.tensor == "h"})),
    ),
    "a recurrence": (CASES["recurrence from zero"].spec, defines("∂U"), with_body(sign_flipped)),
    "a convolution": (CASES["convolution with stride two"].spec, defines("∂K"), with_body(lambda b: 2 * b)),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_a_derivative_is_caught(name: str) -> None:
    spec, chosen, change = SLIPS[name]
    network = network_of(spec)
    assert is_small(network)
    wrong = tampered(sweep_of(spec), chosen, change)
    with pytest.raises(ProofError, match="differs"):
        prove_with(network, wrong)


def test_a_slip_in_a_formula_for_one_weight_is_caught() -> None:
    """The equations are right, but what would be printed for one weight is not."""
    network, swept = network_of(example("two_two_one")), sweep_of(example("two_two_one"))

    class Careless(Scalars):
        def gradient(self, weight: Access) -> sympy.Expr:
            right = super().gradient(weight)
            return right * Access("i", 1) / Access("i", 2) if weight == Access("W1", 1, 2) else right

    with pytest.raises(ProofError, match="closed form"):
        prove_with(network, swept, Careless)


def test_a_slip_in_an_expanded_form_is_caught() -> None:
    network, swept = network_of(example("two_two_one")), sweep_of(example("two_two_one"))

    class Careless(Scalars):
        def expanded(self, element: Access) -> sympy.Expr:
            right = super().expanded(element)
            return -right if element == Access("∂W2", 1, 2) else right

    with pytest.raises(ProofError, match="expanded form"):
        prove_with(network, swept, Careless)


def test_a_slip_in_one_line_of_a_derivation_is_caught() -> None:
    network, swept = network_of(example("two_two_one")), sweep_of(example("two_two_one"))
    scalars = Scalars(network, swept)
    lines = dict(all_steps(scalars))
    weight = Access("W1", 2, 1)
    for n, step in enumerate(lines[weight].steps):
        wrong = [*lines[weight].steps]
        wrong[n] = replace(step, after=Product((sympy.Integer(2), step.after)))
        with pytest.raises(ProofError, match="chain rule"):
            prove(network, swept, scalars, {**lines, weight: replace(lines[weight], steps=tuple(wrong))})


WRONG_DERIVATIVES: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "sigmoid": lambda right: -right,
    "relu": lambda right: 1 - right,
    "softplus": lambda right: right**2,
}


@pytest.fixture
def forgetful() -> Iterator[None]:
    """No derivative that was found before is remembered, and none that is found here."""

    def forget() -> None:
        clear_cache()
        derive.expressions.partial.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.parametrize("size", ["2", "50"])
@pytest.mark.parametrize("activation", WRONG_DERIVATIVES)
def test_a_wrong_derivative_of_an_activation_is_caught(
    activation: str, size: str, monkeypatch: pytest.MonkeyPatch, forgetful: None
) -> None:
    """Inside the calculus itself; a wide network is swept again at narrow sizes, with the same mistake."""
    right = derive.tidy.derivative_of
    asked = []

    def wrong(function: type[Formula], position: int) -> sympy.Expr:
        asked.append(function.__name__)
        return WRONG_DERIVATIVES[activation](right(function, position))

    spec = f"input x[3]\nh[{size}] = {activation}(dense(x))\ny = linear(h)\ntarget t\nloss L = 1/3 * (y - t)^2\n"
    network = network_of.__wrapped__(spec)
    monkeypatch.setattr(derive.tidy, "derivative_of", wrong)
    with pytest.raises(ProofError):
        derive.derivation.derive(network)
    assert activation in asked


def test_a_wrong_derivative_of_a_body_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = derive.adjoints.partial
    monkeypatch.setattr(derive.adjoints, "partial", lambda body, access: right(body, access).subs(2, 3))
    with pytest.raises(ProofError):
        derive.derivation.derive(network_of.__wrapped__(example("relu_two_two")))


def test_a_fact_that_does_not_hold_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softmax minus target needs targets that add up to 1; where the rule is applied to what does not, it shows."""
    spec = "input x[3]\np[3] = softmax(dense(x))\ntarget t[3]\nloss L = -sum(t * log(p))\n"
    network = network_of(spec)
    monkeypatch.setattr(derive.adjoints, "apply_fact", lambda inside, over, facts: sympy.Integer(1))
    wrong = sweep(network)
    with pytest.raises(ProofError):
        prove_with(network, wrong)


def test_an_unsound_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive.tidy, "quotient", lambda e: 2 * e)
    with pytest.raises(ProofError):
        derive.derivation.derive(network_of.__wrapped__(example("relu_two_two")))


# Losses that have no value ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", ["log(-1 - x^2)", "sqrt(-1 - x^2)", "log(0 * x - 1)", "(-2 - x^2)^x", "log(sum(-exp(v)))"]
)
def test_a_loss_that_is_real_nowhere_is_refused(loss: str) -> None:
    declared = "weight x, v[2]" if "v" in loss and "x" in loss else "weight v[2]" if "v" in loss else "weight x"
    with pytest.raises(SpecError) as caught:
        derive.derivation.derive(network_of(f"{declared}\nloss L = {loss}\n"))
    assert caught.value.help


@pytest.mark.parametrize("loss", ["log(x)", "sqrt(x) + 1 / x", "log(1 - x^2)", "x^x", "log(x - y^2)"])
def test_a_loss_that_is_real_somewhere_is_proved_there(loss: str) -> None:
    declared = "weight x, y" if "y" in loss else "weight x"
    assert all(c.holds for c in proof_of(f"{declared}\nloss L = {loss}\n").checks)


# Narrow copies ------------------------------------------------------------------------------------------------

WIDE = [
    "iris",
    "digits",
    WIDE_SQUARE,
    CASES["swish"].spec,
    CASES["layer norm"].spec.replace("[4", "[30"),
    CASES["tied weights"].spec.replace("[3]", "[20]").replace("3]", "20]"),
    CASES["maximum over an index"].spec.replace("[4, 3]", "[9, 8]").replace("[3]", "[8]"),
    CASES["several outputs and targets"].spec.replace("h[4]", "h[70]"),
]


def formulas(swept: Sweep) -> list[tuple[str, str]]:
    return [(str(eq), str(eq.reduce)) for eq in swept.equations if isinstance(eq, Equation)]


@pytest.mark.parametrize("spec", WIDE, ids=lambda s: s if len(s) < 9 else s.split()[1] + str(len(s)))
def test_a_narrow_network_has_the_same_formulas(spec: str) -> None:
    network = network_of(example(spec) if spec in EXAMPLES else spec)
    narrow = shrink(network)
    assert narrow is not network
    assert sum(t.size for t in narrow.tensors.values()) < sum(t.size for t in network.tensors.values())
    assert max(max(t.shape, default=1) for t in narrow.tensors.values()) <= 3
    assert formulas(sweep(narrow)) == formulas(sweep(network))
    assert [str(e) for e in narrow.flat_equations] == [str(e) for e in network.flat_equations]


def test_sizes_that_must_be_equal_stay_equal() -> None:
    narrow = shrink(network_of(WIDE_SQUARE))
    shapes = {name: t.shape for name, t in narrow.tensors.items() if not t.anonymous}
    assert shapes["h"] == shapes["z1"] == shapes["b1"] == (shapes["W1"][0],) == (shapes["W2"][1],)
    assert shapes["x"] == (shapes["W1"][1],)
    assert shapes["g"] == shapes["t"] == (shapes["W2"][0],)


#: Images and sequences, wide, with the sizes that their narrow copies need at the least.
IMAGES = {
    "convolutions": """
        input x[3, 28, 28]
        weight K[8, 3, 5, 5], M[16, 8, 3, 3]
        h[o,i,j] = tanh(sum(c, u, v: K[o,c,u,v] * x[c,i+u-1,j+v-1]))
        g[o,i,j] = tanh(sum(c, u, v: M[o,c,u,v] * h[c,2*i+u-2,2*j+v-2]))
        p[10] = softmax(dense(g))
        target t[10]
        loss L = cross_entropy(t, p)
        """,
    "padding and pooling": """
        input x[1, 28, 28]
        weight K[8, 1, 3, 3]
        q = pad(x, 0, 1, 1)
        h[o,i,j] = sum(c, u, v: K[o,c,u,v] * q[c,i+u-2,j+v-2])
        m[o,i,j] = max(u in 4, v in 4: h[o,4*i+u-4,4*j+v-4])
        y[5] = dense(m)
        target t[5]
        loss L = squared_error(y, t)
        """,
    "neighbours": """
        weight w[40]
        loss L = sum(i: (w[i+1] - w[i])^2) + sum(i: w[i] * w[41-i]) + w[40]^3
        """,
}


@pytest.mark.parametrize("spec", IMAGES.values(), ids=list(IMAGES))
def test_images_are_proved_narrow(spec: str) -> None:
    network = network_of(spec)
    narrow = shrink(network)
    assert max(t.size for t in narrow.tensors.values()) < max(t.size for t in network.tensors.values()) / 8
    assert len(sweep(narrow).equations) == len(sweep(network).equations)
    assert all(c.holds for c in proof_of(spec).checks)


def test_what_counts_from_the_end_does_so_at_every_size() -> None:
    network = network_of(IMAGES["neighbours"])
    (size,) = shrink(network).tensors["w"].shape
    assert size < 5
    equations = " ".join(map(str, shrink(network).flat_equations))
    assert f"w[{size}]" in equations
    assert f"w[{size + 1} - i]" in equations


def test_every_access_of_a_narrow_network_stays_inside() -> None:
    for spec in [*IMAGES.values(), *(case.spec for case in CASES.values())]:
        narrow = shrink(network_of(spec))
        for eq in narrow.flat_equations:
            for access in (eq.lhs, *eq.reads):
                tensor = narrow.tensors[access.tensor]
                for d, i in enumerate(access.indices):
                    low, high = extent_of(i, eq.ranges)
                    assert tensor.start(d) <= low <= high <= tensor.last[d], f"{access} in {eq}"


LONG = """
    size T = 1000
    input x[T, 20]
    weight W[30, 30], U[30, 20], V[30, 20]
    h[t] = tanh(W @ h[t-1] + U @ x[t])
    g[s] = tanh(W @ g[s-2] + V @ x[T+1-s])
    y[t] = linear(h[t]) + linear(g[T+1-t])
    target r[T]
    loss L = sum((y - r)^2) + sum(h[T]) * sum(g[1])
"""


def test_a_long_recurrence_is_proved_over_a_few_steps() -> None:
    """Enough of them for a state that is read two steps back, and for the sequence read from its end."""
    narrow = shrink(network_of(LONG))
    (steps,) = {s.last for s in narrow.equations if isinstance(s, Scan)}
    assert 3 <= steps <= 5
    assert narrow.tensors["x"].shape[0] == steps
    mirrored = [str(i) for eq in narrow.flat_equations for a in eq.reads if a.tensor == "x" for i in a.indices]
    assert f"{steps + 1} - s" in mirrored
    assert all(c.holds for c in proof_of(LONG).checks)


def test_constants_of_a_narrow_network_are_a_corner_of_the_wide_ones() -> None:
    spec = "input x[50]\nconstant c[50] = 0.25\nweight w[50]\nloss L = sum((c * x - w)^2)\n"
    narrow = shrink(network_of(spec))
    (size,) = narrow.tensors["c"].shape
    assert narrow.constants["c"] == [sympy.Rational(1, 4)] * size
    assert all(c.holds for c in proof_of(spec).checks)


def test_a_kink_is_no_obstacle() -> None:
    """Random points lie beside it, and the complex step follows the branch of the real part."""
    spec = "weight w[4], v[4]\nloss L = sum(max(w, v) * relu(w)) + max(v) * abs(w[1])\n"
    assert all(c.holds for c in proof_of(spec).checks)
