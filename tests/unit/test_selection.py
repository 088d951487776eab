"""Choosing on dev: test plays no part, ties go to the grid's first, the test pick is kept for the curse."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers_fixture import study_params, write_answers, write_prepared

from cocktail.analysis.selection import choose, select_study
from cocktail.data.grid import candidates, explore_runs
from cocktail.errors import ConfigError, RecordError
from cocktail.files.records import read_json

KINDS = {"pair_a_b": "pair", "without_c": "without", "all": "all"}


def test_the_best_on_dev_is_chosen_whatever_test_says() -> None:
    dev = {"pair_a_b": 0.5, "without_c": 0.7, "all": 0.6}
    selection = choose(
        list(KINDS), KINDS, dev=dev, test={"pair_a_b": 0.9, "without_c": 0.1, "all": 0.2}, possible=17
    )
    assert (selection.chosen, selection.kind, selection.dev_accuracy) == ("without_c", "without", 0.7)
    assert selection.chosen_on_test == "pair_a_b"


def test_ties_go_to_the_first_in_grid_order() -> None:
    equal = dict.fromkeys(reversed(KINDS), 0.5)
    assert choose(list(KINDS), KINDS, dev=equal, test=equal, possible=17).chosen == "pair_a_b"


def test_every_mixed_finance_task_gets_a_choice_among_its_own_mixtures(finished_study: Path) -> None:
    params = study_params()
    selected = read_json(finished_study / "artifacts/selected/phi3_smoke.json")["choices"]
    assert set(selected) == {"fpb", "finqa", "convfinqa"}
    for task, selection in selected.items():
        assert set(selection["candidates"]) == set(candidates(params, task))
        assert selection["dev_accuracy"] == max(selection["candidates"].values())


@pytest.mark.slow
def test_a_target_without_mixtures_is_an_error(tmp_path: Path) -> None:
    params = study_params("smoke", "study.include=[single]", "study.tries=0")
    write_prepared(tmp_path / "prepared", params)
    write_answers(tmp_path / "explore", tmp_path / "prepared", explore_runs(params))
    with pytest.raises(ConfigError, match="no mixture that contains target 'fpb'"):
        select_study(
            tmp_path / "prepared",
            tmp_path / "explore",
            tmp_path / "out.json",
            params=params,
            model="phi3_smoke",
        )
    assert not (tmp_path / "out.json").exists()


def test_answers_of_another_grid_are_refused(tmp_path: Path) -> None:
    params = study_params()
    write_prepared(tmp_path / "prepared", params)
    write_answers(tmp_path / "explore", tmp_path / "prepared", explore_runs(params)[:3])
    with pytest.raises(RecordError, match="no answers of"):
        select_study(
            tmp_path / "prepared",
            tmp_path / "explore",
            tmp_path / "out.json",
            params=params,
            model="phi3_smoke",
        )
