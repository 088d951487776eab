"""Verdicts on a made-up study: rows that follow from the items, and what forbids a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers_fixture import CLAIMS, study_params, tolerance, write_study
from claims_fixture import as_told
from claims_fixture import verdict as made_up
from statsmodels.stats.multitest import multipletests

from cocktail.claims.draft import SOME
from cocktail.claims.evaluate import consistency_row, evaluate_claims
from cocktail.claims.metrics import headline_metrics
from cocktail.claims.reasons import FLOOR, Reason, most_telling, needs, told
from cocktail.claims.rows import VerdictRow, read_verdicts
from cocktail.claims.schema import ConsistencyTest
from cocktail.config import LockState, Params
from cocktail.data.grid import Run
from cocktail.errors import RecordError
from cocktail.files.records import list_digests, read_digested, read_json, write_digested
from cocktail.report.verdicts import verdict_tables
from cocktail.scoring.score import score_study

pytestmark = pytest.mark.slow

SEEDS = (101, 102, 103)
MODEL, LARGER = "phi3_smoke", "phi3_tiny_large"
ARRANGED = (
    "study.targets=[fpb,finqa]",
    "study.tries=3",
    f"model=[{MODEL},{LARGER}]",
    "study.evaluations=[fpb,finqa,convfinqa,knowledge,gsm8k]",
)
Tables = dict[str, pd.DataFrame]
Result = dict[str, Any]


def skill(run: Run, task: str) -> float:
    """The base answers in the format; mixtures are best; instruction data keeps what is not trained on."""
    if run.kind == "base":
        return 0.85
    if task not in run.sources:
        return 0.85 if "open_orca" in run.sources else 0.6
    return 0.97 if run.kind in ("pair", "without", "all") else 0.6


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scores of a made-up study; read it, copy it to change it."""
    root, params = tmp_path_factory.mktemp("claims"), study_params("smoke", *ARRANGED)
    write_study(root, params, skill=skill)
    score_study(
        root / "data/prepared",
        root / "artifacts/answers",
        root / "artifacts/scores",
        models=list(params.models),
        tolerance=tolerance(params),
    )
    return root


def evaluate(root: Path, params: Params, *, scores: Path | None = None, out: Path) -> Result:
    found = evaluate_claims(
        root / "data/prepared",
        scores or root / "artifacts/scores",
        root / "artifacts/selected",
        CLAIMS,
        out,
        params=params,
        note="made up",
        lock=LockState(),
    )
    assert found == read_verdicts(out / "claims.json")  # what is written is what is read
    return as_told(found)


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return evaluate(study, study_params("smoke", *ARRANGED), out=study / "reports")


@pytest.fixture
def changed(study: Path, tmp_path: Path) -> Callable[..., Result]:
    """Evaluate with changed score tables, or with other params."""

    def evaluate_changed(change: Callable[[Tables], Tables], *overrides: str) -> Result:
        tables = {
            name: pd.read_parquet(study / f"artifacts/scores/{name}.parquet") for name in ("items", "summary")
        }
        for name, table in change(tables).items():
            table.to_parquet(tmp_path / f"{name}.parquet", index=False)
        params = study_params("smoke", *ARRANGED, *overrides)
        return evaluate(study, params, scores=tmp_path, out=tmp_path / "reports")

    return evaluate_changed


def rows(result: Result, claim: str, **facts: Any) -> list[dict[str, Any]]:
    (found,) = (one["verdicts"] for one in result["claims"] if one["id"] == claim)
    return [row for row in found if all(row[key] == value for key, value in facts.items())]


def row(result: Result, claim: str, scope: str, reading: str = "strict") -> dict[str, Any]:
    (found,) = rows(result, claim, scope=scope, reading=reading)
    return found


def test_the_file_is_what_its_readers_expect(result: Result) -> None:
    assert (result["study"], result["note"], result["confidence"]) == ("smoke", "made up", 0.95)
    stated = ["id", "number", "title", "statement", "source", "family", "margin", "contradicted_by", "caveat"]
    for claim in result["claims"]:
        assert sorted(claim) == sorted([*stated, "verdicts"])
        assert claim["verdicts"][0]["reading"] == "strict"
        assert claim["verdicts"][0]["primary"] == (claim["family"] == "primary")
    for one in (one for claim in result["claims"] for one in claim["verdicts"]):
        assert (one["effect"] is None) == (one["n_items"] is None) == (not one["treatment_runs"])
        if one["verdict"] == "not tested":
            assert one["reason"] and one["detectable"] is None
        else:
            assert one["low"] <= one["effect"] <= one["high"]
            assert one["detectable"] > 0 and one["interval"] == "training" and one["n_seeds"] >= 3


def test_a_macro_row_follows_from_the_items(study: Path, result: Result) -> None:
    items = pd.read_parquet(study / "artifacts/scores/items.parquet")
    mine = items[(items["split"] == "test") & (items["stage"] == "confirm") & (items["model"] == MODEL)]
    head = rows(result, "mixture_vs_single")[0]
    effects, chosen = [], []
    for task in ("fpb", "finqa"):
        selected = read_json(study / f"artifacts/selected/{MODEL}.json")["choices"][task]["chosen"]
        chosen += [f"{selected}-s{seed}" for seed in SEEDS]
        ok = mine[mine["task"] == task].assign(ok=mine["strict"] == "ok").groupby("run")["ok"].mean()
        single = ok[[f"single_{task}-s{seed}" for seed in SEEDS]].mean()
        effects.append(ok[[f"{selected}-s{seed}" for seed in SEEDS]].mean() - single)
        alone = row(result, "mixture_vs_single", task)
        assert alone["effect"] == pytest.approx(100 * effects[-1], abs=1e-4)
        assert alone["treatment_runs"] == chosen[-3:]
    assert head["effect"] == pytest.approx(100 * np.mean(effects), abs=1e-4)
    assert (head["n_items"], head["n_clusters"], head["n_seeds"]) == (120, 60, 3)
    assert head["treatment_runs"] == list(dict.fromkeys(chosen))
    assert head["reason"] == "2 of 7 tasks"
    assert head["verdict"] == "supported"  # 0.97 against 0.6


def test_controls_are_those_that_the_claim_names(result: Result) -> None:
    for claim, prefix in (
        ("mixture_vs_steps", "steps"),
        ("mixture_vs_size", "size"),
        ("all_vs_size", "size"),
    ):
        found = row(result, claim, "fpb")
        like = found["treatment_runs"][0].removesuffix("-s101")
        assert found["control_runs"] == [f"{prefix}_fpb_as_{like}-s{seed}" for seed in SEEDS]
    assert row(result, "regulariser", "knowledge")["control_runs"] == [
        f"without_open_orca-s{seed}" for seed in SEEDS
    ]
    larger = row(result, "small_beats_larger", f"macro vs {LARGER}")
    assert larger["control_runs"] == ["base"] and larger["primary"]


def test_each_side_says_whose_runs_it_has(study: Path, result: Result) -> None:
    against = [one for claim in ("small_beats_larger", "single_beats_larger") for one in rows(result, claim)]
    others = [one for claim in ("mixture_vs_steps", "transfer") for one in rows(result, claim)]
    assert against and others
    for found, control in ((against, LARGER), (others, MODEL)):
        assert {(one["treatment_model"], one["control_model"]) for one in found} == {(MODEL, control)}
    tables = verdict_tables(read_verdicts(study / "reports/claims.json"))
    frame = next(table for table in tables if table.name == "verdict_rows").frame
    shown = frame[frame["on"] == f"fpb vs {LARGER}"]
    assert len(shown) and all(runs == [f"{LARGER}/base"] for runs in shown["control runs"])
    assert all(not run.startswith(MODEL) for runs in shown["treatment runs"] for run in runs)


def test_primary_rows_are_adjusted_together_and_no_others(result: Result) -> None:
    every = [one for claim in result["claims"] for one in claim["verdicts"]]
    family = [one for one in every if one["primary"] and one["p"] is not None]
    assert len(family) == 7  # of nine primary claims, those about math lack their runs in this study
    adjusted = multipletests([one["p"] for one in family], method="holm")[1]
    assert [one["p_adjusted"] for one in family] == pytest.approx(list(adjusted), rel=1e-3)
    others = [one for one in every if not one["primary"] and "exploratory" not in one["reason"]]
    others = [one for one in others if one["scope"] != SOME]
    assert others and all(one["p_adjusted"] is None for one in others)


def test_at_least_one_task_gains_is_holm_over_the_tasks(result: Result) -> None:
    found = row(result, "mixture_vs_single", SOME)
    alone = [row(result, "mixture_vs_single", task) for task in ("fpb", "finqa")]
    assert found["verdict"] == "supported" and not found["primary"]
    assert found["reason"].startswith("2 of 2 tasks gain: fpb, finqa; shown: ")
    shown = next(one for one in alone if found["reason"].endswith(one["scope"]))
    assert (found["effect"], found["p"]) == (shown["effect"], shown["p"])
    adjusted = multipletests([one["p"] for one in alone], method="holm")[1]
    assert found["p_adjusted"] in [pytest.approx(p, rel=1e-3) for p in adjusted]


def test_a_choice_among_a_part_of_the_grid_cannot_contradict(study: Path, tmp_path: Path) -> None:
    """Singles are better here; whether the whole grid has a mixture that is not, nobody looked."""
    shutil.copytree(study / "artifacts", tmp_path / "artifacts")
    (tmp_path / "data").symlink_to(study / "data")
    path = tmp_path / f"artifacts/selected/{MODEL}.json"
    params, summary = study_params("smoke", *ARRANGED), tmp_path / "artifacts/scores/items.parquet"
    items = pd.read_parquet(summary)
    single = items["run"].str.startswith("single_") & (items["stage"] == "confirm")
    items.loc[items["stage"] == "confirm", ["strict", "lenient"]] = "wrong"
    items.loc[single & (items["item"].str[-1] != "0"), ["strict", "lenient"]] = "ok"
    items.to_parquet(summary, index=False)
    list_digests(summary.parent)
    whole = row(evaluate(tmp_path, params, out=tmp_path / "reports"), "mixture_vs_single", "fpb")
    assert whole["verdict"] == "contradicted"
    selected = read_digested(path)
    selected["choices"]["fpb"]["possible"] = 17
    write_digested(path, selected)
    part = row(evaluate(tmp_path, params, out=tmp_path / "reports"), "mixture_vs_single", "fpb")
    assert part["verdict"] == "under-powered" and "chosen among 7 of 17" in part["reason"]


def test_label_decoded_rows_stand_beside_strict_ones(result: Result) -> None:
    decoded = rows(result, "mixture_vs_single", reading="decoded")
    (only,) = decoded  # finqa has no labels; the fixture's labels are all decoded rightly
    assert (only["scope"], only["n_items"], only["effect"], only["reason"]) == ("fpb", 60, 0, "ceiling")


def test_what_is_not_trained_on_has_a_thermometer(result: Result, changed: Callable[..., Result]) -> None:
    """It is read where accuracy is at chance, and where an answer is not in the format."""
    only = {row["scope"] for row in rows(result, "regulariser", reading="logprob")}
    assert only == {"macro", "knowledge", "gsm8k"}
    assert not rows(result, "mixture_vs_single", reading="logprob")  # of a target it is not asked
    warm = row(result, "regulariser", "knowledge", "logprob")
    strict = row(result, "regulariser", "knowledge")
    # The fixture's: half a nat more where the answer is right.
    assert warm["effect"] == pytest.approx(strict["effect"] / 2, abs=1e-3)
    assert not warm["primary"]
    at_chance = changed(answered("wrong", "knowledge", run="base"))
    assert row(at_chance, "regulariser", "knowledge")["reason"] == "base at chance"
    assert row(at_chance, "regulariser", "knowledge", "logprob") == warm

    def endpoint(tables: Tables) -> Tables:
        table = tables["items"]
        table.loc[table["task"] == "knowledge", "reference_logprob"] = np.nan
        return tables

    assert not rows(changed(endpoint), "regulariser", scope="knowledge", reading="logprob")


def test_collapsed_runs_are_counted_by_arm(result: Result) -> None:
    found = row(result, "mixture_vs_single", "fpb")  # 0.97 and 0.6; the untuned model has 0.85
    assert (found["treatment_collapsed"], found["control_collapsed"]) == (0, 3)


def test_a_primary_row_tells_what_it_detects_at_the_level_that_holm_grants(result: Result) -> None:
    head, lenient = rows(result, "mixture_vs_single", scope="macro")
    assert lenient["effect"] == head["effect"]  # the fixture's wrong answers are unreadable either way
    assert head["detectable"] > 1.2 * lenient["detectable"]


def test_verdicts_of_the_made_up_study(result: Result) -> None:
    found = {claim["id"]: claim["verdicts"][0]["verdict"] for claim in result["claims"]}
    assert found["regulariser"] == "supported"  # 0.85 with, 0.6 without instruction data
    assert found["degradation"] == "supported"
    assert found["mixtures_vs_tuned_singles"] == "supported"
    assert found["no_broad_gain"] == "under-powered"  # 0.85 both, but 60 items
    assert found["single_beats_larger"] == "contradicted"  # 0.6 against 0.85
    assert found["holds_across_models"] == "not tested"


def test_equal_tries_are_confirmed_with_fresh_seeds(study: Path, result: Result) -> None:
    found = row(result, "mixtures_vs_tuned_singles", "fpb")
    chosen = read_json(study / f"artifacts/selected/{MODEL}.json")["choices"]["fpb"]
    for side in ("treatment", "control"):
        role = {"treatment": "tuned_mixture", "control": "tuned_single"}[side]
        assert found[f"{side}_runs"] == [f"{chosen[role]}-s{seed}" for seed in SEEDS]
    assert chosen["tuned_single"] in ("single_fpb", *(f"tuned_fpb_{number}" for number in (1, 2, 3)))
    assert chosen["tuned_mixture"] in ("all", *(f"tuned_all_{number}" for number in (1, 2, 3)))
    assert found["n_seeds"] == 3


def test_cells_are_a_map_with_false_discovery_rates(result: Result) -> None:
    head, *cells = rows(result, "transfer")
    assert len(cells) == 9  # three evaluated sources, three partners each
    adjusted = multipletests([one["p"] for one in cells], method="fdr_bh")[1]
    assert [one["p_adjusted"] for one in cells] == pytest.approx(list(adjusted), rel=1e-3)
    ups = sum(one["p_adjusted"] < 0.05 and one["effect"] > 0 for one in cells)
    assert f"{ups} up" in head["reason"] and "of 9 cells" in head["reason"] and head["effect"] is None
    for one in cells:
        assert (one["verdict"], one["reason"]) == ("not tested", "seeds: exploratory")
        assert (one["interval"], one["n_seeds"]) == ("these weights", 1)
    one = row(result, "transfer", "finqa + fpb")
    assert (one["treatment_runs"], one["control_runs"]) == (["pair_fpb_finqa"], ["single_finqa"])
    one = row(result, "leave_one_out", "fpb: all, finqa left out")
    assert (one["treatment_runs"], one["control_runs"]) == (["all"], ["without_finqa"])
    one = row(result, "regulariser_pairs", "gsm8k: fpb + open_orca")
    assert (one["treatment_runs"], one["control_runs"]) == (["pair_fpb_open_orca"], ["single_fpb"])
    own = [one for one in rows(result, "leave_one_out") if one["scope"] == "fpb: all, fpb left out"]
    assert own == []


def test_metrics_for_dvc_are_few_and_true(study: Path, result: Result) -> None:
    scores = {"single": 50.0, "chosen": 61.004, "all": 70.0}
    confirmed = {"fpb": scores, "finqa": {**scores, "single": 60.0}}
    verdicts = read_verdicts(study / "reports/claims.json")
    mine = headline_metrics({MODEL: {"confirmed": confirmed}, "absent": {}}, verdicts)[MODEL]
    assert mine["accuracy"] == {"single": 55.0, "chosen": 61.0, "all": 70.0}
    heads = [row for claim in result["claims"] if (row := claim["verdicts"][0])["model"] == MODEL]
    alone = [row for row in heads if row["control_model"] == MODEL]
    assert 0 < len(alone) < len(heads)
    found = [row["verdict"] for row in alone]
    assert mine["verdicts"]["supported"] == found.count("supported") > 0
    assert mine["verdicts"]["not_tested"] == found.count("not tested") > 0
    assert sum(mine["verdicts"].values()) == len(alone)
    effects = {claim["id"]: claim["verdicts"][0]["effect"] for claim in result["claims"]}
    assert mine["effect"]["mixture_vs_single"] == pytest.approx(effects["mixture_vs_single"], abs=0.005)
    assert {"all_vs_single", "small_beats_larger"} & {*mine["effect"]} == set()
    leaves = [number for group in mine.values() for number in group.values()]
    assert len(leaves) <= 15 and all(type(number) in (int, float) for number in leaves)


def test_a_model_without_targets_has_no_number_that_says_nothing(study: Path, result: Result) -> None:
    assert result["claims"]
    verdicts = read_verdicts(study / "reports/claims.json")
    assert headline_metrics({"absent": {"count": {"runs_explored": 1}}}, verdicts) == {"absent": {}}


def answered(code: str, task: str, **where: Any) -> Callable[[Tables], Tables]:
    """All answers to a task read as ``code``, in the items and in the counts of INVALID."""

    def change(tables: Tables) -> Tables:
        for table in tables.values():
            mine = table["task"] == task
            for key, value in where.items():
                mine &= table[key] == value
            if "strict" in table:
                table.loc[mine, ["strict", "lenient"]] = code
            elif code == "invalid":
                table.loc[mine, "invalid_strict"] = table.loc[mine, "n"]
        return tables

    return change


def test_at_the_ceiling_nothing_is_tested(changed: Callable[..., Result]) -> None:
    result = changed(answered("ok", "fpb"))
    alone = row(result, "mixture_vs_single", "fpb")
    assert (alone["verdict"], alone["reason"], alone["p"]) == ("not tested", "ceiling", None)
    assert alone["effect"] == 0
    macro, other = row(result, "mixture_vs_single", "macro"), row(result, "mixture_vs_single", "finqa")
    assert macro["reason"] == "1 of 7 tasks, ceiling: fpb"
    assert (macro["effect"], macro["n_items"]) == (other["effect"], 60)
    cell = row(result, "transfer", "fpb + finqa")
    assert (cell["reason"], cell["p"], cell["p_adjusted"]) == ("seeds: exploratory; ceiling", None, None)
    assert "of 6 cells" in rows(result, "transfer")[0]["reason"]


def test_a_target_at_the_floor_is_not_confirmed_and_not_tested(tmp_path: Path) -> None:
    """Nothing that was explored does it better than a guess."""
    params = study_params("smoke", *ARRANGED)
    write_study(tmp_path, params, skill=lambda run, task: 0.3 if task == "fpb" else skill(run, task))
    confirmed = read_json(tmp_path / f"artifacts/answers/{MODEL}/confirm/index.json")["runs"]
    assert "single_finqa-s101" in confirmed and not any("fpb" in run.split("_as_")[0] for run in confirmed)
    answers, scores = tmp_path / "artifacts/answers", tmp_path / "artifacts/scores"
    prepared, models = tmp_path / "data/prepared", list(params.models)
    score_study(prepared, answers, scores, models=models, tolerance=tolerance(params))
    result = evaluate(tmp_path, params, out=tmp_path / "reports")
    assert row(result, "mixture_vs_single", "fpb")["reason"] == "floor"
    macro = row(result, "mixture_vs_single", "macro")
    assert macro["verdict"] == "supported" and macro["reason"] == "1 of 7 tasks, floor: fpb"
    assert row(result, "transfer", "fpb + finqa")["reason"] == "seeds: exploratory; floor"


def test_a_larger_model_that_breaks_the_format_is_not_beaten(changed: Callable[..., Result]) -> None:
    result = changed(answered("invalid", "fpb", run="base"))
    alone = row(result, "small_beats_larger", f"fpb vs {LARGER}")
    assert (alone["verdict"], alone["reason"]) == ("not tested", "format")
    assert row(result, "small_beats_larger", f"fpb vs {LARGER}", "lenient")["verdict"] == "supported"
    assert row(result, "small_beats_larger", f"macro vs {LARGER}")["reason"] == "1 of 7 tasks, format: fpb"
    assert row(result, "mixture_vs_single", "fpb")["verdict"] == "supported"


def test_the_share_of_invalid_answers_has_a_limit(changed: Callable[..., Result]) -> None:
    def invalid(share: float) -> Callable[[Tables], Tables]:
        def change(tables: Tables) -> Tables:
            table = tables["summary"]
            table.loc[table["run"] == "base", "invalid_strict"] = round(share * 60)
            return tables

        return change

    allowed, beyond = changed(invalid(12 / 60)), changed(invalid(13 / 60))
    assert row(allowed, "small_beats_larger", f"fpb vs {LARGER}")["reason"] == ""
    assert row(beyond, "small_beats_larger", f"fpb vs {LARGER}")["reason"] == "format"
    assert row(beyond, "no_broad_gain", "knowledge")["reason"] == "format"


def test_where_the_untuned_model_is_at_chance_there_is_nothing_to_keep(
    changed: Callable[..., Result],
) -> None:
    result = changed(answered("wrong", "knowledge", run="base"))
    assert row(result, "regulariser", "knowledge")["reason"] == "base at chance"
    assert row(result, "regulariser", "gsm8k")["verdict"] == "supported"
    assert row(result, "regulariser", "macro")["reason"] == "1 of 3 tasks, base at chance: knowledge"


def test_fewer_than_three_seeds_are_not_tested(changed: Callable[..., Result]) -> None:
    def change(tables: Tables) -> Tables:
        return {name: table[~table["run"].str.endswith("-s103")] for name, table in tables.items()}

    result = changed(change, "study.confirm_seeds=[101,102]")
    for claim in ("mixture_vs_single", "regulariser", "no_broad_gain"):
        head = rows(result, claim)[0]
        assert (head["verdict"], head["p"], head["p_adjusted"]) == ("not tested", None, None)
        assert head["reason"].startswith("seeds")
    alone = row(result, "mixture_vs_single", "fpb")
    assert (alone["interval"], alone["n_seeds"]) == ("these weights", 2)
    assert alone["effect"] is not None


def test_runs_that_the_study_lacks_are_named(changed: Callable[..., Result]) -> None:
    def change(tables: Tables) -> Tables:
        names = ("without_open_orca", "size_without_open_orca_as_all")
        extra = [f"{name}-s{seed}" for name in names for seed in SEEDS]
        return {name: table[~table["run"].isin(extra)] for name, table in tables.items()}

    result = changed(change, "study.confirm_also=[]")
    head = rows(result, "regulariser")[0]
    assert head["verdict"] == "not tested"
    assert head["reason"] == "needs confirm runs of without_open_orca"
    assert row(result, "math_reasoning", "gsm8k")["reason"] == "needs confirm runs of without_orca_math"
    assert not rows(result, "mixture_vs_single", scope="headline")  # the group's tasks that the study has


def test_a_group_of_which_the_study_has_no_task_is_named(changed: Callable[..., Result]) -> None:
    def change(tables: Tables) -> Tables:
        return {name: table[table["task"] != "gsm8k"] for name, table in tables.items()}

    fewer = "study.evaluations=[fpb,finqa,convfinqa,knowledge]"
    (only,) = rows(changed(change, fewer), "math_reasoning")
    assert (only["verdict"], only["reason"]) == (
        "not tested",
        "needs a task of group math in study.evaluations",
    )


def test_without_a_larger_model_that_is_said(finished_study: Path, tmp_path: Path) -> None:
    result = evaluate(finished_study, study_params(), out=tmp_path)
    assert "needs a larger untuned model" in rows(result, "small_beats_larger")[0]["reason"]
    assert rows(result, "small_beats_larger")[0]["verdict"] == "not tested"


def test_items_of_one_cluster_are_not_tested(changed: Callable[..., Result]) -> None:
    def change(tables: Tables) -> Tables:
        tables["items"].loc[tables["items"]["task"] == "fpb", "cluster"] = "one"
        return tables

    result = changed(change)
    for claim in ("mixture_vs_single", "mixtures_vs_tuned_singles"):
        assert row(result, claim, "fpb")["reason"] == "needs items of two clusters"
        assert row(result, claim, "macro")["n_items"] == 60
    assert "two clusters" in row(result, "transfer", "fpb + finqa")["reason"]


def test_an_evaluation_without_items_is_not_tested(changed: Callable[..., Result]) -> None:
    def change(tables: Tables) -> Tables:
        items = tables["items"]
        return {**tables, "items": items[(items["task"] != "fpb") | (items["stage"] == "explore")]}

    result = changed(change)
    assert row(result, "mixture_vs_single", "fpb")["reason"] == "needs answers of both arms"
    assert row(result, "mixture_vs_single", "macro")["n_items"] == 60


def test_dev_and_test_that_are_the_same_are_refused(study: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "data/prepared"
    shutil.copytree(study / "data/prepared", prepared)
    (tmp_path / "artifacts").symlink_to(study / "artifacts")
    params = study_params("smoke", *ARRANGED)
    assert evaluate(tmp_path, params, out=tmp_path / "reports")["study"] == "smoke"
    shutil.copyfile(prepared / "fpb/dev.parquet", prepared / "fpb/test.parquet")
    with pytest.raises(RecordError, match="dev and test are the same rows for fpb"):
        evaluate(tmp_path, params, out=tmp_path / "reports")


def test_what_scores_forbid_is_told_before_what_the_study_lacks() -> None:
    found = most_telling([needs("a"), FLOOR, needs("b"), FLOOR])
    assert found == [FLOOR, needs("a"), needs("b")]
    assert told(found) == "floor; needs a; and 1 more" and told(found[:2]) == "floor; needs a"
    shown = Reason(code="shown", detail="shown: fpb")
    assert told([*found, shown]) == "floor; needs a; and 1 more; shown: fpb"


def head_of(model: str, verdict: str, *, headline: bool = True) -> VerdictRow:
    row = made_up("macro", model=model, effect=None, verdict=verdict, headline=headline)
    return VerdictRow.model_validate(row)


def test_a_claim_about_several_models_needs_them() -> None:
    test = ConsistencyTest(kind="consistency", of="mixture_vs_single", min_models=4, min_runs=0)
    four = [head_of(model, "supported") for model in "abcd"]
    second_rows = [head_of(model, "contradicted", headline=False) for model in "abcd"]
    mixed = [one for pair in zip(four, second_rows, strict=True) for one in pair]
    found = consistency_row(test, mixed, [])
    assert found.headline and (found.verdict, found.reason) == ("supported", "supported with 4 of 4 models")
    assert consistency_row(test, [*four[:3], head_of("d", "contradicted")], []).verdict == "contradicted"
    untested = consistency_row(test, [*four[:3], head_of("d", "not tested")], [])
    assert (untested.verdict, untested.reason) == (
        "not tested",
        "needs 4 models that are tested, has 3",
    )
    many = test.model_copy(update={"min_runs": 200})
    assert consistency_row(many, four, []).reason == "needs 200 training runs, has 0"


def share_of_items(task: str, share: float, *, run: str) -> Callable[[Tables], Tables]:
    """The first items of a task, in the order of their ids, become right for a run, the others wrong."""

    def change(tables: Tables) -> Tables:
        table = tables["items"]
        here = (table["task"] == task) & (table["run"] == run) & (table["split"] == "test")
        right = table.loc[here, "item"].rank(method="first") <= share * here.sum()
        for reading in ("strict", "lenient"):
            table.loc[here, reading] = right.map({True: "ok", False: "wrong"})
        return tables

    return change


def test_a_broad_gain_contradicts_that_there_is_none(changed: Callable[..., Result]) -> None:
    result = changed(share_of_items("knowledge", 0.4, run="base"))
    head = rows(result, "no_broad_gain")[0]
    assert head["low"] > 2.0
    assert (head["verdict"], head["p_adjusted"] < 0.05) == ("contradicted", True)


def test_what_a_tuned_model_loses_of_the_format_is_no_loss_of_knowledge(
    changed: Callable[..., Result],
) -> None:
    def change(tables: Tables) -> Tables:
        table = tables["summary"]
        table.loc[table["run"].str.startswith("all"), "invalid_strict"] = 13
        return tables

    assert row(changed(change), "no_broad_gain", "knowledge")["reason"] == "format"
