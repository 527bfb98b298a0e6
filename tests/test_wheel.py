"""What is installed from the wheel does the main job, with nothing of the checkout in reach."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parent.parent
USE = """
import numpy
from two_two_one_trainer import Trainer
X = numpy.array([[2.0, 3.0], [1.0, -1.0]])
y = numpy.array([1.0, 0.0])
t = Trainer(max_iter=50, random_state=0).fit(X, y)
assert t.predict(X).shape[0] == 2
assert t.loss_curve_[-1] < t.loss_curve_[0]
print("trained")
"""


def run(*command: str | Path, cwd: Path) -> str:
    """A command that must succeed, without the environment variables by which Python finds other code."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, as the package index would."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    assert list(folder.glob("*.tar.gz"))
    return found


def test_its_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"derive", "codegen"}
    assert {"derive/language/grammar.lark", "derive/language/catalogue.spec", "derive/cli.py"} <= set(names)
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*") if path.is_file()}
    assert {f"codegen/{path}" for path in templates if "__pycache__" not in path} <= set(names)


def test_the_main_job_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "environment", cwd=tmp_path)
    programs = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    run(programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel, cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    (work / "two_two_one.spec").write_bytes((ROOT / "examples" / "two_two_one.spec").read_bytes())
    assert "0.306466" in run(programs / "derive", "two_two_one.spec", cwd=work)
    assert {path.name for path in work.iterdir()} == {"two_two_one.spec", "two_two_one.tex", "two_two_one_trainer.py"}
    assert run(programs / "python", "-c", USE, cwd=work) == "trained\n"
