"""Mistakes in a specification, as data: what is wrong, where, why, and what to write instead.

Every stage that reads a specification raises :class:`SpecError`; one place, :func:`render`, turns it into the
text a person reads.  The layout follows the compilers of Rust and Stan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from unicodedata import combining, east_asian_width

#: Longer lines are shown in part, around the place of the error.
MAX_COLUMNS = 100
MAX_WORDS = 200  # characters of a message, a label or a line of help
TAB = 4


@dataclass(frozen=True)
class Span:
    """Half-open range ``[start, end)`` of character offsets into the text of one specification."""

    start: int
    end: int

    def __or__(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


class SpecError(Exception):
    """A mistake in the user's input.

    Parameters
    ----------
    message
        One line that says what is wrong, without a final stop: ``"shapes do not agree"``.
    span
        Where; ``None`` when the mistake is not at a place (a missing loss, an unreadable file).
    label
        A few words printed beside the caret: ``"W is [3, 8] and h is [16]"``.
    help
        What to write instead.

    ``source`` is the text that ``span`` speaks of, once somebody knows it; then ``str(error)`` shows the place with a
    caret, as the command line does.
    """

    def __init__(self, message: str, span: Span | None = None, label: str = "", help: str = "") -> None:
        super().__init__(message)
        self.message, self.span, self.label, self.help = message, span, label, help
        self.source: Source | None = None

    def __str__(self) -> str:
        return render(self, self.source).removeprefix("error: ")

    def __repr__(self) -> str:
        where = f", line {self.source.locate(self.span.start)[0]}" if self.source and self.span else ""
        return f"<SpecError: {self.message}{where}>"

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone, since the mistake is in the specification and not in Python."""
        return render(self, self.source).split("\n")


# A traceback names the class as users import it.
SpecError.__module__ = "derive"


@dataclass(frozen=True)
class Source:
    """The text of one specification and the name shown in messages (the file's name, not its folder).

    ``path`` is the file that it was read from, if any.
    """

    name: str
    text: str
    path: Path | None = None

    def __repr__(self) -> str:
        count = len(self.text.splitlines())
        return f"<Source {self.name}: {count} line{'s' * (count != 1)}>"

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        start_of_line = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset) + 1, offset - start_of_line + 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"did you mean 'tanh'?"``, or an empty text when nothing is close."""
    import difflib  # here, since most runs need no advice

    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def printable(name: str) -> str:
    """A file's name as it may stand in a comment: no line break, no control character, no broken encoding."""
    return "".join(c if c.isprintable() else "?" for c in name)


def render(error: SpecError, source: Source | None) -> str:
    """The error as the user sees it, several lines, no final newline.

    Without a span only the message, the source's name and the help are shown; without a source not even the name.
    Nothing of the user's text reaches the terminal raw: tabs become blanks, control characters placeholders.
    """
    lines = [f"error: {_short(error.message)}"]
    if source and error.span:
        lines += _excerpt(source, error.span, error.label, bool(error.help))
    elif source:
        lines.append(f"  --> {_visible(source.name)}")
    if error.help:
        first, *rest = error.help.split("\n")
        lines += [f"help: {_short(first)}", *(f"      {_short(line)}" for line in rest)]
    return "\n".join(lines)


def _excerpt(source: Source, span: Span, label: str, closed: bool) -> list[str]:
    """The arrow to the place, the line it is in, and carets under the span; ``closed`` adds a last bare gutter."""
    # An error at the end of the file belongs behind its last character, not on an empty line below it.
    start = span.start if span.start < len(source.text) else len(source.text.rstrip("\r\n"))
    number, column = source.locate(start)
    line = source.text[start - column + 1 :].partition("\n")[0].rstrip("\r")
    shown, before, marked = _window([_cell(c) for c in line], column - 1, column - 1 + span.end - start)
    gutter = " " * (len(str(number)) + 2) + "|"
    return [
        f"{gutter[:-2]}--> {_visible(source.name)}:{number}:{column}",
        gutter,
        f" {number} | {shown}".rstrip(),
        f"{gutter} {' ' * before}{'^' * max(marked, 1)} {_short(label)}".rstrip(),
        *[gutter] * closed,
    ]


def _window(cells: list[str], start: int, end: int) -> tuple[str, int, int]:
    """The part of a line around ``[start, end)`` that fits, the columns before the span and the columns of the span."""
    start, end = min(start, len(cells)), max(start, min(end, len(cells)))
    low, high, room = 0, len(cells), MAX_COLUMNS
    if sum(map(_width, cells)) > room:
        low = high = start
        room -= 2  # for the two ellipses
        # The span first, then a column on either side in turn, until nothing more fits.
        while high < end and _width(cells[high]) <= room:
            room -= _width(cells[high])
            high += 1
        while True:
            left = low > 0 and _width(cells[low - 1]) <= room
            if left:
                low -= 1
                room -= _width(cells[low])
            right = high < len(cells) and _width(cells[high]) <= room
            if right:
                room -= _width(cells[high])
                high += 1
            if not left and not right:
                break
    head, tail = "…" * (low > 0), "…" * (high < len(cells))
    before = _width(head) + sum(map(_width, cells[low:start]))
    return head + "".join(cells[low:high]) + tail, before, sum(map(_width, cells[start : min(end, high)]))


def _short(text: str) -> str:
    """Words of ours that may quote the user's: what is too long loses its middle."""
    return _visible(text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS // 2]} … {text[-MAX_WORDS // 2 :]}")


def _visible(text: str) -> str:
    return "".join(map(_cell, text))


def _cell(character: str) -> str:
    """What is shown for one character: itself if it is printable, else blanks for a tab, a placeholder for the rest."""
    if character.isprintable():
        return character
    if character == "\t":
        return " " * TAB
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else "␣" if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a wide East Asian character, none for a combining mark."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
