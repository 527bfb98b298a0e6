"""What a reader may choose about the notes: the choices arrive, wrong ones are refused, and no formula changes."""

import re
from pathlib import Path

import pytest

import derive
from codegen.formulas.layout import show
from codegen.notes import compose as notes
from codegen.options import Options
from derive import SpecError
from derive.cli import DONE, MISTAKE, main
from derive.derivation import Derivation
from derive.evaluate import context

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def small() -> Derivation:
    return derive.derive(derive.load(EXAMPLES / "two_two_one.spec"))


@pytest.mark.parametrize(("decimals", "words"), [(1, "one place"), (3, "three places"), (15, "15 places")])
def test_numbers_are_printed_to_the_places_asked_for(small: Derivation, decimals: int, words: str) -> None:
    text = notes.render(small, "net.spec", Options(decimals=decimals))
    assert f"rounded to {words};" in text
    numbers = re.findall(r"(?<![\d.\w{])\d+\.(\d+)", text[text.index("The numbers: derivatives") :])
    assert max(map(len, numbers)) <= max(decimals, 4)  # tables and learning rates stand as they are
    assert decimals < 4 or max(map(len, numbers)) > 4


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("0.05", 2, "0.05"),
        ("0.004", 2, r"4 \cdot 10^{-3}"),
        ("0.0499", 1, r"5 \cdot 10^{-2}"),
        ("0.30646620512", 10, "0.3064662051"),
        ("0.000123456789123", 10, r"1.23456789 \cdot 10^{-4}"),
        ("0.999999999996e-3", 10, r"1 \cdot 10^{-3}"),
    ],
)
def test_few_and_many_decimals(value: str, decimals: int, text: str) -> None:
    assert show(context.mpf(value), decimals).text == text


def test_options_of_the_command_line_are_those_of_write(
    small: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(EXAMPLES / "two_two_one.spec"), "-q", "-o", "a.tex", "--decimals", "3"]) == DONE
    small.write("b.tex", decimals=3)
    assert Path("a.tex").read_text() == Path("b.tex").read_text()
    small.write("c.tex")
    assert Path("a.tex").read_text() != Path("c.tex").read_text()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"decimals": 0}, "cannot print 0 decimals"),
        ({"decimals": 31}, "cannot print 31 decimals"),
        ({"decimals": "six"}, "'six' is not a number of decimals"),
        ({"detail": "ful"}, "unknown level of detail 'ful'"),
    ],
)
def test_wrong_choices_are_refused(small: Derivation, wrong: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=message):
        small.write(tmp_path / "net.tex", **wrong)
    assert not list(tmp_path.iterdir())


def test_a_wrong_choice_on_the_command_line_has_help(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "net.tex"
    assert main([str(EXAMPLES / "two_two_one.spec"), "-o", str(target), "--decimals", "99"]) == MISTAKE
    assert (
        "error: cannot print 99 decimals\nhelp: numbers are printed to 1, 2, … or 30 places" in capsys.readouterr().err
    )
    assert not target.exists()
