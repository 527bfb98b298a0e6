"""The Python interface: networks, derivations and gradients as their users hold them."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import sympy

import derive
from codegen import report
from derive.expressions import Access
from derive.network import Equation, Network, Scan

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.spec"))
WRONG = "input x[4]\nweight W[3, 8], b[3]\nh[16] = dense(x)\np[3]  = softmax(W @ h)\n"
LOOKS_BACK = """\
size T = 4
input x[T]
weight w, u
h[t] = tanh(w * h[t-1] + u * x[t])
y = h[T]
target goal
loss L = (y - goal)^2
init w = 0.5, u = 0.7
sample x = [1, 2, 3, 4], goal = 1
"""


@pytest.fixture(scope="module")
def two() -> derive.Derivation:
    return derive.derive(derive.load(ROOT / "examples" / "two_two_one.spec"))


@pytest.fixture(scope="module")
def iris() -> derive.Derivation:
    return derive.derive(derive.load(ROOT / "examples" / "iris.spec"))


@pytest.fixture(scope="module", params=[*EXAMPLES, LOOKS_BACK], ids=lambda p: getattr(p, "stem", "recurrence"))
def derivation(request: pytest.FixtureRequest) -> derive.Derivation:
    network = derive.load(request.param) if isinstance(request.param, Path) else derive.parse(request.param)
    return derive.derive(network)


def is_small(d: derive.Derivation) -> bool:
    return bool(d.lines)


# The module ------------------------------------------------------------------------------------------------------


def test_importing_derive_imports_nothing_heavy() -> None:
    code = "import derive, sys; dir(derive); print(sorted({'sympy', 'numpy', 'lark', 'codegen'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


def test_everything_that_is_listed_is_there() -> None:
    assert sorted(dir(derive)) == sorted(derive.__all__)
    assert all(getattr(derive, name) is not None for name in derive.__all__)
    with pytest.raises(AttributeError, match="no attribute 'grads'"):
        derive.grads  # noqa: B018


def test_a_text_and_its_file_are_the_same_network() -> None:
    for path in EXAMPLES:
        network = derive.load(path)
        assert derive.parse(path.read_text("utf-8")) == network
        assert derive.parse(network.spec) == network
    assert derive.load(EXAMPLES[0]) != derive.load(EXAMPLES[1])


def test_a_network_put_together_by_hand_has_no_specification() -> None:
    with pytest.raises(ValueError, match="not read from a specification"):
        _ = dataclasses.replace(derive.load(EXAMPLES[0]), source=None).spec


def test_there_is_one_door_to_the_printers() -> None:
    """The mathematics never imports the printers; the command line and the one door stand above both."""
    modules = (ROOT / "derive").rglob("*.py")
    above = {m.name for m in modules if re.search(r"^\s*(from|import) codegen", m.read_text("utf-8"), re.MULTILINE)}
    assert above == {"cli.py", "output.py"}


def test_the_packages_are_typed() -> None:
    assert all((ROOT / package / "py.typed").exists() for package in ("derive", "codegen"))


# Errors ------------------------------------------------------------------------------------------------------------


def test_an_error_shows_the_place() -> None:
    with pytest.raises(derive.SpecError) as caught:
        derive.parse(WRONG, name="iris.spec")
    shown = str(caught.value)
    assert shown.startswith("shapes do not agree\n  --> iris.spec:4:17\n")
    assert "                 ^^^^^ W is [3, 8] and h is [16]" in shown
    assert repr(caught.value) == "<SpecError: shapes do not agree, line 4>"
    assert caught.value._render_traceback_() == [*f"error: {shown}".split("\n")]
    assert type(caught.value).__module__ == "derive"
    assert str(pickle.loads(pickle.dumps(caught.value))) == shown


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w9", "unknown weight 'w9'\nhelp: the weights are w1, w2, w3, w4, w5, w6"),
        ("W11", "unknown weight 'W11'\nhelp: did you mean 'W1'?"),
        ("h", "'h' is no weight but a value\nhelp: derivatives are taken by weights"),
        ("W1[3,1]", "there is no weight W1[3,1]\nhelp: it is W1[2, 2], and indices count from 1"),
        ("W1[1]", "there is no weight W1[1]\nhelp: it is W1[2, 2], and indices count from 1"),
        ("", "unknown weight ''\nhelp: the weights are w1, w2, w3, w4, w5, w6"),
    ],
)
def test_unknown_weights(two: derive.Derivation, name: str, message: str) -> None:
    with pytest.raises(derive.SpecError) as caught:
        two.gradients[name]
    assert str(caught.value) == message
    assert isinstance(caught.value, KeyError)
    assert name not in two.gradients
    assert two.gradients.get(name) is None


# Gradients ------------------------------------------------------------------------------------------------------


def test_the_names_of_the_numbered_notation(two: derive.Derivation) -> None:
    gradients = derive.gradients(two)
    assert list(gradients) == ["w1", "w2", "w3", "w4", "w5", "w6"]
    assert len(gradients) == 6
    assert repr(gradients["w5"]) == "∂Error/∂w5 = Δ h1"
    assert gradients["w5"].latex == "\\Delta\\, h_{1}"
    assert gradients["w5"].expr == sympy.Symbol("Delta") * sympy.Symbol("h1")
    assert gradients["W2[1,1]"].element == gradients["W2[1, 1]"].element == gradients["w5"].element
    assert repr(gradients["W2"]) == "∂Error/∂W2[1,j] = Δ h[j]"
    assert gradients["W2"].matrix is None


def test_the_names_of_the_indexed_notation(iris: derive.Derivation) -> None:
    gradients = iris.gradients
    assert list(gradients) == ["W1", "b1", "W2", "b2"]
    assert repr(gradients["W2"]) == "∂L/∂W2[i,j] = δ2[i] h[j]"
    assert gradients["W2"].matrix == "\\boldsymbol{\\delta}^{(2)}\\, \\mathbf{h}^{\\top}"
    assert repr(gradients["W2"][3, 16]) == repr(gradients["W2[3,16]"]) == "∂L/∂W2[3,16] = δ2[3] h[16]"
    i, j = (sympy.Symbol(n, integer=True, positive=True) for n in "ij")
    assert gradients["W2"].expr == sympy.IndexedBase("delta2")[i] * sympy.IndexedBase("h")[j]


def test_a_single_bias_and_an_array_of_one_name() -> None:
    gradients = derive.gradients(derive.load(ROOT / "examples" / "relu_two_two.spec"))
    assert gradients["b1"].element == Access("b1", 1)
    assert gradients.array("b1").is_array
    assert gradients["b1[2]"].element == gradients["b2"].element


def test_formulas_and_numbers_are_those_of_the_report(derivation: derive.Derivation) -> None:
    entries = json.loads(report.render(derivation, "net.spec"))["weights"]
    for entry in entries[:: max(1, len(entries) // 30)]:
        gradient = derivation.gradients[entry["name"]]
        assert (gradient.code, gradient.latex) == (entry["formula"], entry["latex"])
        assert (gradient.value, gradient.updated) == (entry["gradient"], entry["updated"])


def test_arrays_of_numbers(two: derive.Derivation) -> None:
    g = two.gradients
    assert g["W1"].value.shape == (2, 2)
    assert g["W1"].value.ravel().tolist() == [g[f"w{n}"].value for n in (1, 2, 3, 4)]
    assert g["W2"].updated.tolist() == [[g["w5"].updated, g["w6"].updated]]


def test_expanded_forms_agree_with_the_numbers(derivation: derive.Derivation) -> None:
    """Down to inputs and weights, evaluated by SymPy itself."""
    if not is_small(derivation) or derivation.numbers is None or len(derivation.network.samples) > 1:
        pytest.skip("large, or without numbers")
    for weight in (e for w in derivation.network.weights for e in w.elements()):
        gradient = derivation.gradients[str(weight)]
        form = gradient.expanded
        sample = derivation.values[0]
        numbers = {}
        for tensor in derivation.network.tensors.values():
            if tensor.role in ("input", "target", "weight", "constant"):
                for element in tensor.elements():
                    (symbol,) = sympy_names(derivation, element)
                    place = tuple(int(i) - 1 for i in element.indices)
                    numbers[symbol] = sample[tensor.name][place] if place else sample[tensor.name]
        assert float(form.subs(numbers)) == pytest.approx(gradient.value, rel=1e-12)


def sympy_names(derivation: derive.Derivation, element: Access) -> list[sympy.Expr]:
    """What an expanded form calls an element of the data."""
    from codegen.formulas.latex import Code
    from codegen.notebook import Board, _plain

    return [_plain(element, Board(Code, derivation.network, derivation.sweep))]


def test_kinks_are_piecewise() -> None:
    g = derive.gradients(derive.parse("weight w\nloss f = relu(w) * w"))
    w = sympy.Symbol("w")
    assert g["w"].expanded.has(sympy.Piecewise)
    assert [g["w"].expanded.subs(w, v) for v in (-1, 0, 3)] == [0, 0, 6]


def test_a_sum_inside_a_gradient_is_a_sum() -> None:
    g = derive.gradients(derive.parse("weight W[3, 2], v[2]\nz = W @ v\nloss f = sum(z^2)"))
    i, j = (sympy.Symbol(n, integer=True, positive=True) for n in "ij")
    W, z = sympy.IndexedBase("W"), sympy.IndexedBase("z")
    assert g["v"].expr == 2 * sympy.Sum(W[i, j] * z[i], (i, 1, 3))


def test_steps(two: derive.Derivation, iris: derive.Derivation) -> None:
    steps = repr(two.gradients["w1"].steps)
    assert steps.startswith(" ∂Error/∂w1 = ∂Error/∂prediction · ∂prediction/∂h1 · ∂h1/∂w1")
    assert steps.split("\n")[-1].split() == "= Δ w5 i1 named quantities".split()
    for wrong in (lambda: two.gradients["W1"].steps, lambda: two.gradients["W1"].expanded):
        with pytest.raises(derive.SpecError, match="single weight"):
            wrong()
    with pytest.raises(derive.SpecError, match="small networks"):
        _ = iris.gradients["W1[1,1]"].steps


def test_a_derivative_in_several_equations_has_no_one_expression() -> None:
    d = derive.derive(derive.parse(LOOKS_BACK.replace("(y - goal)^2", "(y - goal)^2 + w^2")))
    assert repr(d.gradients["w"]).startswith("∂L/∂w")
    strided = derive.gradients(derive.parse("weight w[4]\ny = sum(i: w[2*i]^2) + sum(w)\nloss L = y"))
    with pytest.raises(derive.SpecError, match="several equations"):
        _ = strided["w"].expr
    assert strided["w[2]"].expr == 2 * sympy.IndexedBase("w")[2] + 1


# Numbers -----------------------------------------------------------------------------------------------------------


def test_forward_and_gradient_at_the_sample_are_the_worked_numbers(two: derive.Derivation) -> None:
    assert two.loss == pytest.approx(0.306466205, rel=1e-12)
    values = two.forward(i=[2, 3], actual=1)
    assert values["h"].tolist() == two.values[0]["h"].tolist() == [1.07, 0.31]
    assert values["Error"] == two.loss
    gradient = two.gradient(i=np.array([2.0, 3.0]), actual=sympy.Integer(1))
    assert gradient["W1"].tolist() == two.gradients["W1"].value.tolist()


def test_masks_are_one_unless_they_are_given() -> None:
    d = derive.derive(derive.parse("input x\ntarget t\nweight w\nmask m = 0.5\ny = w * x * m\nloss L = (y - t)^2"))
    assert d.forward(x=3, w=2)["y"] == 6
    assert d.gradient(x=3, w=2, t=0, m=2) == {"w": 144}


def test_targets_may_be_left_out_of_a_forward_pass(two: derive.Derivation) -> None:
    values = two.forward(i=[2, 3])
    assert "prediction" in values
    assert "Error" not in values


def test_gradients_are_differences_of_the_loss() -> None:
    d = derive.derive(derive.parse(LOOKS_BACK))
    data = {"x": [1, -2, 0.5, 3], "goal": 0.25}
    found = d.gradient(**data, w=0.3, u=-0.4)
    for name in ("w", "u"):
        weights = {"w": 0.3, "u": -0.4}
        losses = [d.forward(**data, **{**weights, name: weights[name] + h})["L"] for h in (1e-6, -1e-6)]
        assert found[name] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"i": [2, 3], "actul": 1}, "'actul' is not an input, target or weight\nhelp: did you mean 'actual'?"),
        ({"i": [2, 3]}, "no numbers are given for the target actual\nhelp: add: actual=…"),
        ({"i": [2, 3, 4], "actual": 1}, "wrong shape for i\nhelp: [2] is needed, one sample at a time; this is [3]"),
        ({"i": [[2, 3]], "actual": 1}, "wrong shape for i\nhelp: [2] is needed, one sample at a time; this is [1, 2]"),
        ({"i": 2, "actual": 1}, "wrong shape for i\nhelp: [2] is needed, one sample at a time; this is a number"),
        ({"i": ["a", 3], "actual": 1}, "'a' is no real number\nhelp: i[2] holds real numbers"),
        ({"i": [float("nan"), 3], "actual": 1}, "'nan' is no real number\nhelp: i[2] holds finite numbers"),
    ],
)
def test_wrong_data(two: derive.Derivation, data: dict[str, object], message: str) -> None:
    with pytest.raises(derive.SpecError) as caught:
        two.gradient(**data)
    assert str(caught.value) == message


def test_data_that_choose_a_place() -> None:
    text = "input k\ntarget t\nweight E[3]\ny = E[k]\nloss L = (y - t)^2"
    d = derive.derive(derive.parse(text))
    assert d.gradient(k=2, t=0, E=[1, 2, 3])["E"].tolist() == [0, 4, 0]
    assert d.gradients["E[2]"].expanded.subs({sympy.Symbol("k"): 1}) == 0
    for wrong in (0, 4, 1.5):
        with pytest.raises(derive.SpecError, match="is no place that k may choose"):
            d.forward(k=wrong, E=[1, 2, 3])


def test_numbers_without_a_real_value() -> None:
    d = derive.derive(derive.parse("weight w\nloss L = log(w) + 1 / (w - 2)"))
    for wrong in (0, -1, 2):
        with pytest.raises(derive.SpecError, match="no real value at these numbers"):
            d.forward(w=wrong)


def test_zeros_around_a_tensor() -> None:
    text = "input x[4]\ntarget t\nweight K[3]\np = pad(x, 1)\nz[i] = sum(u: K[u] * p[i+u-2])\nloss L = (sum(z) - t)^2"
    d = derive.derive(derive.parse(text))
    assert d.forward(x=[1, 2, 3, 4], K=[1, 10, 100])["z"].tolist() == [210, 321, 432, 43]
    x, K, goal = sympy.IndexedBase("x"), sympy.IndexedBase("K"), sympy.Symbol("t")
    numbers = {x[n]: n for n in range(1, 5)} | {K[1]: 1, K[2]: 10, K[3]: 100, goal: 6}
    found = d.gradient(x=[1, 2, 3, 4], K=[1, 10, 100], t=6)["K"]
    assert [float(d.gradients[f"K[{n}]"].expanded.subs(numbers)) for n in (1, 2, 3)] == found.tolist()


def test_rows_of_different_lengths_are_refused(two: derive.Derivation) -> None:
    with pytest.raises(derive.SpecError, match="wrong shape for W1"):
        two.forward(i=[2, 3], W1=[[1, 2], [3]])


# Files and trainers --------------------------------------------------------------------------------------------


def test_files_are_those_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from derive.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.spec").write_bytes(EXAMPLES[-2].read_bytes())
    assert main(["-q", "net.spec", "-o", "a.tex", "-o", "net_trainer.py", "-o", "c.json"]) == 0
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    derive.derive(derive.load("net.spec")).write("a.tex", tmp_path / "net_trainer.py", "c.json")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_files_of_others_are_not_replaced(two: derive.Derivation, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tex"
    mine.write_text("mine")
    with pytest.raises(derive.SpecError, match="force=True replaces it"):
        two.write(tmp_path / "new.json", mine)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.tex"]
    two.write(mine, force=True)
    assert "derive" in mine.read_text()
    for wrong in ((), (tmp_path / "notes.doc",), (tmp_path / "nowhere" / "notes.tex",)):
        with pytest.raises(derive.SpecError):
            two.write(*wrong)


def test_the_specification_is_never_written_over(tmp_path: Path) -> None:
    spec = tmp_path / "net.tex"
    spec.write_bytes(EXAMPLES[0].read_bytes())
    with pytest.raises(derive.SpecError, match="is the specification itself"):
        derive.derive(derive.load(spec)).write(spec, force=True)


def test_a_trainer(two: derive.Derivation, tmp_path: Path) -> None:
    trainer = derive.trainer(two)(max_iter=40, random_state=0)
    x = np.array([[2.0, 3.0], [1.0, -1.0]])
    trainer.fit(x, np.array([1.0, 0.0]))
    assert trainer.loss_curve_[-1] < trainer.loss_curve_[0]
    assert pickle.loads(pickle.dumps(trainer)).predict(x).tolist() == trainer.predict(x).tolist()
    kept = derive.trainer(two.network, tmp_path / "kept_trainer.py")
    assert (tmp_path / "kept_trainer.py").exists()
    assert kept.__module__ == "kept_trainer"
    with pytest.raises(derive.SpecError, match="not a name in Python"):
        derive.trainer(two, tmp_path / "my-net.py")


# What they look like -------------------------------------------------------------------------------------------


def below(thing: object, seen: set[int]) -> Iterator[object]:
    """A dataclass and every dataclass that it holds."""
    if id(thing) in seen or isinstance(thing, str | bytes | sympy.Basic):
        return
    seen.add(id(thing))
    if dataclasses.is_dataclass(thing):
        yield thing
        for field in dataclasses.fields(thing):
            yield from below(getattr(thing, field.name), seen)
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from below(value, seen)
    elif isinstance(thing, tuple | list | frozenset):
        for value in thing:
            yield from below(value, seen)


def test_every_repr_is_short(derivation: derive.Derivation) -> None:
    """No object shows the dataclasses inside it."""
    kinds = set()
    for thing in below(derivation, set()):
        shown = repr(thing)
        assert shown.count("\n") < 60
        assert all(len(line) <= 250 for line in shown.split("\n")), shown
        assert len(re.findall(r"\b[A-Z]\w+\(\w+=", shown)) <= 1, shown
        kinds.add(type(thing))
    assert {Network, Equation, derive.Derivation} <= kinds


def test_the_repr_of_a_network() -> None:
    shown = repr(derive.load(ROOT / "examples" / "iris.spec"))
    assert shown.split("\n")[:4] == [
        '<Network "Iris": 131 weights in 4 arrays>',
        " input    x[4]",
        " target   t[3]",
        " weight   W1[16, 4], b1[16], W2[3, 16], b2[3]",
    ]
    assert " h[i]   = tanh(z1[i])" in shown


def test_the_repr_of_a_derivation_is_the_summary_of_the_command_line(two: derive.Derivation) -> None:
    lines = repr(two).split("\n")
    assert lines[0] == "Two inputs, two hidden neurons, one output"
    assert lines[-2] == "Error = 0.306466205, after one update 0.2517590328"
    assert lines[-1].startswith("proved: ")


#: LaTeX commands that KaTeX and MathJax are known to set.
COMMANDS = set(
    "begin end aligned cases text mathrm mathit mathbf boldsymbol bar frac sqrt left right partial sum max min odot "
    "top log tanh sinh cosh sin cos sigma Delta delta leftarrow mathrel vdots quad qquad dots Sigma alpha beta gamma "
    "mu eta cdot".split()
)


def formulas(derivation: derive.Derivation) -> Iterator[str]:
    """Everything that a notebook may be asked to typeset."""
    gradients = derivation.gradients
    things = [derivation, derivation.network, gradients, *gradients.values(), derivation.network.optimizer]
    things += [*derivation.network.equations, *derivation.sweep.equations]
    things += [gradients.array(w.name) for w in derivation.network.weights if w.shape]
    if is_small(derivation):
        things += [gradients[str(e)].steps for w in derivation.network.weights for e in w.elements()]
    yield from (thing._repr_latex_() for thing in things)


def test_formulas_stay_within_what_notebooks_set(derivation: derive.Derivation) -> None:
    for formula in formulas(derivation):
        assert formula.startswith("$$ \\begin{aligned} ")
        assert formula.endswith(" \\end{aligned} $$")
        assert formula.isascii()
        assert set(re.findall(r"\\([A-Za-z]+)", formula)) <= COMMANDS
        assert re.findall(r"\\begin\{(\w+)\}", formula).count("aligned") == 1
        assert formula.count("{") - formula.count("\\{") == formula.count("}") - formula.count("\\}")
        assert len(re.findall(r"\\left\b", formula)) == len(re.findall(r"\\right\b", formula))


def test_a_scan_and_an_optimizer() -> None:
    network = derive.parse(LOOKS_BACK)
    (scan,) = [step for step in network.equations if isinstance(step, Scan)]
    assert repr(scan).startswith("<Scan t = 1 … 4: ")
    assert "t = 1, \\dots, 4" in scan._repr_latex_()
    assert repr(network.optimizer).startswith("<Optimizer sgd: w ← ")
    assert network.optimizer._repr_latex_() == "$$ \\begin{aligned} w &\\leftarrow w - a\\, g \\end{aligned} $$"
