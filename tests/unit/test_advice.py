"""Advice: exact where effects add up, silent where they do not, and never without its held-out record.

Where it cannot advise, it says what was measured, what is missing, what tells most.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from answers_fixture import ROOT

from cocktail import cli
from cocktail.analysis.advice.following import next_runs
from cocktail.analysis.advice.gain import Sources, fit_gain, fitting_sets
from cocktail.analysis.advice.heldout import HeldOut, held_out_record
from cocktail.analysis.advice.scores import GridOutcomes, grid_of, target_scores
from cocktail.analysis.advice.show import advice_row, advice_text
from cocktail.analysis.advice.standing import following, standing_lines
from cocktail.data.grid import mixtures
from cocktail.errors import RecordError
from cocktail.files.records import write_json, write_table

TASKS = ("fpb", "finqa", "headline", "open_orca", "fin_ner_cls", "twitter_sa")
ALONE = {"fpb": 40.0, "finqa": 3.0, "headline": -2.0, "open_orca": 1.0, "fin_ner_cls": 5.0, "twitter_sa": 9.0}
BESIDE = {"finqa": -7.0, "headline": 5.0, "open_orca": 0.5, "fin_ner_cls": -3.0, "twitter_sa": -2.0}


def additive(sources: Sources) -> float:
    """A base of 20, what each source gives, and what it gives more beside fpb."""
    more = sum(BESIDE.get(source, 0) for source in sources) if "fpb" in sources else 0
    return 20 + sum(ALONE[source] for source in sources) + more


def crowded(sources: Sources) -> float:
    """Each source helps beside the target alone, and the more it helps there, the more it harms a crowd."""
    gains = sum({**ALONE, **BESIDE}[source] for source in sources if source != "fpb")
    return 50 + (gains if len(sources) <= 2 else -gains)


def scores(of: Callable[[Sources], float], tasks: tuple[str, ...] = TASKS) -> dict[Sources, float]:
    return {(): of(()), **{sources: of(sources) for _, sources in mixtures(tasks).values()}}


def record(of: Callable[[Sources], float], target: str = "fpb") -> HeldOut:
    every = scores(of)
    return held_out_record(every, every, TASKS, target=target, above_guess=every)


def test_an_additive_world_is_recovered_exactly() -> None:
    model = fit_gain(scores(additive), TASKS, target="fpb")
    assert model.base == pytest.approx(20, abs=1e-9)
    assert dict(model.alone) == pytest.approx(ALONE, abs=1e-9)
    assert dict(model.beside) == pytest.approx(BESIDE, abs=1e-9)
    for sources in scores(additive):
        assert model.predict(sources) == pytest.approx(additive(sources), abs=1e-9)
    assert model.gains()["finqa"] == pytest.approx(3 - 7, abs=1e-9)
    assert "fpb" not in model.gains()


def test_mixtures_it_must_not_see_change_nothing() -> None:
    seen = {sources: additive(sources) for sources in fitting_sets(TASKS)}
    rng = np.random.default_rng(1)
    noise = {s: rng.normal() for s in scores(additive) if len(s) > 2}
    assert fit_gain({**seen, **noise}, TASKS, target="fpb") == fit_gain(seen, TASKS, target="fpb")


def test_it_advises_in_an_additive_world() -> None:
    found = record(additive)
    assert (found.spearman, found.kendall) == (pytest.approx(1), pytest.approx(1))
    assert found.pick == tuple(task for task in TASKS if task != "finqa")  # the one that harms
    assert found.regret == 0
    assert found.regret_all == pytest.approx(4)
    assert found.regret_single == pytest.approx(additive(found.pick) - 60)
    assert found.verdict == "advises"
    text = advice_text(found, TASKS, split="dev", where="made up")
    assert text.index("Held-out record") < text.index("regret") < text.index("Advice for fpb: train")
    assert "finqa              −4.0" in text


def test_it_refuses_where_sources_interact() -> None:
    found = record(crowded)
    assert found.spearman is not None and found.spearman < 0
    assert found.regret > 0
    assert "ranking not shown" in found.verdict
    assert "Advice for fpb: none (" in advice_text(found, TASKS, split="dev", where="made up")


def test_a_lucky_pick_among_equals_is_no_advice() -> None:
    """Noise alone: the pick beats both rules now and then, the ranking test holds nearly all of it back."""
    rng = np.random.default_rng(2)
    beats, advises = 0, 0
    for _ in range(200):
        fitted, test = (scores(lambda sources: 60 + rng.normal()) for _ in range(2))
        found = held_out_record(fitted, test, TASKS, target="fpb", above_guess=test)
        beats += found.regret < min(found.regret_all, found.regret_single)
        advises += found.verdict == "advises"
    assert beats / 200 > 0.2
    assert advises / 200 <= 0.05


def test_always_all_and_always_single_are_hard_to_beat_where_they_are_best() -> None:
    all_help = record(lambda sources: 20.0 + 10 * len(sources) + sum(map(len, sources)) / 10)
    assert all_help.pick == TASKS
    assert all_help.verdict == "does not beat always-all"
    harm = record(lambda sources: 60.0 - 3 * len(sources) - sum(map(len, sources)) / 10)
    assert "does not beat always-single" in harm.verdict
    assert harm.regret_single == 0


def test_equal_scores_have_no_rank() -> None:
    found = record(lambda sources: 50.0)
    assert (found.spearman, found.p) == (None, 1)
    assert advice_row(found, TASKS, split="dev", model="m")["spearman"] is None
    assert "Spearman –" in advice_text(found, TASKS, split="dev", where="made up")


def test_a_target_without_training_rows() -> None:
    """A made-up extra task, evaluated and in no mixture: no transfer terms, all mixtures are candidates."""
    found = record(lambda sources: 30.0 + sum(ALONE[s] for s in sources), target="my_own_task")
    assert dict(found.model.beside) == {}
    assert len(found.candidates) == len(TASKS) + 1
    assert found.single == ("fpb",)  # the best single by the fitted scores
    assert found.pick == tuple(task for task in TASKS if task != "headline")
    assert found.verdict == "advises"


def test_missing_runs_are_named() -> None:
    few = scores(additive)
    del few["finqa", "open_orca"], few[("headline",)], few[()]
    with pytest.raises(RecordError) as caught:
        fit_gain(few, TASKS, target="fpb")
    assert caught.value.what.endswith("no scores: base, single_headline, pair_finqa_open_orca")
    assert "study.include" in caught.value.fix


@pytest.mark.parametrize("kept", [2, len(TASKS)])
def test_too_few_mixtures_to_test_on_is_an_error(kept: int) -> None:
    """Without leave-one-out runs, and with all leave-one-out runs but not all sources together."""
    every = scores(additive)
    test = {s: value for s, value in every.items() if len(s) <= 2 or (kept > 2 and len(s) < kept)}
    with pytest.raises(RecordError, match="4 with all among them are needed"):
        held_out_record(every, test, TASKS, target="fpb", above_guess=test)


def test_a_p_that_is_adjusted_decides_and_one_that_is_not_says_so() -> None:
    alone = record(additive)
    lucky, ranked = replace(alone, p_adjusted=0.06), replace(alone, p_adjusted=0.04)
    assert lucky.verdict == "ranking not shown to be better than chance (adjusted p = 0.06)"
    assert ranked.verdict == alone.verdict == "advises"
    texts = [advice_text(found, TASKS, split="dev", where="made up") for found in (alone, lucky)]
    assert f"(one-sided p = {alone.p:.3f}, not adjusted for other targets)" in texts[0]
    assert f"(one-sided p = {alone.p:.3f}, adjusted 0.060)" in texts[1]


@pytest.mark.parametrize(
    ("above", "floor"),
    [
        ([(), ("finqa",), ("fpb", "finqa")], True),  # seen in fitting, or not of the target: no matter
        ([("fpb",)], False),
        ([TASKS], False),
    ],
)
def test_where_nothing_beats_a_guess_there_is_no_advice(above: list[Sources], floor: bool) -> None:
    every = scores(additive)
    found = held_out_record(every, every, TASKS, target="fpb", above_guess=above)
    assert found.verdict == ("floor: nothing here beats a blind guess" if floor else "advises")


def items(rng: np.random.Generator, *, splits: tuple[str, ...] = ("dev", "test")) -> pd.DataFrame:
    """Outcomes of 200 items a split of fpb and of a task of one's own, for every run of the grid."""
    rows = []
    for run, sources in {"base": (), **{run: s for run, (_, s) in mixtures(TASKS).items()}}.items():
        for task in ("fpb", "my_own_task"):
            for split in splits:
                right = rng.random(200) < additive(sources) / 100
                names = [f"{split}-{number // 2}-{number}" for number in range(200)]
                rows.append(pd.DataFrame({"run": run, "task": task, "split": split, "strict": right}))
                rows[-1] = rows[-1].assign(item=names, cluster=[name[: name.rfind("-")] for name in names])
    table = pd.concat(rows, ignore_index=True).assign(model="m", stage="explore")
    confirmed = table[table["run"] == "all"].assign(stage="confirm", strict=False)
    table = pd.concat([table, confirmed], ignore_index=True)
    return table.assign(strict=np.where(table["strict"], "ok", "invalid"))


def outcomes(table: pd.DataFrame, guess: float = 0.3) -> GridOutcomes:
    return GridOutcomes(table, TASKS, {"fpb": guess, "my_own_task": guess})


def test_runs_beat_a_guess_where_their_interval_does() -> None:
    """By hand: a test accuracy of exactly the guess, just above it, far above it; dev does not count."""
    table = items(np.random.default_rng(8))
    mine = (table["stage"] == "explore") & (table["task"] == "fpb") & (table["split"] == "test")
    table.loc[mine, "strict"] = "invalid"
    table.loc[(table["split"] == "dev"), "strict"] = "ok"
    for run, right in (("single_fpb", 100), ("all", 104), ("pair_fpb_finqa", 130)):
        rows = table.index[mine & (table["run"] == run)]
        table.loc[rows[:right], "strict"] = "ok"
    found = target_scores(outcomes(table, 0.5), target="fpb")
    assert found.above_guess == {("fpb", "finqa")}
    assert target_scores(outcomes(table, 0.4), target="fpb").above_guess == {
        ("fpb", "finqa"),
        ("fpb",),
        TASKS,
    }


def test_scores_are_fitted_on_dev_and_counted_on_test() -> None:
    table = items(np.random.default_rng(3))
    found = target_scores(outcomes(table), target="my_own_task")
    assert (found.split, found.model) == ("dev", "m")
    for split, mine in (("dev", found.fitted), ("test", found.test)):
        rows = table[(table["split"] == split) & (table["run"] == "pair_finqa_headline")]
        rows = rows[rows["task"] == "my_own_task"]
        assert mine["finqa", "headline"] == pytest.approx(100 * (rows["strict"] == "ok").mean())
    assert found.fitted[TASKS] > 60  # the confirmed rows, all wrong, are not among these
    assert found.fitted != found.test


def test_a_record_without_dev_rows_says_so() -> None:
    table = items(np.random.default_rng(4), splits=("test",)).drop(columns="split").astype("category")
    found = target_scores(outcomes(table), target="fpb")
    assert found.split == "test"
    assert found.fitted == found.test


@pytest.mark.parametrize(
    ("target", "model", "words"),
    [("fbp", "", "not evaluated here; did you mean 'fpb'"), ("fpb", "mm", "model 'mm'; did you mean 'm'")],
)
def test_unknown_names_are_refused(target: str, model: str, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        target_scores(outcomes(items(np.random.default_rng(5))), target=target, model=model)


def test_several_models_must_be_told_apart() -> None:
    table = items(np.random.default_rng(6))
    untuned = table[table["run"] == "base"].assign(model="large")
    assert target_scores(outcomes(pd.concat([table, untuned])), target="fpb").model == "m"
    with pytest.raises(RecordError, match="several models"):
        target_scores(outcomes(pd.concat([table, table.assign(model="other")])), target="fpb")


def test_the_command_reads_fresh_scores_and_recorded_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = items(np.random.default_rng(7))
    study = tmp_path / "reports/studies/mine"
    write_table(study / "items.parquet", table[table["split"] == "test"].drop(columns="split"))
    write_json(study / "manifest.json", {"params": {"study": {"tasks": list(TASKS)}}})
    arms = [{"task": task, "guess": guess} for task, guess in (("fpb", 0.99), ("my_own_task", 0.3))]
    write_json(study / "comparison.json", {"arms": arms})
    write_json(tmp_path / "data/prepared/tasks.json", {})
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)

    def advise(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["cocktail", "advise", *arguments])
        cli.main()
        return capsys.readouterr().out

    said = advise("--target", "my_own_task", "--study", "mine")
    assert said.startswith("Target my_own_task, study mine, model m. Fitted on base")
    assert said.index("Held-out record") < said.index("Advice for my_own_task")
    assert "not adjusted for other targets" in said and "floor" not in said
    assert "Next: no run of the grid is left." in advise(
        *("--target", "fpb", "--study", "mine"), *("--next", "2")
    )
    none = advise("--target", "fpb", "--study", "mine")
    assert "Advice for fpb: none (floor" in none
    assert "What was measured of fpb: 13 of 13 runs that can tell" in none
    assert "minus single_fpb: " in none and "minus all: " in none
    assert "What is missing: no run of the grid." in none and "answer.explored_test_rows" in none
    for arguments in (["--target", "fpb"], ["--target", "fpb", "--study", "mien"]):
        with pytest.raises(SystemExit) as caught:
            advise(*arguments)
        assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert "a table is missing" in errors and "did you mean 'mine'" in errors


GRID = list(grid_of(TASKS).values())


def picked(measured: dict[Sources, float], count: int = 6, noise: float = 1.0) -> list[Sources]:
    found = next_runs(measured, TASKS, GRID, target="fpb", noise=noise, count=count)
    assert all(settles >= 0 for _, settles in found)
    return [sources for sources, _ in found]


def test_nothing_measured_yet_still_names_runs_and_none_twice() -> None:
    found = picked({}, count=len(GRID))
    assert sorted(found) == sorted(GRID)
    assert picked({}) == found[:6]


def test_nothing_is_left_where_all_is_measured() -> None:
    assert picked({sources: additive(sources) for sources in GRID}) == []


def test_a_source_that_no_run_has_seen_beside_the_target_goes_first() -> None:
    """All but what twitter_sa does beside fpb is known: the runs that tell have both."""
    left = ("fpb", "twitter_sa")
    measured = {one: additive(one) for one in fitting_sets(TASKS) if one != left}
    first = picked(measured, count=1, noise=0.5)[0]
    assert {"fpb", "twitter_sa"} <= {*first}


def test_chosen_runs_come_to_the_best_mixture_sooner_than_late_ones() -> None:
    """Half of the grid, chosen so, finds a mixture as good as the best but for little."""
    measured: dict[Sources, float] = {}
    for _ in range(len(GRID) // 2):
        (one,) = picked(measured, count=1)
        measured[one] = additive(one)
    with_target = [one for one in GRID if "fpb" in one]
    best = max(additive(one) for one in with_target)
    assert max(additive(one) for one in measured if "fpb" in one) == pytest.approx(best, abs=3)


def test_what_is_missing_is_named_and_asked_for() -> None:
    table = items(np.random.default_rng(3))
    table = table[~table["run"].isin(["pair_fpb_finqa", "all"])]
    said = "\n".join(standing_lines(outcomes(table), target="fpb"))
    assert "What was measured of fpb: 11 of 13 runs" in said
    assert "What is missing: pair_fpb_finqa, all." in said
    assert "best mixture so far: " in said and "minus single_fpb: " in said
    names = [run for run, _ in following(outcomes(table), target="fpb", count=6)]
    assert names and set(names) <= {"pair_fpb_finqa", "all"}


def test_what_to_explore_next_follows_from_dev_and_never_from_test() -> None:
    table = items(np.random.default_rng(3))
    table = table[table["run"].isin(["base", "single_fpb", "all", "pair_fpb_finqa", "pair_fpb_headline"])]

    def runs(split: str) -> list[tuple[str, float]]:
        """With one mixture that is right on every item of a split."""
        spoilt = (table["run"] == "pair_fpb_finqa") & (table["split"] == split)
        changed = table.assign(strict=table["strict"].mask(spoilt, "ok"))
        return following(outcomes(changed), target="fpb", count=4)

    assert {*table["split"]} == {"dev", "test"}
    assert runs("test") == following(outcomes(table), target="fpb", count=4) != runs("dev")
