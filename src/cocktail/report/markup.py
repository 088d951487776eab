"""What page and cards are written with: templates that escape, ids, places to break, figures that cannot act.

Figures are the report's own SVG files, made ready to stand in the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cocktail.errors import RecordError

TAGS = {
    "circle", "clipPath", "defs", "desc", "ellipse", "g", "image", "line", "linearGradient", "path",
    "polygon", "polyline", "rect", "stop", "svg", "text", "title", "tspan", "use",
}  # fmt: skip
_OWN = re.compile(r"url\(#([^)]+)\)")


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


@dataclass(frozen=True)
class Picture:
    """One inline figure: what it is of, and its SVG with a title and a description."""

    name: str
    title: str
    svg: Markup


def inline_svg(path: Path, *, prefix: str, title: str, description: str) -> Markup:
    """Return an SVG file as an element of the page.

    Kept are drawing elements only: no script, no style (it would hold for the whole page), no address
    outside of the file. Every id gets ``prefix``, since all figures share one page.

    Raises:
        RecordError: the file is no SVG.
    """
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise RecordError(f"not readable as SVG ({error})", where=str(path), fix="dvc repro report") from None
    _strip_names(root)
    if root.tag != "svg":
        raise RecordError("not readable as SVG (no svg element)", where=str(path), fix="dvc repro report")
    _keep_drawing(root)
    for element in root.iter():
        _own_ids(element, prefix)
    box = root.get("viewBox", "")
    inner = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    head = Markup(
        '<svg viewBox="{}" role="img" aria-labelledby="{}-title {}-desc">'
        '<title id="{}-title">{}</title><desc id="{}-desc">{}</desc>'
    ).format(box, prefix, prefix, prefix, title, prefix, description)
    return head + Markup(inner + "</svg>")  # what is left of the file was serialised, so it is escaped


def _strip_names(root: ElementTree.Element) -> None:
    """Drop namespaces: HTML knows SVG without them, and ``xlink:href`` as ``href``."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            if "}" in key:
                value = element.attrib.pop(key)
                element.attrib.setdefault(key.rpartition("}")[2], value)


def _keep_drawing(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag in TAGS:
            _keep_drawing(child)
        else:
            element.remove(child)
    for key, value in list(element.attrib.items()):
        name = key.lower()  # HTML knows attributes in any case
        href = name == "href" and not value.startswith(("#", "data:image/png;base64,"))
        style = re.search(r"url\((?!#)|@import|\\", value, re.IGNORECASE)  # a backslash can hide the others
        if href or name.startswith("on") or style:
            del element.attrib[key]


def _own_ids(element: ElementTree.Element, prefix: str) -> None:
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{prefix}-{value}")
        elif key == "href" and value.startswith("#"):
            element.set(key, f"#{prefix}-{value[1:]}")
        else:
            element.set(key, _OWN.sub(rf"url(#{prefix}-\1)", value))
