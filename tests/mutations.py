"""Specifications with mistakes in them: what a hand, a keyboard, a bad disk or an enemy makes of a good one.

The corpus is every specification of this repository: examples, wrong ones, snippets of the documents, the networks of
the tests.  A mutant is one of them after a few changes of bytes, characters, words, numbers, nesting or lines, or two
spliced.  The same seed gives the same mutant.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from constructions import CONSTRUCTIONS
from oracles import CASES

from derive.language import names

ROOT = Path(__file__).resolve().parent.parent
BAD = ROOT / "tests" / "bad"

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\s+|.", re.DOTALL)
_NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_]\w*")
_WORDS = [
    *[*names.STATEMENTS, *names.RESERVED, *names.REDUCTIONS, *names.LAYERS],
    *["x", "W1", "b1", "w", "h", "t", "n", "T", "i", "j", "L", "_", "lambda", "h[t-1]", "h[0] = 1", "sum(i: x[i])"],
    *["dense(x)", "softmax(", "tanh(", "x[i+k-1]", "x[2*i]", "x[0]", "x[-1]", "W[i,i]", "[1, 2]", "[[1], [2, 3]]"],
    *["@", "^", "-", "/", "*", "+", ":", ",", "=", "(", ")", "[", "]", "{", "}", "\n", " ", "#", '"', "'", ";", "**"],
    *["\\input", "{{", "__import__", "\r", "\t", "1/0", "0/0", "e", "1e", ".5", "5.", "=="],
]
_STRANGE = [
    *["α", "Ω", "µ", "é", "ß", "日", "ﬁ", "²", "₁", "−", "×", "·", "∑", "∂", "→", "＝", "（", "１", "٣", "𝐱", "Ⅷ"],
    *[
        "\u0301",
        "\u00a0",
        "\u200b",
        "\u202e",
        "\u2028",
        "\ufeff",
        "\ufffd",
        "\ud7ff",
        "\U0010ffff",
        "\x00",
        "\x1b",
        "\x7f",
    ],
]
_NUMBERS = [
    *["0", "1", "2", "3", "7", "60", "255", "1000", "65536", "100000", "1000000", "100000000", "100000001"],
    *["2147483648", "9223372036854775808", "1" + "0" * 30, "9" * 40, "9" * 41, "1" + "0" * 400, "0.1", "-1", "1/3"],
    *["0.5", "1e300", "1e-300", "1e400", "1e401", "1e999999999", "1e-400", "0." + "0" * 37 + "1", "00", "1.5", "1/7"],
]
_FUNCTIONS = [*"sin cos tanh exp log sqrt abs erf sigmoid relu softplus softmax sum mean max min linear dense".split()]


@cache
def wrong_ones() -> tuple[str, ...]:
    """The specifications of this repository that are refused, each for a reason of its own."""
    return tuple(path.read_text(encoding="utf-8", errors="replace") for path in sorted(BAD.glob("*.spec")))


@cache
def good_ones() -> tuple[str, ...]:
    """All others: examples, snippets of the documents, networks of the tests."""
    files = [path for folder in ("examples", "tests") for path in sorted((ROOT / folder).rglob("*.spec"))]
    texts = [path.read_text(encoding="utf-8") for path in files if path.parent != BAD]
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```.*?\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        texts += [block for block in blocks if re.search(r"^ *(loss|weight|input|define)\b", block, re.MULTILINE)]
    return (*texts, *(case.spec for case in (*CASES.values(), *CONSTRUCTIONS.values())))


def mutant(seed: str) -> bytes:
    """The content of a file: one of the corpus after one to four changes."""
    chance = random.Random(seed)
    text = _any(chance)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4])):
        text = chance.choice(_CHANGES)(text, chance)
    content = text.encode("utf-8", errors="surrogatepass")
    return _bytes(content, chance) if chance.random() < 0.05 else content


def _any(chance: random.Random) -> str:
    """A specification to change: mostly a good one, since of those most is read before the mistake comes."""
    return chance.choice(good_ones() if chance.random() < 0.85 else wrong_ones())


def _part(text: str, chance: random.Random, longest: int = 12) -> tuple[int, int]:
    a = chance.randint(0, len(text))
    return a, min(len(text), a + chance.randint(0, longest))


def _bytes(content: bytes, chance: random.Random) -> bytes:
    a = chance.randint(0, len(content))
    return content[:a] + chance.randbytes(chance.randint(0, 3)) + content[a + chance.randint(0, 3) :]


def _delete(text: str, chance: random.Random) -> str:
    a, b = _part(text, chance)
    return text[:a] + text[b:]


def _insert(text: str, chance: random.Random) -> str:
    a, b = _part(text, chance, 3)
    return text[:a] + chance.choice(_WORDS) + text[b:]


def _strange(text: str, chance: random.Random) -> str:
    a, b = _part(text, chance, 2)
    return text[:a] + chance.choice(_STRANGE) * chance.choice([1, 1, 2, 50]) + text[b:]


def _duplicate(text: str, chance: random.Random) -> str:
    a, b = _part(text, chance, 30)
    return text[:b] + text[a:b] * chance.choice([1, 1, 2, 20]) + text[b:]


def _letters(text: str, chance: random.Random) -> str:
    a, _ = _part(text, chance)
    return text[:a] + text[a : a + 2][::-1] + text[a + 2 :]


def _tokens(text: str, chance: random.Random) -> str:
    """Two words change places, one is lost, one is doubled, or one is taken from another specification."""
    tokens = _TOKEN.findall(text)
    solid = [n for n, token in enumerate(tokens) if not token.isspace()]
    if not solid:
        return text
    n, m = chance.choice(solid), chance.choice(solid)
    match chance.randrange(5):
        case 0:
            tokens[n], tokens[m] = tokens[m], tokens[n]
        case 1:
            tokens[n] = ""
        case 2:
            tokens[n] += " " + tokens[n]
        case 3:
            tokens[n] = tokens[m]
        case _:
            others = [token for token in _TOKEN.findall(_any(chance)) if not token.isspace()]
            tokens[n] = chance.choice([*others, *_WORDS])
    return "".join(tokens)


def _number(text: str, chance: random.Random) -> str:
    """A number becomes another, often a much larger one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    old = chance.choice(found)
    new = chance.choice([*_NUMBERS, str(chance.randint(0, 9)), str(chance.randint(0, 10**6)), old[0] * 3])
    return text[: old.start()] + new + text[old.end() :]


def _nested(text: str, chance: random.Random) -> str:
    """A word is put into brackets, calls or powers, perhaps very many, or becomes a very long sum."""
    found = list(_NAME.finditer(text)) + list(_NUMBER.finditer(text))
    if not found:
        return text
    old = chance.choice(found)
    depth = chance.choice([1, 1, 1, 2, 2, 3, 5, 10, 59, 61, 101, 300])
    function = chance.choice(_FUNCTIONS)
    new = [
        f"{'(' * depth}{old[0]}{')' * depth}",
        f"{f'{function}(' * depth}{old[0]}{')' * depth}",
        f"{'-' * depth}{old[0]}",
        old[0] + f"^{old[0]}" * depth,
        old[0] + f" {chance.choice('+-*/@')} {old[0]}" * (depth * chance.choice([1, 1, 30])),
        f"{'[' * depth}{old[0]}{']' * depth}",
        f"{old[0]}[{', '.join('i' * depth)}]",
        f"{old[0]}[{', '.join('1' * depth)}]",
        f"{'sum(i: ' * depth}{old[0]}{')' * depth}",
        f"({old[0]})^{chance.choice(_NUMBERS)}",
        f"{function}({', '.join([old[0]] * depth)})",
        f"{old[0]}({old[0]})",
    ]
    return text[: old.start()] + chance.choice(new) + text[old.end() :]


def _rename(text: str, chance: random.Random) -> str:
    """A name becomes another one, everywhere."""
    found = sorted(set(_NAME.findall(text)))
    if not found:
        return text
    old, new = chance.choice(found), chance.choice([*found, *_WORDS, "a" * chance.choice([2, 40, 41, 300])])
    return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, text)


def _lines(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    n, m = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[n]
        case 1:
            lines[n:n] = [lines[n]] * chance.choice([1, 1, 2, 300])
        case 2:
            lines[n], lines[m] = lines[m], lines[n]
        case 3:
            lines.insert(n, chance.choice(_any(chance).split("\n")))
        case _:
            lines[n] = lines[n].rstrip() + " " + lines[m].lstrip()
    return "\n".join(lines)


def _splice(text: str, chance: random.Random) -> str:
    """Two specifications in one: one behind the other, the head of one on the tail of the other, or shuffled."""
    other = _any(chance)
    match chance.randrange(4):
        case 0:
            return f"{text}\n{other}"
        case 1:
            return text[: chance.randint(0, len(text))] + other[chance.randint(0, len(other)) :]
        case 2:
            mine, others = text.split("\n"), other.split("\n")
            return "\n".join(mine[: chance.randint(0, len(mine))] + others[chance.randint(0, len(others)) :])
        case _:
            lines = text.split("\n") + other.split("\n")
            chance.shuffle(lines)
            return "\n".join(lines)


_CHANGES: list[Callable[[str, random.Random], str]] = [
    *[_delete, _insert, _strange, _duplicate, _letters],
    *[_tokens, _tokens, _tokens, _number, _number, _nested, _nested, _rename, _lines, _lines, _splice],
]
