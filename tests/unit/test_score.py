"""The score stage: every item once, every row in the denominator, no trace of runs off the list.

Stage analyze on a made-up study: arms, effects, transfer, and metrics that DVC can show.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import study_params, tolerance

from cocktail.analysis.arms import guess_share
from cocktail.analysis.scores import ModelScores, confirmed_arms, read_scores
from cocktail.analysis.study import compare_study
from cocktail.errors import DataError, RecordError
from cocktail.files.records import (
    list_digests,
    read_digested,
    read_json,
    write_digested,
    write_json,
    write_table,
)
from cocktail.scoring.answers import Evaluation
from cocktail.scoring.score import score_study

ANSWERS = "artifacts/answers/phi3_smoke"


@pytest.fixture
def study(finished_study: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_study / "data", tmp_path / "data")
    shutil.copytree(finished_study / "artifacts", tmp_path / "artifacts")
    return tmp_path


def score(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    params = study_params()
    return score_study(
        root / "data/prepared",
        root / "artifacts/answers",
        root / "artifacts/scores",
        models=list(params.models),
        tolerance=tolerance(params),
    )


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_table(path, change(pd.read_parquet(path)))


def test_summary_counts_every_test_row_and_agrees_with_the_items(finished_study: Path) -> None:
    items = pd.read_parquet(finished_study / "artifacts/scores/items.parquet")
    summary = pd.read_parquet(finished_study / "artifacts/scores/summary.parquet")
    assert set(summary[summary["split"] == "test"]["n"]) == {60}
    keys = ["model", "stage", "run", "task", "split"]
    for way in ("strict", "lenient"):
        codes = items.groupby(keys)[way].agg(
            ok=lambda c: (c == "ok").mean(), bad=lambda c: (c == "invalid").sum()
        )
        joined = summary.set_index(keys).join(codes)
        assert joined[f"accuracy_{way}"].tolist() == pytest.approx(joined["ok"].tolist())
        assert joined[f"invalid_{way}"].tolist() == joined["bad"].tolist()
    assert summary["invalid_strict"].sum() > 0
    # The fixture's label decoding is always right, and only on test rows of tasks with labels.
    assert set(items["knowledge"]) == {"ok", ""}
    has_labels = items["task"].isin(["fpb", "knowledge"]) & (items["split"] == "test")
    assert (items["knowledge"] == "ok").equals(has_labels)


def test_runs_of_one_mixture_are_grouped_by_its_column(finished_study: Path) -> None:
    """The accuracy of an arm, from the table of items alone, is that of the arms in comparison.json."""
    items = pd.read_parquet(finished_study / "artifacts/scores/items.parquet")
    confirmed = items[(items["stage"] == "confirm") & (items["split"] == "test")]
    assert (confirmed["run"] == confirmed["mixture"] + "-s" + confirmed["seed"].astype(str)).all()
    explored = items[items["stage"] == "explore"]
    assert (explored["run"] == explored["mixture"]).all()
    shares = (confirmed["strict"] == "ok").groupby([confirmed["mixture"], confirmed["task"]]).mean()
    arms = [
        row
        for row in read_json(finished_study / "reports/comparison.json")["arms"]
        if row["stage"] == "confirm"
    ]
    assert arms
    for row in arms:
        assert row["accuracy_strict"] == pytest.approx(shares[row["mixture"], row["task"]])


@pytest.mark.slow
def test_an_invalid_answer_stays_in_the_denominator(study: Path) -> None:
    path = study / ANSWERS / "explore/all.parquet"
    edit(path, lambda table: table.assign(answer=table["answer"].where(table["task"] != "fpb", "  ")))
    summary = score(study)[1].set_index(["stage", "run", "task", "split"])
    row = summary.loc[("explore", "all", "fpb", "test")]
    assert (row["n"], row["invalid_strict"], row["empty"], row["accuracy_strict"]) == (60, 60, 60, 0)


def test_a_run_off_the_list_is_refused(study: Path) -> None:
    folder = study / ANSWERS / "explore"
    for ending in ("parquet", "json"):
        shutil.copyfile(folder / f"all.{ending}", folder / f"stale.{ending}")
    with pytest.raises(RecordError, match=r"stale\.parquet is there but not listed"):
        score(study)


@pytest.mark.slow
def test_a_listed_run_without_a_file_is_refused(study: Path) -> None:
    (study / ANSWERS / "confirm/all-s101.parquet").unlink()
    with pytest.raises(RecordError, match=r"all-s101\.parquet is listed but not there"):
        score(study)


def test_a_run_listed_twice_is_refused(study: Path) -> None:
    index = study / ANSWERS / "explore/index.json"
    write_json(index, {"runs": [*read_json(index)["runs"], "all"]})
    with pytest.raises(RecordError, match="twice"):
        score(study)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.iloc[1:], "1 not answered"),
        (lambda table: pd.concat([table, table.iloc[:2]]), "2 answered twice"),
        (lambda table: table.replace("fpb:test:0", "fpb:test:999"), "1 not asked, such as fpb:test:999"),
    ],
)
def test_every_item_is_answered_exactly_once(
    study: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    edit(study / ANSWERS / "explore/base.parquet", change)
    with pytest.raises(RecordError, match=words):
        score(study)


def test_missing_answers_and_broken_files_are_clear_errors(study: Path) -> None:
    (study / ANSWERS / "explore/base.parquet").write_bytes(b"PAR1 cut in half")
    with pytest.raises(DataError, match="not readable as Parquet"):
        score(study)
    shutil.rmtree(study / ANSWERS / "confirm")
    shutil.rmtree(study / ANSWERS / "explore")
    with pytest.raises(RecordError, match="no explore answers"):
        score(study)


SEEDS = (101, 102, 103)


@pytest.fixture(scope="module")
def scores(finished_study: Path) -> ModelScores:
    folder = finished_study / "artifacts"
    return read_scores(folder / "scores", folder / "selected", params=study_params())[0]


def rows(root: Path, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(root / "reports/comparison.json")[key]
    return found


def test_arms_are_the_runs_of_all_seeds(scores: ModelScores) -> None:
    chosen = scores.selected["finqa"]["chosen"]
    assert chosen == "pair_finqa_convfinqa"  # the fixture's best: not the same as all
    arms = confirmed_arms(scores, "finqa")
    assert arms["single"] == [f"single_finqa-s{seed}" for seed in SEEDS]
    assert arms["chosen"] == [f"{chosen}-s{seed}" for seed in SEEDS]
    assert arms["all"] == [f"all-s{seed}" for seed in SEEDS]
    for kind in ("steps", "size"):
        assert arms[f"{kind}_as_chosen"] == [f"{kind}_finqa_as_{chosen}-s{seed}" for seed in SEEDS]
        assert arms[f"{kind}_as_all"] == [f"{kind}_finqa_as_all-s{seed}" for seed in SEEDS]


def test_dev_accuracies_are_those_that_the_choice_was_made_on(scores: ModelScores) -> None:
    for task, selection in scores.selected.items():
        assert {run: scores.dev[run, task] for run in selection["candidates"]} == selection["candidates"]
    tasks = list(scores.selected)
    on_test = [scores.value("explore", "all", task) for task in tasks]
    assert on_test != [scores.dev["all", task] for task in tasks]  # the fixture's splits differ


def test_effects_are_differences_of_the_means_of_their_runs(finished_study: Path) -> None:
    summary = pd.read_parquet(finished_study / "artifacts/scores/summary.parquet")
    test = summary[(summary["split"] == "test") & (summary["stage"] == "confirm")].set_index(["task", "run"])
    effects = read_json(finished_study / "reports/effects.json")["rows"]
    assert len(effects) == 2 * 2 * 6  # targets, readings, contrasts
    for row in effects:
        accuracy = test[f"accuracy_{row['reading']}"]
        means = [
            accuracy.loc[[(row["target"], run) for run in row[runs]]].mean()
            for runs in ("treatment_runs", "control_runs")
        ]
        assert row["estimate"] == pytest.approx(means[0] - means[1])
        assert row["low"] <= row["estimate"] <= row["high"]
        assert (row["n_items"], row["n_clusters"], row["n_seeds"]) == (60, 30, 3)
        assert row["scope"] == "training"
        mixture, against = row["contrast"].split("-")
        like = row["chosen"] if mixture == "chosen" else "all"
        control = f"{against}_{row['target']}" + (f"_as_{like}" if against != "single" else "")
        assert row["treatment_runs"] == [f"{like}-s{seed}" for seed in SEEDS]
        assert row["control_runs"] == [f"{control}-s{seed}" for seed in SEEDS]


def test_transfer_and_leave_one_out_by_hand(finished_study: Path) -> None:
    summary = pd.read_parquet(finished_study / "artifacts/scores/summary.parquet")
    explored = summary[(summary["split"] == "test") & (summary["stage"] == "explore")]
    accuracy = explored.set_index(["task", "run"])["accuracy_strict"]
    cells = {(row["task"], row["partner"]): row["delta"] for row in rows(finished_study, "transfer")}
    assert len(cells) == 16
    expected = 100 * (accuracy["fpb", "pair_fpb_finqa"] - accuracy["fpb", "single_fpb"])
    assert cells["fpb", "finqa"] == pytest.approx(expected, abs=1e-3)
    assert cells["fpb", "fpb"] is None
    assert cells["open_orca", "fpb"] is None  # trained on, not evaluated
    left = {(row["task"], row["left_out"]): row["delta"] for row in rows(finished_study, "leave_one_out")}
    expected = 100 * (accuracy["finqa", "all"] - accuracy["finqa", "without_convfinqa"])
    assert left["finqa", "convfinqa"] == pytest.approx(expected, abs=1e-3)


def test_the_winners_curse_is_never_negative(finished_study: Path) -> None:
    curses = rows(finished_study, "curse")
    assert {row["task"] for row in curses} == {"fpb", "finqa", "convfinqa"}
    for row in curses:
        assert row["curse"] >= 0
        assert row["curse"] == pytest.approx(row["gain_on_test_choice"] - row["gain_on_dev_choice"], abs=1e-3)


def test_numbers_are_nested_and_few(finished_study: Path) -> None:
    def leaves(value: Any, key: str = "") -> dict[str, Any]:
        if isinstance(value, dict):
            return {k: v for name, part in value.items() for k, v in leaves(part, f"{key}/{name}").items()}
        return {key: value}

    numbers = leaves(read_json(finished_study / "reports/numbers.json"))
    assert all(type(value) in (int, float) for value in numbers.values()), "DVC drops lists and nulls"
    assert len(numbers) <= 110
    model = "/phi3_smoke"
    assert {
        f"{model}/confirmed/fpb/{arm}" for arm in ("base", "single", "chosen", "all", "steps_matched")
    } <= {*numbers}
    assert f"{model}/explored/convfinqa/single" in numbers
    assert f"{model}/explored/fpb/single" not in numbers
    assert f"{model}/general/knowledge/all" in numbers


@pytest.mark.slow
def test_flags_say_floor_and_ceiling(finished_study: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_study / "artifacts", tmp_path / "artifacts")
    path = tmp_path / "artifacts/scores/summary.parquet"
    summary = pd.read_parquet(path)
    summary.loc[summary["task"] == "fpb", "accuracy_strict"] = 1.0
    write_table(path, summary)
    list_digests(path.parent)
    folder = tmp_path / "artifacts"
    selected = read_digested(folder / "selected/phi3_smoke.json")
    selected["floors"]["knowledge"]["live"] = False
    write_digested(folder / "selected/phi3_smoke.json", selected)
    prepared = finished_study / "data/prepared"
    compare_study(
        prepared, folder / "scores", folder / "selected", tmp_path / "reports", params=study_params()
    )
    flags = {row["task"]: row["flag"] for row in rows(tmp_path, "arms") if row["stage"] == "explore"}
    assert (flags["fpb"], flags["knowledge"], flags["convfinqa"]) == ("ceiling", "floor", "")


def test_a_blind_guess_is_the_commonest_answer_or_chance() -> None:
    gold = pd.DataFrame({"split": "test", "gold": ["a", "a", "a", "b"]})
    assert guess_share(Evaluation("t", "label", ("a", "b"), gold)) == 0.75
    even = pd.DataFrame({"split": "test", "gold": ["a", "b", "c"]})
    assert guess_share(Evaluation("t", "label", ("a", "b"), even)) == 0.5


def test_scores_of_another_study_are_refused(finished_study: Path) -> None:
    folder = finished_study / "artifacts"
    other = study_params("smoke", "study.targets=[fpb,finqa]", "study.include=[single,pair,all,tuned]")
    with pytest.raises(RecordError, match="foreign without_convfinqa, "):
        read_scores(folder / "scores", folder / "selected", params=other)


def test_a_selection_without_a_target_is_refused(finished_study: Path, tmp_path: Path) -> None:
    selected = read_digested(finished_study / "artifacts/selected/phi3_smoke.json")
    selected["choices"]["finqa"]["chosen"] = "pair_finqa_gsm8k"
    write_digested(tmp_path / "phi3_smoke.json", selected)
    with pytest.raises(RecordError, match="no mixture of this study is chosen for finqa"):
        read_scores(finished_study / "artifacts/scores", tmp_path, params=study_params())
