"""What the page and the cards are written with: templates that escape, ids, places to break."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def templates() -> Environment:
    """Return the templates: all is escaped, an unknown name is an error."""
    return Environment(
        loader=PackageLoader("cocktail.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def slug(*parts: str) -> str:
    """Return an id for the page; equal only for equal parts."""
    return ":".join(re.sub(r"[^A-Za-z0-9_.-]", lambda one: f"~{ord(one[0]):x}", part) for part in parts)


def breakable(text: str) -> Markup:
    """Return ``text`` escaped, with places to break at underscores: run ids are long, phones narrow."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))
