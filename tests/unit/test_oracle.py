"""The rule's effects of recorded studies by a second road that shares no code with it."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cocktail.studies.simulation.oracle as oracle
from cocktail.errors import RecordError
from cocktail.files.records import read_json, read_table, write_json
from cocktail.report.table import to_markdown
from cocktail.studies.simulation.agreement import (
    Contrast,
    answers_of,
    compared,
    recorded_contrasts,
    rule_effect,
)
from cocktail.studies.simulation.oracle import DRAWS, second_road
from cocktail.studies.simulation.table import agreement_tables, ratio

STUDIES = Path(__file__).parents[2] / "reports/studies"
RECORDS = sorted(path.parent for path in STUDIES.glob("*/items.parquet"))
SAME_PARTS = 0.005  # clusters are corrected by G / (G - 1) over all tasks at once, not by group
LUCK = 4 / np.sqrt(2 * DRAWS)  # four standard errors of a bootstrapped standard error


def answers(
    *, tasks: int = 2, seeds: int = 3, items: int = 60, one_mixture: bool = False, seed: int = 1
) -> pd.DataFrame:
    """Answers of both arms whose seeds have much in common; clusters of two items."""
    rng, rows = np.random.default_rng(seed), []
    for task in range(tasks):
        chance = rng.beta(2, 2, items)
        for s in range(seeds):
            both = rng.normal(0, 0.15)
            for arm, recipe in (("treatment", f"mixture_{task}"), ("control", f"single_{task}")):
                recipe = "all" if one_mixture and arm == "treatment" else recipe
                ok = rng.random(items) < np.clip(chance + both + rng.normal(0, 0.05), 0, 1)
                rows += [
                    {
                        "task": f"t{task}",
                        "arm": arm,
                        "run": f"{recipe}-s{101 + s}",
                        "item": f"{task}:{item}",
                        "cluster": f"{task}:{item // 2}",
                        "ok": float(ok[item]),
                    }
                    for item in range(items)
                ]
    return pd.DataFrame(rows)


@cache
def recorded() -> list[dict[str, Any]]:
    return compared(RECORDS)


def differences(row: dict[str, Any]) -> list[str]:
    """What of a comparison is not as it must be."""
    found = []
    if abs(row["estimate"] - row["second"]) > 1e-9:
        found.append("estimate")
    if abs(row["estimate"] - row["recorded"]) > (1e-6 if row["headline"] else 1e-9):
        found.append("record")
    if row["se"] < 1e-12:
        return found if row["summed"] < 1e-12 else [*found, "parts"]
    corrected = max(SAME_PARTS, 0.5 / (row["fewest_clusters"] - 1))  # of a task with few clusters by more
    if abs(row["se"] / row["summed"] - 1) > (corrected if len(row["tasks"]) > 1 else 1e-9):
        found.append("parts")
    # The part of seeds and items together: once, twice (the rule), three times.
    if not row["two_way"] <= row["se"] * (1 + SAME_PARTS):
        found.append("two-way")
    if not 0.6 < row["se"] / row["pigeonhole"] < 1 + LUCK:
        found.append("pigeonhole")
    return found


@pytest.mark.slow
def test_all_recorded_effects_agree_on_both_roads() -> None:
    rows = recorded()
    assert {row["record"] for row in rows} >= {"tiny"}
    assert sum(row["headline"] for row in rows) >= 5
    assert [(row["record"], row["contrast"], wrong) for row in rows if (wrong := differences(row))] == []


def test_the_second_road_shares_no_code_with_the_rule() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    names = [
        name
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    ]
    assert "pandas" in names
    assert not [name for name in names if name.startswith("cocktail")]


def row_of(rule_sees: pd.DataFrame, second_sees: pd.DataFrame) -> dict[str, Any]:
    ours = rule_effect(rule_sees)
    return {
        "tasks": sorted(set(rule_sees["task"])),
        "headline": False,
        "recorded": ours.estimate,
        "fewest_clusters": int(rule_sees.groupby("task")["cluster"].nunique().min()),
        "estimate": ours.estimate,
        "se": ours.se,
        **second_road(second_sees),
    }


@pytest.mark.parametrize("one_mixture", [False, True])
@pytest.mark.parametrize("tasks", [1, 3])
def test_both_roads_agree_on_made_answers(tasks: int, one_mixture: bool) -> None:
    made = answers(tasks=tasks, one_mixture=one_mixture)
    assert differences(row_of(made, made)) == []


def test_a_wrong_sign_is_seen() -> None:
    made = answers()
    turned = made.assign(arm=made["arm"].map({"treatment": "control", "control": "treatment"}))
    assert "estimate" in differences(row_of(made, turned))


def test_a_broken_pairing_is_seen() -> None:
    """Partners of other seeds, and seeds left unpaired: the arms of a seed have much in common."""
    made = answers(tasks=1)
    other = {"101": "102", "102": "103", "103": "101"}
    shuffled = made["run"].where(
        made["arm"] == "treatment", made["run"].str[:-3] + made["run"].str[-3:].map(other)
    )
    assert "parts" in differences(row_of(made, made.assign(run=shuffled)))
    several = answers(tasks=2)
    shared = several.assign(
        run=several["run"].str.replace(r"_\d-", "-", regex=True)
    )  # one run for both tasks
    assert "parts" in differences(row_of(several, shared))


def test_broken_clusters_and_lost_seeds_are_seen() -> None:
    made = answers(tasks=1)
    assert "parts" in differences(row_of(made, made.assign(cluster=made["item"].str[:3])))
    fewer = made[~made["run"].str.endswith("103")]
    assert {"estimate", "parts"} <= set(differences(row_of(made, fewer)))


def test_without_noise_of_seeds_it_is_the_clusters_alone() -> None:
    """Every seed gives the same answers: two-way clustering, too, leaves the clusters' variance."""
    made = answers(tasks=1)
    first = made[made["run"].str.endswith("101")]
    same = pd.concat([first.assign(run=first["run"].str[:-3] + seed) for seed in ("101", "102", "103")])
    found = second_road(same)
    assert found["summed"] == pytest.approx(rule_effect(same).se)
    assert found["pigeonhole"] == pytest.approx(found["summed"], rel=LUCK)


def test_a_model_that_is_not_trained_has_no_seeds_to_pair() -> None:
    made = answers(tasks=2)
    given = made[(made["arm"] == "treatment") | made["run"].str.endswith("101")]
    given = given.assign(run=given["run"].where(given["arm"] == "treatment", "base"))
    assert differences(row_of(given, given)) == []


def test_contrasts_come_from_effects_and_headlines_from_claims() -> None:
    found = list(recorded_contrasts(STUDIES / "tiny"))
    [single] = [one for one in found if (one.name, one.tasks) == ("all-single", ["headline"])]
    assert single.runs["control"]["headline"] == [f"single_headline-s{seed}" for seed in (101, 102, 103)]
    [macro] = [one for one in found if one.name == "all_vs_single"]
    comparison = read_json(STUDIES / "tiny/comparison.json")
    live = dict.fromkeys(row["task"] for row in comparison["arms"] if row["stage"] == "confirm")
    assert macro.rounded and macro.tasks == [task for task in live if task in macro.runs["control"]]
    assert len(macro.tasks) >= 2
    assert (
        len({tuple(macro.runs["treatment"][task]) for task in macro.tasks}) == 1
    )  # all serves them together
    assert "mixtures_vs_tuned_singles" in {one.name for one in found}


def test_a_headline_whose_tasks_are_not_told_is_refused(tmp_path: Path) -> None:
    for name in ("effects.json", "claims.json"):
        write_json(tmp_path / name, read_json(STUDIES / "tiny" / name))
    claims = read_json(tmp_path / "claims.json")
    [claim] = [one for one in claims["claims"] if one["id"] == "mixture_vs_single"]
    claim["verdicts"] = [row for row in claim["verdicts"] if row["scope"] != "headline"]
    write_json(tmp_path / "claims.json", claims)
    with pytest.raises(RecordError, match="mixture_vs_single have other items"):
        list(recorded_contrasts(tmp_path))


def test_answers_are_those_to_items_that_all_runs_were_asked() -> None:
    items = read_table(STUDIES / "tiny/items.parquet")
    contrast = next(recorded_contrasts(STUDIES / "tiny"))
    every = answers_of(items, contrast, where=STUDIES)
    [task] = contrast.tasks
    lost = (items["run"] == contrast.runs["control"][task][0]) & items["item"].str.endswith(":7")
    fewer = answers_of(items[~lost], contrast, where=STUDIES)
    assert len(every) - len(fewer) == 6 * len(set(items.loc[lost & (items["task"] == task), "item"])) > 0
    with pytest.raises(RecordError, match="no answers"):
        answers_of(
            items, replace(contrast, models=dict.fromkeys(("treatment", "control"), "x")), where=STUDIES
        )


@pytest.mark.slow
def test_the_table_shows_headlines_and_one_row_a_record_for_the_rest() -> None:
    [table] = agreement_tables(recorded())
    assert len(table.frame) == sum(row["headline"] for row in recorded()) + len(
        {row["record"] for row in recorded() if not row["headline"]}
    )
    assert "mixture_vs_single" in to_markdown(table)
    assert agreement_tables([]) == []
    assert ratio({"se": 1.0, "two_way": 0.0}, "two_way") is None


def test_contrasts_are_what_they_say() -> None:
    assert Contrast("x", {}, {"treatment": {"fpb": ["a-s1"]}, "control": {"fpb": ["b-s1"]}}, 0.0).tasks == [
        "fpb"
    ]
