"""The template files, in a checkout as in an installed wheel, and the one way in which they are filled in."""

from functools import lru_cache
from pathlib import Path

import jinja2

#: Delimiters for LaTeX, where braces and percent signs have a meaning of their own.
LATEX = (
    ("block_start_string", "<%"),
    ("block_end_string", "%>"),
    ("variable_start_string", "<<"),
    ("variable_end_string", ">>"),
    ("comment_start_string", "<#"),
    ("comment_end_string", "#>"),
)


def template_folders() -> list[Path]:
    """The existing template folders: ``templates`` beside this package, then ``codegen/templates`` of a wheel."""
    package = Path(__file__).resolve().parent
    return [folder for folder in (package.parent / "templates", package / "templates") if folder.is_dir()]


def template(name: str) -> Path:
    """The template file ``name``, a path relative to the template folder; FileNotFoundError if there is none."""
    for folder in template_folders():
        if (path := folder / name).is_file():
            return path
    raise FileNotFoundError(f"no template {name!r} in {', '.join(map(str, template_folders())) or 'any folder'}")


@lru_cache(maxsize=4)
def environment(delimiters: tuple[tuple[str, str], ...] = (), escape: bool = False) -> jinja2.Environment:
    """An environment in which an unknown name is an error; ``escape`` makes every value harmless in HTML."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(f) for f in template_folders()]),
        undefined=jinja2.StrictUndefined,
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **dict(delimiters),  # type: ignore[arg-type]
    )
