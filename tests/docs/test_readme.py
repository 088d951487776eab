"""The README shows what the recorded studies say, to the letter."""

from __future__ import annotations

from pathlib import Path

from cocktail.files.records import read_json
from cocktail.report.methods import FULL, read_studies
from cocktail.report.readme import render_readme

ROOT = Path(__file__).parents[2]


def test_the_readme_equals_its_render() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == render_readme(text, ROOT / "reports"), "run: cocktail readme"


def full_records() -> list[Path]:
    """The folders of recorded studies with full fine-tuning."""
    studies = read_studies(ROOT / "reports/studies").values()
    return [record.folder for records in studies for record in records if record.method == FULL]


def test_the_first_screen_has_a_column_and_a_description_of_every_recorded_study() -> None:
    """Before the first section that says how anything is done; both commands stand there, too."""
    first, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What runs")
    assert rest and all(command in first for command in ("make repro", "make test"))
    (header,) = (line for line in first.splitlines() if line.startswith("| claim |"))
    names = {folder.name for folder in full_records()}
    assert set(header.strip("| ").split(" | ")) == {"claim", *names}
    for name in names:
        assert f"- **[{name}](" in first
    assert len(first) < 3_000 + 2_500 * len(names)  # about what a reader takes in


def test_the_readme_shows_the_headline_of_every_claim_of_a_recorded_study() -> None:
    """A record without claims would leave the README equal to its render, and without verdicts."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert full_records()
    for folder in full_records():
        for claim in read_json(folder / "claims.json")["claims"]:
            head = claim["verdicts"][0]
            assert f"| {claim['number']}. {claim['title']} | {head['model']} |" in text, folder.name
