"""The rules of safe arithmetic by name: in the notes, in the comments of the trainers and in docs/arithmetic.md."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from codegen.arithmetic import stable
from codegen.arithmetic.rules import RULES
from codegen.formats import markdown
from codegen.notes import compose as notes
from codegen.trainer import module as trainer
from derive.derivation import Derivation, derive
from derive.diagnostics import Source
from derive.language.build import load
from derive.language.parser import read

ROOT = Path(__file__).resolve().parent.parent
TITLE = "How the trainer computes this"


def derivation(text: str) -> Derivation:
    return derive(load(Source("t.spec", text)))


@cache
def example(name: str) -> Derivation:
    return derive(load(read(ROOT / "examples" / f"{name}.spec")))


def fired(found: Derivation) -> dict[str, list[int]]:
    """The numbers of the equations by the rules that the section of the notes names."""
    text = notes.render_markdown(found, "t.spec")
    if TITLE not in text:
        return {}
    section = text.split(f"## {TITLE}")[1].split("## ")[0]
    items = re.findall(r"^- Equations? (.*?): .*?\(rule (\w+)\)", section, re.MULTILINE)
    return {rule: [int(n) for n in re.findall(r"\d+", numbers)] for numbers, rule in items}


def module(found: Derivation) -> str:
    return trainer.render(found.network, found.sweep, spec_name="t.spec", module_name="t_trainer")


def test_softmax_with_cross_entropy_names_shift_and_logarithm_at_their_equations() -> None:
    found = example("iris")
    text = notes.render_markdown(found, "iris.spec")
    assert fired(found) == {"shift": [4, 5], "logarithm": [5], "rest": [5, 6], "saturated": [7]}
    assert re.search(r"^p_\{i\} &= .*\\text\{\(4\)\}", text, re.MULTILINE)
    assert re.search(r"\\log.*\\text\{\(5\)\}", text)


@pytest.mark.parametrize("render", [notes.render, notes.render_markdown, notes.render_page])
@pytest.mark.parametrize(("name", "said"), [("iris", "shift"), ("two_two_one", ""), ("rnn", "saturated")])
def test_all_formats_have_the_section_only_where_a_rule_has_been_used(render, name: str, said: str) -> None:
    text = render(example(name), f"{name}.spec")
    assert (TITLE in text) == bool(said)
    assert {rule for rule in ("shift", "saturated") if RULES[rule].words in text} >= {said} - {""}


def test_comments_of_the_trainer_name_the_rule() -> None:
    comments = re.sub(r"\n *# {5}", " ", module(example("iris")))
    line = next(line for line in comments.splitlines() if "# (4) p[i] =" in line)
    assert line.endswith(", relative to its largest term (rule shift)")
    line = next(line for line in comments.splitlines() if "# (5) Σ_i t[i] log(p[i])" in line)
    assert "(rule logarithm)" in line
    assert "(rule shift)" in line
    assert "(rule" not in module(example("two_two_one"))


SPECS = {
    "attained": "m = max(i: z[i]^2)\n loss L = m^2 + sum(t*z)",
    "entropy": "p = softmax(z)\n loss L = sum(i: z[i]^2*log(z[i]^2)) + sum(t*p)",
    "norm": "loss L = sqrt(sum(z^2)) + sum(t*z)",
    "complement": "loss L = sum(i: (1 - tanh(z[i])^2)*t[i])",
    "dominant": "loss L = sum(i: t[i]*exp(z[i])/(exp(2*z[i]) + exp(-z[i]) + 3))",
    "small": "loss L = sum(i: t[i]*(exp(z[i]) - 1))",
}


@pytest.mark.parametrize("rule", SPECS)
def test_a_rule_is_named_by_notes_and_trainer_alike(rule: str) -> None:
    head = "input x[3]\n weight W[3, 3]\n z[i] = sum(j: W[i,j]*x[j])\n target t[3]\n "
    found = derivation(head + SPECS[rule])
    named = set(re.findall(r"\(rule (\w+)\)", re.sub(r"\n *# +", " ", module(found))))
    assert rule in fired(found)
    assert rule in named
    assert named <= set(fired(found))


def test_the_table_of_words_has_every_name_that_is_used_and_no_other() -> None:
    """Names are what is handed to ``map``, ``with_body`` and the like as a string, or what a class calls its rule."""
    used = {name for name, _ in stable.SCALAR}
    for file in ("stable", "opening", "limits", "precise", "shares"):
        for node in ast.walk(ast.parse((ROOT / "codegen" / "arithmetic" / f"{file}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "rule":
                used.add(ast.literal_eval(node.value))
            if isinstance(node, ast.Call) and len(node.args) >= 2 and isinstance(node.args[-1], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("map", "with_body", "_reuse_program"):
                    used.add(node.args[-1].value)
    assert used == set(RULES)


def test_the_table_in_the_docs_says_the_same() -> None:
    text = (ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (.*) \| (.*) \|$", text, re.MULTILINE)[1:]
    assert rows == [(name, rule.words, markdown.inline(rule.says)) for name, rule in RULES.items()]
