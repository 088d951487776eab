"""The README shows what the recorded studies say, to the letter."""

from __future__ import annotations

from pathlib import Path

from cocktail.report.readme import render_readme

ROOT = Path(__file__).parents[2]


def test_the_readme_equals_its_render() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == render_readme(text, ROOT / "reports"), "run: cocktail readme"
