"""The README shows what the recorded studies say, to the letter."""

from __future__ import annotations

from pathlib import Path

from cocktail.records import read_json
from cocktail.report.methods import read_studies
from cocktail.report.readme import render_readme

ROOT = Path(__file__).parents[2]


def test_the_readme_equals_its_render() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == render_readme(text, ROOT / "reports"), "run: cocktail readme"


def test_the_readme_shows_the_headline_of_every_claim_of_a_recorded_study() -> None:
    """A record without claims would leave the README equal to its render, and without verdicts."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    records = [one for records in read_studies(ROOT / "reports/studies").values() for one in records]
    full = [record.folder for record in records if record.method == "full"]
    assert full
    for folder in full:
        for claim in read_json(folder / "claims.json")["claims"]:
            head = claim["verdicts"][0]
            assert f"| {claim['number']}. {claim['title']} | {head['model']} |" in text, folder.name
