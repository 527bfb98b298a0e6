"""Where the template files are, in a checkout as in an installed wheel."""

from pathlib import Path


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
