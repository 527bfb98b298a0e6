"""Byte for byte the same from run to run: no times, no paths, no order of a set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.outputs import KINDS

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.spec"))
RECURRENCE = """
size T = 3
input x[T]
weight a, b, c
f[t] = sigmoid(a * x[t] + b * h[t-1])
h[t] = f[t] * h[t-1] + (1 - f[t]) * tanh(c * x[t])
target y
loss (h[T] - y)^2 + 0.1 * sum(f)
init a = 1, b = 2, c = 3
sample x = [1, 2, 3], y = 4
optimizer momentum
"""


def outputs(spec: Path, folder: Path, seed: str) -> dict[str, bytes]:
    """All that one process writes for a specification, the terminal included; ``seed`` orders its sets."""
    folder.mkdir()
    targets = [f"out{ending}" for ending in KINDS]
    command = [sys.executable, "-m", "derive", str(spec), *(word for target in targets for word in ("-o", target))]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "COLUMNS": "100"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=True)
    return {"terminal": done.stdout, **{target: (folder / target).read_bytes() for target in targets}}


@pytest.mark.parametrize("name", [*(path.stem for path in EXAMPLES), "recurrence"])
def test_two_hash_seeds_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    spec = next((path for path in EXAMPLES if path.stem == name), tmp_path / f"{name}.spec")
    if not spec.exists():
        spec.write_text(RECURRENCE)
    first, second = (outputs(spec, tmp_path / f"seed {seed}", seed) for seed in ("1", "4242"))
    assert first.keys() == second.keys()
    for target, content in first.items():
        assert content == second[target], f"{target} differs"
        assert str(tmp_path).encode() not in content
        assert target.endswith(".pdf") or b"\r" not in content
