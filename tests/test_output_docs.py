"""``docs/output.md`` has every kind of output and every option, and its examples are command lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from codegen.outputs import KINDS, check_kind, ending
from derive.cli import _options, _parser

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "output.md").read_text("utf-8")


def table(title: str) -> list[tuple[str, str]]:
    """The first and the last cell of every row under a heading."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?) \|.*\| `(.*)` \|$", section[1], re.MULTILINE) if section else []
    return [(first.replace("`", ""), last) for first, last in rows]


def test_every_kind_of_output_is_there_in_the_order_of_the_help() -> None:
    assert [kind for kind, _ in table("Kinds")] == list(KINDS)
    for kind, line in table("Kinds"):
        (target,) = _parser().parse_args(shlex.split(line)[1:]).output
        assert ending(target) == kind
        if kind not in (".pdf", ".slides.pdf", ".ipynb"):  # those ask for programs
            check_kind(target)


def test_every_option_is_there_with_a_line_that_is_read() -> None:
    known = {name for action in _parser()._actions for name in action.option_strings}
    told = [name for names, _ in table("Options") for name in names.split(", ")]
    assert set(told) | {name.replace("colour", "color") for name in told} == known
    assert len(told) == len(set(told))
    for names, line in table("Options"):
        words = shlex.split(line)
        assert words[0] == "derive"
        assert set(words) & set(names.split(", ")), line
        if not {"--help", "--version"} & set(words):
            _options(_parser().parse_args(words[1:]))


def test_the_readme_leads_here() -> None:
    assert "(docs/output.md)" in (ROOT / "README.md").read_text("utf-8")
