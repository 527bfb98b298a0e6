"""The command ``derive``: one specification in; a summary on the terminal, notes, trainer and numbers in files out.

Exit codes: 0, done; 2, a mistake in the specification or on the command line; 3, a mistake of ours; 130, interrupted;
141, nobody reads the output any more.  Only with 0 and 141 has anything been written.

What is imported at the top is light: ``derive --help`` answers at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from codegen.options import DECIMALS, Options
from codegen.outputs import KINDS, WIDEST, check_kind, defaults
from derive.diagnostics import Source, SpecError, printable, render
from derive.language.names import NOTATIONS

if TYPE_CHECKING:
    from derive.derivation import Derivation

DONE, MISTAKE, INTERNAL, INTERRUPTED, BROKEN_PIPE = 0, 2, 3, 130, 141

#: What stands out in an error on a terminal: its first words, the carets with their label, the advice.
_COLOURS = ((r"\A(internal )?error:", "1;31"), (r"(?<=\| ) *\^+.*$", "31"), (r"^help:", "1;36"))

_DESCRIPTION = """\
Derive the gradients of a neural network in closed form, prove them, and print
them as lecture notes and as a fast trainer."""
_EPILOG = f"""\
kinds of output, by the ending of the file's name:
{chr(10).join(f"  {ending:{WIDEST}}{kind.what}" for ending, kind in KINDS.items())}

Without -o, net.spec gives net.tex and net_trainer.py in the current folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on ``argv`` (by default the process's) and return the exit code.

    Raises
    ------
    SystemExit
        from argparse, for ``--help``, ``--version`` (code 0) and a wrong command line (code 2).
    """
    for stream in (sys.stdout, sys.stderr):
        _show_what_can_be_shown(stream)
    try:
        arguments = _parser().parse_args(argv)
        gc.disable()  # a short process that builds much and drops little: collecting costs a fifth of its time
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail once more when the interpreter flushes it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        return _apologise(error)
    finally:
        gc.enable()
        if argv is None:
            gc.freeze()  # the process ends here: nobody needs to look for what could be given back
    return code


def _run(arguments: argparse.Namespace) -> int:
    """The whole way from the specification to the files."""
    from codegen import files, outputs

    spec: Path = arguments.spec
    targets = arguments.output or ([] if arguments.explain_schedule else defaults(spec))
    try:
        options = _options(arguments)
        from derive.language.parser import read

        source = read(spec)
        for target in targets:
            check_kind(target)
        files.check(targets, spec, arguments.force)
    except SpecError as error:
        return _refuse(error, None)
    source = Source(printable(source.name), source.text)
    try:
        from derive.derivation import derive
        from derive.language.build import load

        derivation = derive(load(source))
    except SpecError as error:
        return _refuse(error, source)
    try:
        files.write([(t, outputs.render(derivation, source.name, t, options)) for t in targets])
    except SpecError as error:
        return _refuse(error, None)
    if arguments.explain_schedule:
        _explain(derivation)
    elif not arguments.quiet:
        _summarise(derivation, targets)
    return DONE


def _options(arguments: argparse.Namespace) -> Options:
    """What the command line chooses of :class:`Options`; the arguments are called as its fields are."""
    chosen = {f.name: getattr(arguments, f.name, None) for f in fields(Options)}
    return Options(**{name: value for name, value in chosen.items() if value is not None})


def _summarise(derivation: Derivation, targets: list[Path]) -> None:
    from codegen import summary

    try:
        summary.show(derivation, [printable(str(target)) for target in targets])
    except SystemExit:  # that is how Rich answers when nobody reads its output any more
        raise BrokenPipeError from None


def _explain(derivation: Derivation) -> None:
    from codegen.trainer import explain

    try:
        explain.show(derivation)
    except SystemExit:
        raise BrokenPipeError from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "derive", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path, metavar="net.spec", help="the specification of the network")
    parser.add_argument(
        "-o", "--output", type=Path, action="append", metavar="FILE", help="write this file; may be repeated"
    )
    parser.add_argument(
        "--notation", metavar="NAME", help=f"write as a book does: {', '.join(NOTATIONS)}, or a file my.toml"
    )
    parser.add_argument(
        "--decimals", type=int, metavar="N", help=f"print worked numbers to N places (default {DECIMALS})"
    )
    parser.add_argument(
        "--detail",
        metavar="LEVEL",
        help="how much the notes show: brief (slides by default), normal (all else) or full",
    )
    parser.add_argument(
        "--weights", metavar="w1,w6", action="append", help="the weights that the notes derive step by step"
    )
    parser.add_argument(
        "--colour",
        "--color",
        action=argparse.BooleanOptionalAction,
        help="symbols in formulas coloured as in the pictures",
    )
    parser.add_argument(
        "--fragment", action="store_true", default=None, help="write LaTeX without a preamble, for \\input"
    )
    parser.add_argument(
        "--explain-schedule",
        action="store_true",
        help="print how the trainer computes: loops, products, memory, and why; write only what -o names",
    )
    parser.add_argument("--force", action="store_true", help="replace files that derive did not generate")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no summary")
    parser.add_argument("--version", action=_Version, help="print the version and stop")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import derive

        print(f"derive {derive.__version__}")
        parser.exit()


# What went wrong ----------------------------------------------------------------------------------------------


def _refuse(error: SpecError, source: Source | None) -> int:
    _complain(render(error, source))
    return MISTAKE


def _apologise(error: Exception) -> int:
    """A mistake of ours, in two lines; the traceback is for those who look for it."""
    if os.environ.get("DERIVE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    lines = str(error).strip().split("\n")
    what = printable(f"{type(error).__name__}: {lines[0]}"[:300])
    _complain(f"internal error: {what}\nhelp: this is a bug in derive; please report it with the spec")
    return INTERNAL


def _complain(text: str) -> None:
    print(_coloured(text) if _has_colours(sys.stderr) else text, file=sys.stderr)


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _coloured(text: str) -> str:
    for pattern, code in _COLOURS:
        text = re.sub(pattern, f"\x1b[{code}m\\g<0>\x1b[0m", text, flags=re.MULTILINE)
    return text


def _show_what_can_be_shown(stream: TextIO) -> None:
    """A terminal without Unicode gets question marks in place of an error about its encoding."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
