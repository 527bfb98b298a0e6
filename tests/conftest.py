"""What all tests share: golden files, and the marker of the slow test of the wheel."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The same examples at every run; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

UPDATE = "--update-golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        UPDATE, action="store_true", help="rewrite the expected outputs; read the diff before you commit it"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wheel: builds and installs the wheel; runs if DERIVE_TEST_WHEEL=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("DERIVE_TEST_WHEEL") != "1":
        skip = pytest.mark.skip(reason="takes minutes and needs the package index; set DERIVE_TEST_WHEEL=1")
        for item in items:
            if item.get_closest_marker("wheel"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def import_trainer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], ModuleType]:
    """``import_trainer(spec, name)``: the trainer of a specification, generated, written and imported."""
    from oracles import imported

    from codegen.trainer.module import render
    from derive.diagnostics import Source
    from derive.gradient import sweep
    from derive.language.build import load

    folder = tmp_path_factory.mktemp("trainers")

    def build(text: str, name: str) -> ModuleType:
        network = load(Source(f"{name}.spec", text))
        path = folder / f"{name}_trainer.py"
        path.write_text(render(network, sweep(network), spec_name=f"{name}.spec", module_name=path.stem))
        return imported(path)

    return build


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)``: the text is what the file holds; ``pytest --update-golden`` rewrites the file."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption(UPDATE):
            path.write_text(text, encoding="utf-8")
            return
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        if text == expected:
            return
        lines = (expected.splitlines(), text.splitlines())
        diff = "\n".join(difflib.unified_diff(*lines, f"{path.name} (expected)", "now", lineterm=""))
        pytest.fail(f"{diff}\n\nif this is better: python -m pytest {UPDATE} '{request.node.nodeid}'", pytrace=False)

    return check
