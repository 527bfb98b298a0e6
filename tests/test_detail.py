"""How much the notes show: levels of detail, and the weights that a reader asks for."""

from __future__ import annotations

import re

import pytest
from oracles import example, network_of

from codegen.notes import compose as notes
from codegen.options import Options
from derive.cli import MISTAKE, main
from derive.derivation import derive
from derive.diagnostics import SpecError

WIDE = "input x[3]\nh[4] = tanh(linear(x))\ny = linear(h)\ntarget t\nloss L = (y - t)^2\n"  # 16 weights
LARGE = "input x[90]\nh[80] = tanh(dense(x))\ny = linear(h)\ntarget t\nloss L = (y - t)^2\n"


def markdown(spec: str, **options: object) -> str:
    return notes.render_markdown(derive(network_of(spec)), "net.spec", Options(**options))


def heads(text: str) -> list[str]:
    """By what is derived under a head of its own, step by step."""
    return re.findall(r"^### .*?\\partial ([^ $]*)\$$", text, re.MULTILINE)


def updates(text: str) -> list[str]:
    """The weights in the list of all updates."""
    part = text[text.index("## All updates") :].split("\n## ")[0]
    return re.findall(r"^(\S+) &\\leftarrow", part, re.MULTILINE)


def test_a_small_network_is_shown_weight_by_weight() -> None:
    spec = example("two_two_one")
    normal = markdown(spec)
    assert heads(normal) == ["\\mathit{prediction}", *(f"w_{{{n}}}" for n in range(6, 0, -1))]
    assert markdown(spec, detail="full") == normal
    assert "analogy" not in normal


def test_brief_leaves_the_single_weights_and_the_lines_of_numbers_out() -> None:
    text = markdown(example("two_two_one"), detail="brief")
    assert heads(text) == []
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert titles == [
        "Notation",
        "The network",
        "The update rule",
        "The derivatives, layer by layer",
        "All updates",
        "The numbers",
    ]
    assert len(text) < len(markdown(example("two_two_one"))) / 3


def test_more_than_twelve_weights_are_shown_one_of_each_array() -> None:
    normal = markdown(WIDE)
    assert heads(normal)[-2:] == ["W^{(2)}_{12}", "W^{(1)}_{12}"]
    assert len([h for h in heads(normal) if h.startswith("W")]) == 2
    assert "follow by analogy" in normal
    assert len(updates(normal)) == 16
    full = markdown(WIDE, detail="full")
    assert len([h for h in heads(full) if h.startswith("W")]) == 16
    assert "analogy" not in full


def test_chosen_weights_come_with_what_their_derivatives_are_made_of() -> None:
    text = markdown(example("two_two_one"), weights=("w1", "w6"))
    assert heads(text) == ["\\mathit{prediction}", "w_{6}", "w_{1}"]
    assert "follow by analogy" in text
    assert "## All updates" in text


def test_chosen_weights_of_a_large_network_have_their_indices_put_in() -> None:
    text = markdown(LARGE, weights="W1[80,7], b1[3]")
    part = text[text.index("## Chosen weights") :].split("\n## ")[0]
    assert "W^{(1)}_{80,7} &\\leftarrow W^{(1)}_{80,7} - a\\, \\delta^{(1)}_{80}\\, x_{7}" in part
    assert "b^{(1)}_{3} &\\leftarrow" in part
    assert part.count("leftarrow") == 2


@pytest.mark.parametrize(
    ("weights", "message", "help"),
    [
        ("w7", "no weight is called 'w7'", "the weights are w1, w2, w3, w4, w5, w6"),
        ("w1,W12", "no weight is called 'W12'", "the weights are w1"),
        ("w11", "no weight is called 'w11'", "did you mean 'w1'?"),
        ("W1", "'W1' is an array of 4 weights", "choose among w1 … w4"),
    ],
)
def test_a_name_that_no_weight_has_is_refused(weights: str, message: str, help: str) -> None:
    with pytest.raises(SpecError) as caught:
        markdown(example("two_two_one"), weights=weights)
    assert caught.value.message == message
    assert help in caught.value.help


def test_the_command_line_asks_for_details(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.spec").write_text(LARGE, "utf-8")
    assert main(["-q", "net.spec", "-o", "a.md", "--weights", "W1[2,3],b1[4]", "--weights", "W2[1,1]"]) == 0
    text = (tmp_path / "a.md").read_text("utf-8")
    assert all(w in text for w in ("W^{(1)}_{23}", "b^{(1)}_{4}", "W^{(2)}_{11}"))
    assert main(["-q", "net.spec", "-o", "b.md", "--weights", "W1[2,300]"]) == MISTAKE
    assert main(["-q", "net.spec", "-o", "b.md", "--detail", "breif"]) == MISTAKE
    assert "did you mean 'brief'?" in capsys.readouterr().err
    assert not (tmp_path / "b.md").exists()
