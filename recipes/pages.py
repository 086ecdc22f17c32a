"""The pages of docs/ that are computed."""

from pathlib import Path

import jinja2


def filled(template: str, **parts: str) -> str:
    """A template of this folder with its parts.

    Raises:
        jinja2.UndefinedError: If a part of the template is not given.
    """
    text = (Path(__file__).parent / template).read_text(encoding="utf-8")
    return jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True).render(parts)
