"""What must hold of any file that is handed to ``derive``: it is read, or refused in words, soon, in little memory."""

from __future__ import annotations

import contextlib
import io
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path
from unicodedata import combining

from derive.cli import DONE, MISTAKE, main
from derive.diagnostics import MAX_COLUMNS, MAX_WORDS, SpecError, render
from derive.language.build import load
from derive.language.parser import read

SECONDS = 2.0  # of the process's own time, to read a specification or to refuse it

#: Characters of a line of an answer: a gutter, a line of the text, a label.
WIDE = 16 + MAX_COLUMNS + MAX_WORDS + 8

#: What is wrong with a whole file, not at a place in it.
WITHOUT_A_PLACE = (
    "there is no loss",
    "there is nothing to learn",
    "the file holds no statements",
    "the specification is larger than",
    "the loss or one of its derivatives has no real value",
    "the loss has no real value",
    "no point was found at which the loss has a real value",
)


class OutOfTime(BaseException):
    """No ``Exception``, so that nobody who catches those catches this."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` inside the block after so many seconds of the process's own time."""

    def stop(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def reading(path: Path) -> tuple[bool, str]:
    """Whether a file was read as a network, and what is wrong with how it was read or refused, if anything."""
    try:
        with time_limit(SECONDS):
            source = read(path)
    except SpecError as error:
        return False, _wrong(error, None)
    except OutOfTime:
        return False, f"reading takes more than {SECONDS} s"
    try:
        with time_limit(SECONDS):
            load(source)
    except SpecError as error:
        if error.span is None and not error.message.startswith(WITHOUT_A_PLACE):
            return False, f"no place is given: {error.message}"
        if error.span and not 0 <= error.span.start <= error.span.end <= len(source.text):
            return False, f"{error.span} is outside the text: {error.message}"
        answer = render(error, source)
        if source.name not in answer.split("\n")[1]:
            return False, f"the file is not named: {answer}"
        return False, _wrong(error, answer)
    except OutOfTime:
        return False, f"building takes more than {SECONDS} s:\n{traceback.format_exc(limit=-6)}"
    except BaseException:
        return False, traceback.format_exc(limit=-8)
    return True, ""


def _wrong(error: SpecError, answer: str | None) -> str:
    answer = render(error, None) if answer is None else answer
    if "\n" in error.message or not error.message.strip():
        return f"the message is not one line: {error.message!r}"
    if not all(c.isprintable() or c == "\n" for c in answer):
        return f"the answer cannot be printed: {answer!r}"
    if wide := [line for line in answer.split("\n") if sum(not combining(c) for c in line) > WIDE]:
        return f"a line of {len(wide[0])} characters: {wide[0][:300]}"
    return "" if answer.startswith("error: ") else f"no error: {answer}"


def working(path: Path, outputs: list[str], seconds: float) -> str:
    """What is wrong with the command on a file that was read, which must derive, prove and write, or refuse in words.

    ``"out of time"`` if it needs more than ``seconds`` of the process's own time.
    """
    out, err = io.StringIO(), io.StringIO()
    targets = [path.with_suffix(ending) for ending in outputs]
    try:
        with time_limit(seconds), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(path), "--force", *(word for target in targets for word in ("-o", str(target)))])
    except OutOfTime:
        return "out of time"
    except BaseException:
        return traceback.format_exc(limit=-8)
    written = [target for target in targets if target.exists()]
    for target in written:
        target.unlink()
    if code not in (DONE, MISTAKE) or "Traceback" in err.getvalue():
        return f"exit code {code}: {err.getvalue()}"
    if len(written) != (len(targets) if code == DONE else 0):
        return f"exit code {code}, and {len(written)} of {len(targets)} files are written"
    if (code == DONE) == bool(err.getvalue()):
        return f"exit code {code}, and on standard error stands {err.getvalue()!r}"
    return ""
