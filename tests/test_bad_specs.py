"""Wrong specifications: each is answered as a compiler would, soon, and nothing is written.

``tests/bad/x.spec`` is answered with ``tests/bad/x.expected``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from derive.cli import main

BAD = Path(__file__).with_name("bad")
SPECS = sorted(BAD.glob("*.spec"))
SECONDS = 2.0


def answer(spec: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``derive`` says on standard error about a wrong specification, run in ``folder``."""
    before = sorted(folder.iterdir())
    began = time.process_time()  # of this process alone, so that a busy machine does not matter
    code = main([spec.name])
    elapsed = time.process_time() - began
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert sorted(folder.iterdir()) == before
    assert elapsed < SECONDS
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert all(len(line) <= 160 for line in err.splitlines())
    return err


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_answer(
    spec: Path, tmp_path: Path, golden: Callable[[Path, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / spec.name).write_bytes(spec.read_bytes())
    golden(spec.with_suffix(".expected"), answer(spec, tmp_path, capsys))


def test_every_answer_belongs_to_a_specification() -> None:
    assert {path.stem for path in BAD.glob("*.expected")} == {path.stem for path in SPECS}
    assert {path.suffix for path in BAD.iterdir()} == {".spec", ".expected"}


@pytest.mark.parametrize("name", ["shapes_matrix", "loss_missing", "not_utf8", "empty"])
def test_the_process(name: str, tmp_path: Path) -> None:
    """The same as a user sees it: exit code 2, standard error, nothing written."""
    (tmp_path / f"{name}.spec").write_bytes((BAD / f"{name}.spec").read_bytes())
    command = [sys.executable, "-m", "derive", f"{name}.spec"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (BAD / f"{name}.expected").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.spec"]


LARGE = {
    "ten megabytes of brackets": b"[" * 10_000_000,
    "brackets within the size limit": b"loss L = " + b"(" * 200_000,
    "one long line": b"weight w\nloss " + b"w+" * 100_000 + b"w",
    "a very long name": b"weight " + b"w" * 200_000,
    "a huge number": b"weight w\nloss w*" + b"9" * 200_000,
    "a tower of powers": b"weight w\nloss w + 9^9^9^9^9",
    "a power of a power": b"weight w\nloss w + ((((9^300)^300)^300)^300)",
    "many statements": b"weight w\n" + b"y=w\n" * 60_000,
    "a huge tensor": b"weight W[999999999,999999999]\nloss sum(W)",
    "a huge size": b"size n = 99999999999999999999999999\nweight W[n]\nloss sum(W)",
    "zeros": b"\0" * 100_000,
    "binary": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_hostile_files_are_answered_soon(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.spec").write_bytes(content)
    answer(Path("net.spec"), tmp_path, capsys)


def test_a_folder_and_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.spec").mkdir()
    assert answer(Path("net.spec"), tmp_path, capsys) == (
        "error: 'net.spec' is a folder, not a file\nhelp: name the specification inside it\n"
    )
    assert answer(Path("nte.spec"), tmp_path, capsys) == (
        "error: there is no file 'nte.spec'\nhelp: check the spelling and the folder\n"
    )
