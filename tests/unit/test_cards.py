"""Model and dataset cards: front matter that the Hub reads, every fact from a file of the study."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT, WHOLE, study_params

from cocktail import cli
from cocktail.config import check_params
from cocktail.config.compose import compose, write_params
from cocktail.errors import ConfigError, RecordError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.report.cards import make_cards, write_cards
from cocktail.report.run_facts import SourceFacts, read_run

PARAMS = study_params()
MODEL = "phi3_smoke"


@pytest.fixture
def study(finished_study: Path, tmp_path: Path) -> Path:
    """A finished study, to be changed."""
    shutil.copytree(finished_study, tmp_path / "study")
    return tmp_path / "study"


def cards(study: Path, run: str, **more: Any) -> dict[str, str]:
    return make_cards(read_run(study, run, params=PARAMS, **more), params=PARAMS, changed=[])


def front_matter(card: str) -> dict[str, Any]:
    head, _, _ = card.removeprefix("---\n").partition("\n---\n")
    loaded: dict[str, Any] = yaml.safe_load(head)
    return loaded


def change_source(study: Path, **facts: str) -> None:
    path = study / "data/raw/fpb/receipt.json"
    write_json(path, {**read_json(path), **facts})


def test_a_model_card_says_what_the_run_is(study: Path) -> None:
    made = cards(study, "pair_fpb_finqa")
    assert set(made) == {"model", "dataset"}
    card, receipt = made["model"], study / f"artifacts/answers/{MODEL}/explore/pair_fpb_finqa.json"
    head = front_matter(card)
    assert head["license"] == "mit" and head["library_name"] == "transformers"
    assert head["tags"] == ["cocktail", "finance", "full", "data:generated"]
    assert "datasets" not in head and "base_model" not in head  # generated rows, a model from scratch
    assert "Study smoke. Data: generated. Miniature models from scratch" in card
    assert f"sha256 `{digest_file(receipt)}`" in card
    assert "1,000 of 1,000 parameters tuned; 8 optimiser steps" in card
    assert "make params STUDY=smoke" in card and "depart from study" not in card
    assert "No source is known to forbid commercial use." in card


def test_scores_stand_in_the_card_with_their_n(study: Path) -> None:
    card = cards(study, "all-s101")["model"]
    summary = pd.read_parquet(study / "artifacts/scores/summary.parquet")
    mine = summary[(summary["run"] == "all-s101") & (summary["split"] == "test")].set_index("task")
    assert len(mine) == 4
    for result in front_matter(card)["model-index"][0]["results"]:
        task = result["dataset"]["type"]
        assert result["dataset"]["name"] == f"{task} test of study smoke, n = {mine.loc[task, 'n']}"
        points = 100 * mine.loc[task, "accuracy_strict"]
        assert result["metrics"][0]["value"] == pytest.approx(points, abs=0.005)
        assert f"| {task} | 60 | {points:.1f} |" in card


def test_a_dataset_card_shows_asked_and_got_with_licences(study: Path) -> None:
    path = study / f"artifacts/answers/{MODEL}/explore/pair_fpb_finqa.json"
    receipt = read_json(path)
    receipt["rows"]["fpb"] |= {"in": 25, "kept": 23, "cut": 2, "dropped": 2}
    write_json(path, receipt)
    change_source(study, licence="CC BY-NC-SA 3.0", status="original", revision="0123456789abcdef")
    made = cards(study, "pair_fpb_finqa")
    row = "| fpb | odedovadia/financial_phrasebank_split | 0123456789ab | CC BY-NC-SA 3.0 | original |"
    assert f"{row} 30 | 25 | 23 | 2 | 2 |" in made["dataset"] and row in made["model"]
    assert "52 rows of prompt and answer" in made["dataset"]
    assert "**not for commercial use**" in made["dataset"]
    assert "**Not for commercial use** by licence: fpb." in made["model"]
    assert (
        "- Status **original**: fpb." in made["model"] and "- Status **generated**: finqa." in made["model"]
    )
    head = front_matter(made["dataset"])
    assert head["license"] == "other" and head["size_categories"] == "n<1K"
    assert head["source_datasets"] == ["odedovadia/financial_phrasebank_split"]
    assert front_matter(made["model"])["datasets"] == ["odedovadia/financial_phrasebank_split"]


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("CC BY-NC 4.0", True), ("unclear, non-commercial", True), ("MIT", False), ("CC BY 3.0", False)],
)
def test_non_commercial_licences_are_told_apart(licence: str, expected: bool) -> None:
    source = SourceFacts("a", "o/a", "", licence, "original", None, 1, 1, 0, 0)
    assert source.non_commercial is expected


def test_a_matched_run_has_no_plan_of_its_own(study: Path) -> None:
    facts = read_run(study, "size_fpb_as_all-s102", params=PARAMS)
    assert facts.stage == "confirm" and [one.asked for one in facts.sources] == [None] * len(facts.sources)
    assert read_run(study, "all-s102", params=PARAMS).sources[0].asked == 30


def test_the_untuned_base_has_no_dataset(study: Path) -> None:
    made = cards(study, "base")
    assert set(made) == {"model"}
    assert "Nothing was tuned for this run" in made["model"]


def test_texts_from_files_are_escaped(study: Path) -> None:
    change_source(study, licence="<script>alert(1)</script>")
    made = cards(study, "single_fpb")
    for card in made.values():
        body = card.partition("\n---\n")[2]
        assert "<script>" not in body and "&lt;script&gt;" in body


def test_a_run_that_is_not_there_is_a_clear_error(study: Path) -> None:
    with pytest.raises(RecordError, match=r"no run 'pair_fpb_finq'; did you mean 'pair_fpb_finqa'"):
        read_run(study, "pair_fpb_finq", params=PARAMS)
    with pytest.raises(ConfigError, match="no model 'phi3_smok'"):
        read_run(study, "all", params=PARAMS, model="phi3_smok")
    raw = PARAMS.model_dump()
    raw["models"]["other"] = raw["models"][MODEL]
    two = check_params(raw, where="test")
    shutil.copytree(study / f"artifacts/answers/{MODEL}", study / "artifacts/answers/other")
    with pytest.raises(RecordError, match=f"several models: {MODEL}, other"):
        read_run(study, "all", params=two)
    assert read_run(study, "all", params=two, model=MODEL).model == MODEL
    shutil.rmtree(study / "artifacts/answers")
    with pytest.raises(RecordError, match="no answers here"):
        read_run(study, "all", params=PARAMS)


def test_cards_are_written_as_readme_files_and_are_the_same_twice(study: Path, tmp_path: Path) -> None:
    paths = write_cards(cards(study, "all"), tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == [
        "model/README.md",
        "dataset/README.md",
    ]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_cards(cards(study, "all"), tmp_path / "out")] == first


def test_the_command_prints_or_writes_the_cards(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "conf", study / "conf")
    monkeypatch.chdir(study)
    write_params(Path("params.yaml"), compose(Path("conf"), "smoke", [*WHOLE, "study.targets=[fpb,finqa]"]))
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "all"])
    cli.main()
    printed = capsys.readouterr().out
    assert printed.startswith("---\n") and "# Training rows of all" in printed
    assert "- study.targets: " in printed  # the one param that is not the study's
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "all", "--out", "cards"])
    cli.main()
    assert (study / "cards/dataset/README.md").read_text(encoding="utf-8") in printed
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "al"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
