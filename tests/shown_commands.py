"""The commands that README, CONTRIBUTING and docs show, as a reader would type them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
MARK = "not run by the tests: "  # in the comment of a line, or on a line of its own: of the rest of the block


@dataclass(frozen=True)
class Line:
    """One line of a ``sh`` block; ``untested`` is why no test runs it, as the document says."""

    document: str
    text: str
    untested: str

    @property
    def commands(self) -> list[str]:
        """Its commands, without folder, variables set before them, and redirection."""
        return [re.sub(r"^(\w+=\S+ )+| > \S+$", "", part) for part in self.text.split(" && ")]


def shown_lines() -> list[Line]:
    """Return every line that is a command, of every document."""
    return [line for path in DOCUMENTS for line in lines_of(path.name, path.read_text(encoding="utf-8"))]


def lines_of(document: str, text: str) -> Iterator[Line]:
    """Yield the lines of a document's ``sh`` blocks; comments and settings of variables are none."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        untested = ""
        for line in block.replace("\\\n", " ").splitlines():
            told, _, comment = line.partition("# ") if line.startswith("# ") else _split(line)
            reason = comment.partition(MARK)[2]
            command = " ".join(told.split())
            if command and not command.startswith("export "):
                yield Line(document, command, reason or untested)
            elif not command:
                untested = reason or untested


def _split(line: str) -> tuple[str, str, str]:
    return re.sub(r"\s+# ", "\0", line, count=1).partition("\0")


def mentions(text: str) -> set[str]:
    """Return what stands in back-quotes in running text and begins as a command does."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = set(re.findall(r"`([^`\n]+)`", prose))
    return {span for span in found if re.match(r"(cocktail|dvc|make|python) [a-z-]", span)}
