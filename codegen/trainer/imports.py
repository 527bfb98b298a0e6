"""The import statements at the head of a trainer: of the parts that it has, sorted as ruff sorts them."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.trainer import vectormath

FOR_COMPILER = [
    "import gc",
    "import importlib.util",
    "from numba import njit, version_info",
    "from numba.core.compiler import Compiler",
]
IN_LANES = ["import math"]
FOR_EXACT = ["import functools", "from numba import jit, types"]
FOR_SUBNORMALS = [
    "import contextlib",
    "import platform",
    "from llvmlite import ir",
    "from numba import config, types",
    "from numba.core import cgutils",
    "from numba.extending import intrinsic",
]
FOR_CONTRACTIONS = ["import itertools"]
#: What each function of ``templates/trainer/intrinsics.py`` needs besides ``FOR_SUBNORMALS``.
INTRINSICS = {
    "is_double": [],
    "matrix": [],
    "copy_run": [],
    "clear": [],
    "product": ["from numba.np import linalg"],
}


def imports(
    emitted: list[str], functions: Iterable[str], intrinsics: Iterable[str], in_lanes: bool, contractions: bool
) -> list[str]:
    """The lines for a module that has the functions ``emitted`` of its own and calls the ``functions``.

    ``intrinsics`` are those of ``INTRINSICS`` that it has. ``in_lanes`` tells whether it keeps arrays in its functions'
    own memory, ``contractions`` whether it has any.
    """
    lines = [line for line in vectormath.import_lines(emitted) if line]
    lines += [*FOR_COMPILER, *FOR_SUBNORMALS, *(IN_LANES if in_lanes else [])]
    lines += FOR_CONTRACTIONS if contractions else []
    lines += [line for name in intrinsics for line in INTRINSICS[name]]
    lines += FOR_EXACT if emitted else []
    standard = {
        "import functools",
        "import os",
        "import sys",
        *(line for line in lines if line.startswith("import ") and line != "import numpy as np"),
    }
    standard |= {"import math"} if any(f.startswith("math.") for f in functions) else set()
    names: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from "):
            module, _, imported = line.removeprefix("from ").partition(" import ")
            names.setdefault(module, set()).update(imported.split(", "))
    others = [f"from {module} import {', '.join(sorted(found))}" for module, found in sorted(names.items())]
    standard_names = ["from collections import Counter", "from concurrent.futures import ThreadPoolExecutor"]
    standard_names += ["from importlib.machinery import PathFinder"]
    standard_names += ["from types import FunctionType"] if emitted else []
    standard_names += ["from typing import ClassVar"]
    return [*sorted(standard), *standard_names, "", "import numpy as np", *others]
