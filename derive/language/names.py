"""What may stand for a name, and what to say about characters that mean nothing in the language.

Names end up in generated Python, in TeX and in file names, so the rules are those all three can live with: ASCII
letters, digits and single underscores inside, at most :data:`MAX_NAME` characters.
"""

from __future__ import annotations

import keyword
import re
import unicodedata

from derive.diagnostics import Span, SpecError

MAX_NAME = 32

#: The words that start a statement, each with an example of its use.
STATEMENTS = {
    "network": 'network "Iris"',
    "input": "input x[4]",
    "target": "target t[3]",
    "weight": "weight W[16, 4], b[16]",
    "mask": "mask m[16] = 0.2",
    "constant": "constant c = 0.35",
    "size": "size n = 8",
    "define": "define swish(z) = z * sigmoid(z)",
    "notation": "notation numbered",
    "rate": "rate a = 0.05",
    "optimizer": "optimizer momentum(a = 0.1, mu = 0.9)",
    "update": "update w = w - a * g",
    "batch": "batch sum",
    "init": "init W1 = [[0.34, 0.13], [0.05, 0.07]], b1 = 0",
    "sample": "sample x = [2, 3], t = 1",
    "loss": "loss L = 1/2 * (y - t)^2",
}

#: What others call these statements.
OTHER_WORDS = {
    "bias": "weight",
    "cost": "loss",
    "data": "sample",
    "label": "target",
    "lr": "rate",
    "objective": "loss",
    "output": "target",
    "param": "weight",
    "parameter": "weight",
    "title": "network",
}

#: The words that reduce over indices or over all elements; they are functions, never tensors.
REDUCTIONS = frozenset({"sum", "mean", "max", "min"})

#: The functions that make weights of their own.
LAYERS = ("linear", "dense", "maxout")

#: The functions that make tensors of their own: weights, and the mask of a dropout.
MAKERS = (*LAYERS, "dropout")

#: The index over the samples of a batch, in brackets of a reduction.
BATCH = "batch"

#: Words that start a statement and are names all the same, where a name is what fits.
ORDINARY = frozenset({"mask"})

#: The functions that put elements elsewhere.
ARRANGEMENTS = ("transpose", "pad")

#: The words inside a statement, and where they stand.
_INSIDE = {"given": "the word follows define", "in": "the word gives an index its range: sum(i in 3: x[i])"}

#: Words that no quantity may be called.
RESERVED = (frozenset(STATEMENTS) - ORDINARY) | _INSIDE.keys() | REDUCTIONS

_RULE = "names hold ASCII letters, digits and underscores"
_CASES = "cases(u, a, b) is a where u > 0, else b; max(a, b) and min(a, b) make cases too"
_COMPARISON = ("comparisons are not part of the language", _CASES)
_LOGIC = ("there are no logical operations", _CASES)

#: Spellings of other languages that are a mistake wherever they stand: the message and the help.
SLIPS: dict[str, tuple[str, str]] = {
    "**": ("write ^ for a power", "x**2 is written x^2"),
    "==": ("write a single = here", "an equation is written name = expression"),
    ":=": ("write = instead of :=", "an equation is written name = expression"),
    "<-": ("write = instead of <-", "an equation is written name = expression"),
    "->": ("-> has no meaning here", "an equation is written name = expression"),
    "//": ("write / for a division", "a comment starts with #"),
    ".*": ("write * for a product", "* is elementwise already, @ is the matrix product"),
    "./": ("write / for a division", "/ is elementwise already"),
    ".^": ("write ^ for a power", "^ is elementwise already"),
    **{
        f"{sign}=": (f"{sign}= has no meaning here", "an equation gives a name its value once: y = x + 1")
        for sign in "+-*/"
    },
    **dict.fromkeys(("!=", "<=", ">=", "<", ">"), _COMPARISON),
    **dict.fromkeys(("&&", "||", "!", "?"), _LOGIC),
    "|": ("a bar has no meaning here", "write abs(x) for the absolute value"),
    ";": ("a ; has no meaning here", "write each statement on a line of its own, a comma between values"),
    "'": ("a prime has no meaning here", "write another name, such as x1; derivatives are worked out for you"),
    "`": ("a backquote has no meaning here", _RULE),
    ".": ("a point has no meaning here", f"{_RULE}; a decimal number has digits around its point: 0.5"),
    "\\": (r"a \ has no meaning here", f"{_RULE}; a line may be broken anywhere inside brackets"),
    "{": ("curly brackets have no meaning here", "write ( ) around expressions, [ ] around indices and lists"),
    "}": ("curly brackets have no meaning here", "write ( ) around expressions, [ ] around indices and lists"),
    **{sign: (f"a {sign} has no meaning here", _RULE) for sign in "$&~"},
    "%": ("a % has no meaning here", "a comment starts with #"),
}

#: Characters beyond ASCII that are not letters, and what to type in their place.
_INSTEAD = {
    **dict.fromkeys("−–—―‐‑‒﹣－", "write -"),
    **dict.fromkeys("×·∙⋅⊙∘•∗", "write *"),
    **dict.fromkeys("÷∕⁄", "write /"),
    **dict.fromkeys("“”„‟«»″", 'write "'),
    **dict.fromkeys("‘’‚‛′", 'write another name, such as x1; quotes are written "'),
    **dict.fromkeys("≤≥≠≈≡<>", _COMPARISON[1]),
    **dict.fromkeys("←≔", "write ="),
    **dict.fromkeys("∂∇", "write the equations only; derivatives are worked out for you"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", "delete it"),
    "∑": "write sum(i: ...)",
    "√": "write sqrt( )",
    "∞": "write a number",
    "…": "write all of it out",
}

_LOOKALIKES = dict(zip("аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅ", "aeopcyxijshdqwABEKMHOPCTYXIJS", strict=True))
_WORD = re.compile(r"\w+")
_SUPERSCRIPT = re.compile("<super> ([0-9A-F]{4})")


def example(statement: str) -> str:
    """Advice for a statement that went wrong."""
    return f"for example: {STATEMENTS[statement]}"


def quote(text: str) -> str:
    """The user's text in a message: in quotes, and cut when it is long."""
    return f"'{text}'" if len(text) <= MAX_NAME else f"'{text[: MAX_NAME - 1]}…'"


def check_name(name: str, span: Span) -> None:
    """Raise :class:`SpecError` unless ``name``, made of ASCII letters, digits and underscores, is a good name.

    Reserved words pass: where they may stand is the grammar's business.
    """
    if len(name) > MAX_NAME:
        message, help = f"the name is longer than {MAX_NAME} characters", "write a shorter name"
    elif name.startswith("_") or name.endswith("_") or "__" in name:
        plain = re.sub("_+", "_", name.strip("_"))
        if keyword.iskeyword(plain) or plain in RESERVED:
            plain += "1"
        message = f"underscores stand only between letters and digits, one at a time, not as in {quote(name)}"
        help = f"write {quote(plain)}" if plain[:1].isalpha() else "write a name that starts with a letter"
    elif keyword.iskeyword(name) and name != "lambda":
        message = f"{quote(name)} is a word of Python and cannot be a name"
        help = f"the trainer is written in Python; write another name, such as {quote(name + '1')}"
    else:
        return
    raise SpecError(message, span, "not a name", help)


def refuse_reserved(name: str, span: Span) -> None:
    """Raise :class:`SpecError` when a quantity is called by a reserved word."""
    if name in REDUCTIONS:
        help = f"{name} is a function: {name}(e), {name}(i: e)"
    elif name == BATCH:
        help = "samples stay unwritten; the word is for reductions over them: mean(batch: z[i])"
    elif name in RESERVED:
        help = f"the word starts a statement: {STATEMENTS[name]}" if name in STATEMENTS else _INSIDE[name]
    else:
        return
    raise SpecError(f"{quote(name)} is a reserved word", span, "cannot be a name", f"{help}; write another name")


def foreign(text: str, offset: int) -> SpecError:
    """The error for a character beyond ASCII outside titles and comments."""
    character = text[offset]
    title = unicodedata.name(character, f"U+{ord(character):04X}")
    shown = character if character.isprintable() else "this character"
    superscript = _SUPERSCRIPT.fullmatch(unicodedata.decomposition(character))
    if character in _INSTEAD:
        help = _INSTEAD[character]
    elif unicodedata.category(character) == "Zs":
        help = "write an ordinary space"
    elif superscript:
        help = f"write ^{chr(int(superscript[1], 16))}"
    else:
        help = _suggest(text, offset)
    return SpecError(f"{shown} cannot be used here, only ASCII characters", Span(offset, offset + 1), title, help)


def _suggest(text: str, offset: int) -> str:
    """Advice for a letter beyond ASCII: the whole name respelled where that gives a name."""
    start = offset
    while start > 0 and offset - start < MAX_NAME and _WORD.fullmatch(text[start - 1]):
        start -= 1
    word = _WORD.match(text, start, start + 2 * MAX_NAME)
    spelled = "".join(map(_ascii, word[0])) if word else ""
    if re.fullmatch("[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", spelled) and len(spelled) <= MAX_NAME:
        return f"write {spelled}, in Latin letters" if text[offset] in _LOOKALIKES else f"write {spelled}"
    return _RULE


def _ascii(character: str) -> str:
    """One letter respelled in ASCII, ``α`` as ``alpha``; a text that is no name where there is no such spelling."""
    plain = unicodedata.normalize("NFKD", character)[0]
    if plain.isascii() or plain in _LOOKALIKES:
        return _LOOKALIKES.get(plain, plain)
    greek = re.match(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", unicodedata.name(plain, ""))
    if not greek:
        return "?"
    spelled = "lambda" if greek[2] == "LAMDA" else greek[2].lower()
    return spelled if greek[1] == "SMALL" else spelled.capitalize()


#: The ways of writing that a specification may ask for.  Only ``numbered`` changes what single weights are called; all
#: others are a matter of typesetting alone.
NOTATIONS = ("indexed", "numbered", "nielsen", "bishop", "goodfellow", "ufldl", "cs231n", "deeplearning_ai", "mitchell")
