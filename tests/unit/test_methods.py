"""The table of methods, from records written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cocktail.files.records import write_json
from cocktail.report.methods import methods_block, methods_table, ordered_studies, read_studies

FULL = {"fpb": (0.8, 0.6), "finqa": (0.4, 0.2)}
LORA = {"fpb": (0.75, 0.5), "finqa": (0.25, 0.25)}


def keep(
    studies: Path,
    folder: str,
    *,
    study: str,
    method: str,
    shares: dict[str, tuple[float | None, float]],
    trainable: int | None = None,
) -> None:
    """Write what a record holds of its explored arms; ``shares``: of single and all, by task."""
    params = {"study": {"name": study, "seed": 42}, "train": {"method": method}}
    parameters = {} if trainable is None else {"parameters": {"m": {"trainable": trainable, "total": 1000}}}
    arms = [
        {"model": "m", "task": task, "stage": stage, "arm": arm, "accuracy_strict": share}
        for task, pair in {**shares, "gsm8k": (0.1, 0.1)}.items()  # a general task: no part of the mean
        for stage, arm, share in (
            ("explore", "single", pair[0]),
            ("explore", "all", pair[1]),
            ("explore", "base", 0.01),
            ("confirm", "single", 0.99),
        )
        if share is not None
    ]
    write_json(studies / folder / "manifest.json", {"params": params, **parameters})
    write_json(studies / folder / "comparison.json", {"arms": arms})


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two studies, one with three methods, and a folder whose name only looks like a method of it."""
    keep(tmp_path, "tiny", study="tiny", method="full", shares=FULL)
    keep(tmp_path, "tiny-lora", study="tiny", method="lora", shares=LORA, trainable=50)
    keep(tmp_path, "tiny-prompt_tuning", study="tiny", method="prompt_tuning", shares=LORA, trainable=8)
    keep(tmp_path, "tiny-two", study="tiny-two", method="full", shares=FULL, trainable=1000)
    return tmp_path


def test_the_table_by_hand(studies: Path) -> None:
    assert methods_block(read_studies(studies)["tiny"]).splitlines() == [
        "**Methods: accuracy on test (strict, points) of the single task / of all sources**",
        "",
        "Study tiny, seed 42: exploratory. trainable: tuned parameters; mean: over the tasks shown.",
        "",
        "| model | method | trainable | fpb | finqa | mean | record |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| m | full | – | 80.0 / 60.0 | 40.0 / 20.0 | 60.0 / 40.0 | [tiny](tiny/manifest.json) |",
        "| m | lora | 50 | 75.0 / 50.0 | 25.0 / 25.0 | 50.0 / 37.5 | [tiny-lora](tiny-lora/manifest.json) |",
        "| m | prompt_tuning | 8 | 75.0 / 50.0 | 25.0 / 25.0 | 50.0 / 37.5 "
        "| [tiny-prompt_tuning](tiny-prompt_tuning/manifest.json) |",
    ]


def test_records_belong_to_the_study_of_their_params(studies: Path) -> None:
    found = read_studies(studies)
    assert {study: [one.folder.name for one in records] for study, records in found.items()} == {
        "tiny": ["tiny", "tiny-lora", "tiny-prompt_tuning"],
        "tiny-two": ["tiny-two"],
    }
    assert methods_block(found["tiny-two"]) == ""
    assert read_studies(studies / "none") == {}
    (studies / "README.md").write_text("no record", encoding="utf-8")
    assert read_studies(studies).keys() == found.keys()


def test_documents_show_first_what_says_most_about_the_paper(studies: Path) -> None:
    for name in ("paper", "another", "small"):
        keep(studies, name, study=name, method="full", shares=FULL)
    assert list(ordered_studies(studies)) == ["paper", "small", "tiny", "another", "tiny-two"]


def test_a_task_that_was_not_run_leaves_a_dash_and_no_mean(studies: Path) -> None:
    keep(
        studies, "tiny-lora", study="tiny", method="lora", shares={"fpb": (0.75, 0.5), "finqa": (None, 0.25)}
    )
    keep(studies, "tiny-prompt_tuning", study="tiny", method="prompt_tuning", shares={"fpb": (0.7, 0.5)})
    frame = methods_table(read_studies(studies)["tiny"]).frame.set_index("method")
    assert frame.loc["full", "mean"] == "60.0 / 40.0"
    assert frame.loc["lora", ["finqa", "mean"]].tolist() == ["– / 25.0", "– / 37.5"]
    assert frame.loc["prompt_tuning", ["finqa", "mean"]].tolist() == ["–", "–"]
