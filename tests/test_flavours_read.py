"""Notes for Quarto and MyST as these read them: Quarto by pandoc, on which it is built, MyST by its own parser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from test_flavours import cells, text_of, written
from test_formats import EXAMPLES, WEB, example, formulas

from codegen.formats.flavours import Flavour, Myst, Quarto
from codegen.notes import compose
from codegen.notes.document import Heading, Picture, Points, Table, Terms

NAMES = [*EXAMPLES, "hostile"]
needs_pandoc = pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
needs_myst = pytest.mark.skipif(not (WEB / "node_modules" / "myst-parser").is_dir(), reason="run npm ci in tests/web")
LABEL = re.compile(r"^\$\$ [{(]#?(eq-\S+)[})]$", re.MULTILINE)


def expected(kind: type[Flavour], name: str) -> Counter[Any]:
    """What the text must be read as: formulas, labels of equations, and so many references and blocks of each kind."""
    text = text_of(kind, name)
    found = Counter(" ".join(formula.split()) for formula, _ in formulas(LABEL.sub("$$", written(text))))
    labels = LABEL.findall(text)
    found.update(("label", label) for label in labels)
    blocks = [block for section in compose.notes(example(name))[1] for block in section.blocks]
    tables = [b for b in blocks if isinstance(b, (Table, Terms))]
    found.update(
        boxes=sum(isinstance(b, Heading) for b in blocks),
        cells=len(cells(text)),
        tables=len(tables),
        table_cells=sum(len(t.head) * (1 + len(t.rows)) for t in tables),
        images=sum(isinstance(b, Picture) for b in blocks),
        items=sum(len(b.items) for b in blocks if isinstance(b, Points)),
        sections=len(compose.notes(example(name))[1]),
        references=len(re.findall(r"\[-@eq-|\{eq\}`", written(text))),
    )
    return +found


@needs_pandoc
@pytest.mark.parametrize("name", NAMES)
def test_pandoc_reads_what_is_meant_for_quarto(name: str) -> None:
    """And every formula becomes MathML, without a warning."""
    tree = json.loads(pandoc("-t", "json", text=text_of(Quarto, name)))
    pandoc("-f", "json", "-t", "html", "--mathml", text=json.dumps(tree))
    found: Counter[Any] = Counter()
    labels, cited = [], []
    for node in nodes(tree["blocks"]):
        content = node.get("c")
        match node["t"]:
            case "Math":
                found[" ".join(content[1].split())] += 1
            case "Str" if content.startswith("{#"):
                labels.append(content[2:-1])
            case "Cite":
                cited += [(one["citationId"], one["citationMode"]["t"]) for one in content[0]]
            case "Div":
                found["boxes"] += content[0][1] == ["callout-note"]
            case "CodeBlock":
                assert content[0][1] == ["{python}"]
                found["cells"] += 1
            case "Table":
                found["tables"] += 1
                rows = [*content[3][1], *(row for body in content[4] for row in body[3])]
                found["table_cells"] += sum(len(row[1]) for row in rows)
            case "Image":
                assert dict(content[0][2])["fig-alt"]
                assert content[1], "a caption"
                found["images"] += 1
            case "BulletList":
                found["items"] += len(content)
            case "Header":
                found["sections"] += content[0] == 2
            case "RawBlock" | "RawInline" | "Link" | "Note":
                pytest.fail(f"{node} was not meant")
    found.update([("label", label) for label in labels], references=len(cited))
    assert +found == expected(Quarto, name)
    assert all(label in labels and mode == "SuppressAuthor" for label, mode in cited)


def pandoc(*options: str, text: str) -> str:
    """What pandoc makes of a text; it must have nothing to say."""
    done = subprocess.run(["pandoc", *options], input=text, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """The nodes of pandoc's tree."""
    if isinstance(tree, dict):
        yield from [tree] if "t" in tree else []
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(part)


@cache
def parsed() -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Messages and tree for every name."""
    texts = json.dumps([text_of(Myst, name) for name in NAMES])
    command = ["node", str(WEB / "myst.mjs")]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=120, check=True)
    return dict(zip(NAMES, json.loads(done.stdout), strict=True))


@needs_myst
@pytest.mark.parametrize("name", NAMES)
def test_myst_reads_what_is_meant_for_it(name: str) -> None:
    messages, tree = parsed()[name]
    assert messages == []
    found: Counter[Any] = Counter()
    labels, cited = [], []
    for node in inside(tree):
        match node["type"]:
            case "math" | "inlineMath":
                found[" ".join(node["value"].split())] += 1
                labels += [node["label"]] if "label" in node else []
            case "crossReference":
                assert node["kind"] == "eq"
                cited.append(node["label"])
            case "admonition":
                found["boxes"] += 1
            case "code":
                found["cells"] += node.get("executable", False)
            case "table":
                found["tables"] += 1
            case "tableCell":
                found["table_cells"] += 1
            case "image":
                assert node["alt"]
                found["images"] += 1
            case "listItem":
                found["items"] += 1
            case "heading":
                found["sections"] += node["depth"] == 2
            case "html" | "link" | "footnoteReference" | "mystDirectiveError" | "mystRoleError":
                pytest.fail(f"{node} was not meant")
    found.update([("label", label) for label in labels], references=len(cited))
    assert +found == expected(Myst, name)
    assert set(cited) <= set(labels)


def inside(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of MyST's tree."""
    yield tree
    for part in tree.get("children", ()):
        yield from inside(part)
