"""``cocktail watch`` reads how far a study is, and says what a stage waits for."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from answers_fixture import ROOT

from cocktail import cli
from cocktail.config import Params, check_params
from cocktail.config.compose import compose
from cocktail.errors import RunError
from cocktail.files.records import write_json
from cocktail.studies import watch


@pytest.fixture(scope="module")
def params() -> Params:
    raw = compose(ROOT / "conf", "smoke")
    raw["execute"]["workers"] = 2
    return check_params(raw, where="smoke")


def finished(loss: float, seconds: float) -> Any:
    answered = SimpleNamespace(runtime={"seconds": {"answering": 6.0}})
    training = {"loss": [[1, 9.0], [2, loss]]}
    return SimpleNamespace(training=training, runtime={"seconds": {"training": seconds}}, answers=(answered,))


def made(root: Path) -> None:
    for name in ("data/prepared", "artifacts/mixtures", "artifacts/base/phi3_smoke"):
        (root / name).mkdir(parents=True)


def test_before_prepare_is_done_it_says_what_is_waited_for(tmp_path: Path, params: Params) -> None:
    lines = [progress.line() for progress in watch.look(tmp_path, params)]
    assert lines == [
        "explore phi3_smoke: waits for the stage that makes prepared",
        "confirm phi3_smoke: waits for choose, after explore",
    ]


def test_runs_loss_and_minutes_left(tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    done = [finished(1.5, 54.0), finished(0.25, 114.0)]
    monkeypatch.setattr(watch, "finished_runs", lambda runs, inputs: iter(done))
    explore, _ = watch.look(tmp_path, params)
    left = explore.planned - 2
    assert explore.line() == (
        f"explore phi3_smoke: 2 of {explore.planned} runs, loss 0.250, about "
        f"{math.ceil(left / 2) * 90 / 60:.0f} minutes of it left, or fewer"
    )


def test_a_stage_that_is_writing_is_no_error(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RunError("a file is not there yet")

    made(tmp_path)
    monkeypatch.setattr(watch, "finished_runs", broken)
    assert "waits for a stage before it (a file is not there yet)" in watch.look(tmp_path, params)[0].line()


def test_trainings_in_flight_show_step_and_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path))
    state = {"global_step": 20, "max_steps": 80, "log_history": [{"loss": 2.0}, {"loss": 0.5}]}
    folder = tmp_path / "checkpoints/ab/abcd/checkpoint-20"
    write_json(folder / "trainer_state.json", state)
    assert watch.in_flight() == ["  in training: step 20 of 80, loss 0.500"]
    (folder / "trainer_state.json").write_text("{", encoding="utf-8")
    assert watch.in_flight() == []


def test_the_command_looks_once(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cocktail", "watch", "--once"])
    cli.main()
    said = capsys.readouterr().out
    assert said.startswith("study ") and "waits for the stage that makes prepared" in said
