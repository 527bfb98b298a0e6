"""What README and the language page show is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from derive.cli import main
from derive.diagnostics import Source, SpecError, render
from derive.language.build import load

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LANGUAGE = (ROOT / "docs" / "language.md").read_text("utf-8")


def block(start: str) -> str:
    """The fenced block that starts with these words."""
    return next(text for _, text in BLOCKS if text.startswith(start))


def without_padding(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_the_first_specification_prints_what_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("two_two_one.spec").write_text(block('network "Two inputs'), "utf-8")
    assert main(["two_two_one.spec"]) == 0
    shown = without_padding(block(" h[j]"))
    printed = without_padding(capsys.readouterr().out)
    assert printed[0] == "Two inputs, two hidden neurons, one output"
    assert [line.strip() for line in printed[1 : len(shown) + 1]] == [line.strip() for line in shown]
    assert printed[len(shown) + 1 :] == ["wrote two_two_one.tex", "wrote two_two_one_trainer.py"]


def test_the_first_specification_is_the_example():
    def statements(text: str) -> list[str]:
        return [line.split("#")[0].split() for line in text.splitlines() if line.split("#")[0].strip()]

    example = (ROOT / "examples" / "two_two_one.spec").read_text("utf-8")
    assert statements(block('network "Two inputs')) == statements(example)


def test_the_equation_network_is_a_specification():
    assert load(Source("swish.spec", block("define swish"))).loss == "L"


def test_the_error_shown_is_the_error_given():
    source = Source("iris.spec", "input x[4]\nweight W[3, 8], b[3]\nh[16] = dense(x)\n\np[3]  = softmax(W @ h)\n")
    with pytest.raises(SpecError) as caught:
        load(source)
    assert render(caught.value, source) == block("error:").rstrip()


def test_the_two_commands_are_single_lines():
    commands = [text for language, text in BLOCKS if language == "sh"]
    assert len(commands) == 2
    assert all(c.count("\n") == 1 and ".venv" in c for c in commands)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#]+)\)", README + LANGUAGE)) - {""}))
def test_links_lead_somewhere(path):
    assert path.startswith("http") or (ROOT / path).exists() or (ROOT / "docs" / path).exists()


def test_the_catalogue_is_listed():
    catalogue = (ROOT / "derive" / "language" / "catalogue.spec").read_text("utf-8")
    for name in re.findall(r"^define (\w+)", catalogue, re.MULTILINE):
        assert name in LANGUAGE
