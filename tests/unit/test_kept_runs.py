"""Runs kept in git as receipts and codes: they score as texts do, hold no text, are not trained again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT, finish_study, study_params, tolerance, write_lock
from folders import digest_folder

from cocktail.analysis.judge.study import judge_study
from cocktail.analysis.selection import select_study
from cocktail.config import Params
from cocktail.config.compose import write_params
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Run, explore_runs
from cocktail.errors import RecordError
from cocktail.files.records import (
    DIGESTS,
    digest_file,
    read_json,
    read_table,
    write_json,
    write_table,
)
from cocktail.report.methods import read_studies
from cocktail.runs import runs as execution
from cocktail.runs.kept import KeptRuns, join_kept, read_kept, runs_folder
from cocktail.runs.rounds import Job
from cocktail.runs.runs import StageInputs, run_all
from cocktail.scoring.answers import read_evaluations
from cocktail.scoring.codes import check_codes, code_answers, has_text, is_coded
from cocktail.scoring.outcome import INVALID, Tolerance
from cocktail.scoring.score import score_study
from cocktail.studies.audit import audit
from cocktail.studies.keep import keep_runs, needs_keeping
from cocktail.studies.record import record, verify

pytestmark = pytest.mark.slow

OVERRIDES = ("study.evaluations=[fpb,finqa,knowledge,financebench]", "study.include=[single,all]")
OVERRIDES += ("study.tries=0", "study.confirm_seeds=[101]", "study.confirm_also=[]")
OVERRIDES += ("answer.explored_test_rows=40", "answer.general_test_rows=50")  # of 60
GENERATED = study_params("smoke", *OVERRIDES)
PARAMS = study_params("smoke", *OVERRIDES, "+fetch.sources.fpb.status=original")
MODEL = "phi3_smoke"
EXPLORE = explore_runs(PARAMS)
CONFIRM = confirm_runs(PARAMS, {"fpb": {"chosen": "all"}})
RUNS = [run.id for run in (*EXPLORE, *CONFIRM)]
ALL = next(run for run in EXPLORE if run.id == "all")
SENTENCE = "The mill at Oulu closes in May, as its owner confided."
ANSWERS = [SENTENCE, " \n", f"positive, since {SENTENCE}", "neutral", "C", "4", "12.5%", "yes"]
RUNTIME = {"host": "hidden-host", "process": 7, "peak_memory_bytes": 5}
TRAINED = {"rows", "tokens", "steps", "epochs", "loss", "trainable_parameters", "total_parameters", "made_on"}


def test_the_fixture_has_every_kind_of_run_and_of_task(finished: Path) -> None:
    assert {run.kind for run in (*EXPLORE, *CONFIRM)} == {"base", "single", "all", "steps", "size"}
    kinds = {one.kind for one in read_evaluations(finished / "data/prepared").values()}
    assert kinds == {"label", "number", "choice", "free"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with answers of all sorts, scored; below ``store`` they lie as the executor leaves them."""
    root = tmp_path_factory.mktemp("kept")
    finish_study(root, PARAMS)
    _add_what_runs_are_made_of(root)
    for number, path in enumerate(sorted((root / "artifacts/answers").glob("*/*/*.parquet"))):
        write_table(path, _varied(read_table(path), number))
    score(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKTAIL_STORE", str(root / "store"))
        patch.setattr(execution, "run_jobs", from_answers(root / "artifacts/answers", []))
        make(root, out=root / "made")
    shutil.rmtree(root / "artifacts/answers" / MODEL)
    (root / "made").rename(root / "artifacts/answers" / MODEL)
    return root


@pytest.fixture(scope="module")
def finished_and_kept(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study with its runs kept."""
    root = tmp_path_factory.mktemp("finished_and_kept") / "study"
    with copied(finished, root):
        assert keep(root) == len(RUNS)
    return root


@pytest.fixture(scope="module")
def in_two_files(finished: Path, finished_and_kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs but one were kept first, and that one later."""
    root = tmp_path_factory.mktemp("in_two_files") / "study"
    with copied(finished_and_kept, root):
        forget(root, "single_fpb")
        shutil.rmtree(root / "store")
        shutil.copytree(finished / "store", root / "store")
        keep(root)
    assert [len(read_kept(path)) for path in sorted(folder_of(root).iterdir())] == [len(RUNS) - 1, 1]
    return root


@contextmanager
def copied(root: Path, target: Path, *left_out: str) -> Iterator[Path]:
    """Copy a study, and use the copy's store."""
    shutil.copytree(root, target, ignore=lambda folder, _: left_out if Path(folder) == root else ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKTAIL_STORE", str(target / "store"))
        yield target


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy, to be changed."""
    with copied(finished, tmp_path / "study") as root:
        yield root


@pytest.fixture
def kept_study(finished_and_kept: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy with kept runs, to be changed."""
    with copied(finished_and_kept, tmp_path / "study") as root:
        yield root


@pytest.fixture
def made(finished: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that had to be trained; they give the answers of the finished study."""
    names: list[str] = []
    monkeypatch.setattr(execution, "run_jobs", from_answers(finished / "artifacts/answers", names))
    return names


@pytest.fixture
def elsewhere(kept_study: Path) -> Path:
    """The study as cloned elsewhere: kept runs, but neither store nor answers."""
    go_elsewhere(kept_study)
    return kept_study


def _add_what_runs_are_made_of(root: Path) -> None:
    write_json(root / f"artifacts/base/{MODEL}/config.json", {})
    for run in EXPLORE[1:]:
        path = root / f"artifacts/mixtures/{run.id}.json"
        rows = [f"{source}:train:{row}" for source in run.sources for row in range(30)]
        write_json(path, read_json(path) | {"rows": rows})
    prepared = root / "data/prepared"
    rows = read_table(prepared / "open_orca/train.parquet")
    filler = rows.assign(item=rows["item"].str.replace("open_orca", "filler"), task="filler")
    write_table(prepared / "filler/train.parquet", pd.concat([filler] * 9, ignore_index=True))
    tasks = read_json(prepared / "tasks.json")
    settings = {"labels": None, "kind": "free", "max_new_tokens": 4, "trains": True, "evaluates": False}
    write_json(prepared / "tasks.json", tasks | {"filler": settings})


def _varied(answers: pd.DataFrame, number: int) -> pd.DataFrame:
    """Two thirds of the answers replaced, but what the target is chosen on; some without an end, some labels
    decoded wrongly."""
    places = [number + place for place in range(len(answers))]
    texts = [
        text if place % 3 == 0 or item.startswith("fpb:dev") else ANSWERS[place // 3 % len(ANSWERS)]
        for place, item, text in zip(places, answers["item"], answers["answer"], strict=True)
    ]
    wrong = {"fpb": "neutral", "knowledge": "D"}
    choices = [
        wrong[task] if choice and place % 5 == 0 else choice
        for place, task, choice in zip(places, answers["task"], answers["label_choice"], strict=True)
    ]
    stopped = [place % 4 > 0 for place in places]
    return answers.assign(answer=texts, label_choice=choices, stopped=stopped)


def from_answers(answers: Path, names: list[str]) -> Callable[..., dict[str, str]]:
    """In place of training: a run's training and answers are those below ``answers``."""

    def run_jobs(jobs: Sequence[Job[Any]], work: Any, **_: Any) -> dict[str, str]:
        for job in jobs:
            names.append(job.name)
            run, store = job.payload, job.payload.store
            path = answers / MODEL / ("confirm" if job.name.endswith("-s101") else "explore") / job.name
            receipt, table = read_json(Path(f"{path}.json")), read_table(Path(f"{path}.parquet"))
            if run.recipe:
                with store.publish("runs", run.training_key) as folder:
                    facts = {name: fact for name, fact in receipt.items() if name in TRAINED}
                    write_json(folder / "training.json", facts)
                    write_json(folder / "runtime.json", {**RUNTIME, "seconds": {"training": 3.0}})
            for asked, key in run.answers:
                mine = table[table["task"] == asked.task]
                empty, unended = mine["answer"].str.strip() == "", ~mine["stopped"]
                ends = {"answered": len(mine), "empty_answers": int(empty.sum())}
                with store.publish("answers", key) as folder:
                    write_table(folder / "answers.parquet", mine.reset_index(drop=True))
                    facts = {**ends, "not_stopped": int(unended.sum()), "made_on": "cpu"}
                    write_json(folder / "receipt.json", facts)
                    write_json(folder / "runtime.json", {**RUNTIME, "seconds": {"answering": 1.0}})
        return {}

    return run_jobs


def facts_of(root: Path, name: str) -> dict[str, Any]:
    """What the kept runs of a study say of one."""
    files = sorted(folder_of(root).glob("*.parquet"))
    return next(facts for path in files for facts in read_kept(path) if facts["run"] == name)


def forget(root: Path, *names: str) -> None:
    """Take the answers of some kept runs out of the store, and out of what is kept."""
    for name in names:
        for one in facts_of(root, name)["answers"].values():
            shutil.rmtree(root / "store/answers" / one["key"][:2] / one["key"])
    shutil.rmtree(folder_of(root))
    keep(root)


def go_elsewhere(root: Path) -> None:
    """Leave what is in git, and what the stages before explore wrote."""
    shutil.rmtree(root / "store")
    shutil.rmtree(root / "artifacts/answers")


def stages(root: Path) -> Iterator[tuple[str, list[Run], StageInputs]]:
    base, prepared, kept = root / "artifacts/base" / MODEL, root / "data/prepared", folder_of(root)
    mixtures = root / "artifacts/mixtures"
    yield "explore", EXPLORE, StageInputs(PARAMS, MODEL, prepared, base, mixtures, kept)
    yield "confirm", CONFIRM, StageInputs(PARAMS, MODEL, prepared, base, None, kept)


def make(root: Path, *, out: Path | None = None) -> None:
    for stage, runs, inputs in stages(root):
        run_all(runs, inputs, out=(out or root / "artifacts/answers" / MODEL) / stage, label=stage, lock="")


def folder_of(root: Path) -> Path:
    return runs_folder(root / "reports/studies", PARAMS)


def keep(root: Path, params: Params = PARAMS) -> int:
    return keep_runs(root, params, kept=folder_of(root))


def score(root: Path, *, given: Tolerance | None = None) -> dict[str, bytes]:
    """What the stages choose and score write."""
    prepared, answers = root / "data/prepared", root / "artifacts/answers"
    selected, scores = root / f"artifacts/selected/{MODEL}.json", root / "artifacts/scores"
    score_study(prepared, answers, scores, models=[MODEL], tolerance=given or tolerance(PARAMS))
    select_study(prepared, answers / MODEL / "explore", selected, params=PARAMS, model=MODEL)
    files = [selected, *(scores / f"{name}.parquet" for name in ("items", "summary"))]
    return {file.name: file.read_bytes() for file in files}


def everything(folder: Path) -> str:
    """All that stands in the files below a folder; tables unpacked, for packed bytes hide every text."""
    tables = sorted(folder.rglob("*.parquet"))
    others = [file for file in folder.rglob("*") if file.is_file() and file not in tables]
    texts = [file.read_text(encoding="utf-8") for file in others]
    return "\n".join([*texts, *(read_table(file).to_csv() for file in tables)])


def test_codes_score_as_their_texts_do(study: Path, made: list[str]) -> None:
    from_texts = score(study)
    texts = read_table(study / f"artifacts/answers/{MODEL}/explore/all.parquet")
    summary = read_table(study / "artifacts/scores/summary.parquet")
    counts = ("empty", "not_stopped", "invalid_strict", "decoded", "decoded_invalid", "decoded_agree")
    assert (summary[list(counts)].sum() > 0).all()
    assert keep(study) == len(RUNS)
    shutil.rmtree(study / "store")
    for name in ("answers", "scores"):
        shutil.rmtree(study / "artifacts" / name)
    make(study)
    assert made == []
    codes = read_table(study / f"artifacts/answers/{MODEL}/explore/all.parquet")
    assert is_coded(codes) and not is_coded(texts)
    assert score(study) == from_texts


def test_no_text_of_an_answer_is_kept(kept_study: Path) -> None:
    words = ("Oulu", "confided", "since", "hidden-host")
    assert all(word in everything(kept_study / "store") for word in words)
    shown = everything(folder_of(kept_study))
    assert "positive" in shown
    assert [word for word in words if word in shown] == []
    (path,) = folder_of(kept_study).iterdir()
    assert {facts["run"] for facts in read_kept(path)} == set(RUNS)
    assert set(read_table(path)["read"]) <= {
        "positive",
        "neutral",
        "negative",
        "A",
        "B",
        "C",
        "D",
        INVALID,
        "",
    }


@pytest.fixture(scope="module")
def codes(finished: Path) -> pd.DataFrame:
    """The answers of one run as codes; not to be changed."""
    answers = read_table(finished / f"artifacts/answers/{MODEL}/explore/all.parquet")
    evaluations = read_evaluations(finished / "data/prepared")
    return code_answers(answers, evaluations, run="all", asked=ALL.asked, tolerance=tolerance(PARAMS))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("read of fpb", "read", SENTENCE),
        ("read of finqa", "read", "12.5"),
        ("read of financebench", "read", "yes"),
        ("label_choice of knowledge", "label_choice", "because"),
        ("label_choice of finqa", "label_choice", "positive"),
        ("strict of fpb", "strict", SENTENCE),
        ("lenient of financebench", "lenient", "hm"),
        ("stopped", "stopped", "yes"),
        ("empty", "empty", SENTENCE),
        ("item", "item", SENTENCE),
        ("item", "item", "fpb:test:1234"),
        ("columns", "answer", SENTENCE),
    ],
)
def test_what_is_no_code_is_not_written(
    finished: Path, codes: pd.DataFrame, name: str, column: str, value: str
) -> None:
    evaluations = read_evaluations(finished / "data/prepared")
    check_codes(codes, evaluations)
    task = name.split(" of ")[-1] if " of " in name else "fpb"
    (row, *_) = codes.index[codes["item"].str.startswith(f"{task}:test")]
    spoilt = codes.astype(object).assign(**({} if column in codes else {column: ""}))
    spoilt.loc[row, column] = value
    flags = {flag: bool for flag in ("stopped", "empty") if flag != column}
    with pytest.raises(RecordError) as caught:
        check_codes(spoilt.astype(flags), evaluations)
    assert name in caught.value.what
    assert value not in caught.value.what.replace(name, "")


def test_a_table_with_text_stops_the_keeping(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a task's labels, by a fault, hold what models wrote."""

    def leaking(*given: Any, **named: Any) -> pd.DataFrame:
        codes = code_answers(*given, **named)
        return codes.assign(read=codes["read"].replace(INVALID, SENTENCE))

    monkeypatch.setattr("cocktail.studies.keep.code_answers", leaking)
    with pytest.raises(RecordError, match="read of fpb"):
        keep(study)
    assert not list(folder_of(study).rglob("*.parquet"))


def test_kept_runs_are_not_trained_and_others_are(kept_study: Path, made: list[str]) -> None:
    (size,) = (run.id for run in CONFIRM if run.kind == "size")
    forget(kept_study, "single_fpb", "base", size)
    go_elsewhere(kept_study)
    make(kept_study)
    assert made == ["base", "single_fpb", size]
    answers = kept_study / "artifacts/answers" / MODEL
    assert not is_coded(read_table(answers / "explore/single_fpb.parquet"))
    assert is_coded(read_table(answers / "explore/single_finqa.parquet"))
    made.clear()
    make(kept_study)
    assert made == []


def test_outputs_from_kept_runs_have_the_receipts_of_the_originals(
    finished: Path, elsewhere: Path, made: list[str]
) -> None:
    make(elsewhere)
    for stage in ("explore", "confirm"):
        receipts = set((finished / "artifacts/answers" / MODEL / stage).glob("*.json"))
        for path in receipts - {finished / "artifacts/answers" / MODEL / stage / DIGESTS}:  # of other tables
            again = elsewhere / "artifacts/answers" / MODEL / stage / path.name
            assert again.read_bytes() == path.read_bytes()


def test_a_run_takes_its_steps_from_the_kept_receipt(
    kept_study: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (steps,) = (run for run in CONFIRM if run.kind == "steps")
    forget(kept_study, steps.id)
    go_elsewhere(kept_study)
    asked = []
    stand_in = execution.run_jobs

    def noted(jobs: Sequence[Job[Any]], work: Any, **settings: Any) -> dict[str, str]:
        asked.extend((job.name, job.payload.recipe.max_steps) for job in jobs)
        return stand_in(jobs, work, **settings)

    monkeypatch.setattr(execution, "run_jobs", noted)
    make(kept_study)
    training = facts_of(kept_study, steps.matches)["training"]
    assert asked == [(steps.id, training["steps"])]
    assert training["steps"] > 0


def test_answers_in_the_store_go_before_codes(kept_study: Path, made: list[str]) -> None:
    make(kept_study)
    assert made == []
    assert not is_coded(read_table(kept_study / f"artifacts/answers/{MODEL}/explore/all.parquet"))


def test_another_plan_finds_no_kept_answers(elsewhere: Path, made: list[str]) -> None:
    """A run has the same name with other params, and is another run."""
    longer = PARAMS.model_copy(update={"answer": PARAMS.answer.model_copy(update={"max_prompt": 99})})
    ((_, runs, inputs), _) = stages(elsewhere)
    other = StageInputs(longer, MODEL, inputs.prepared, inputs.base, inputs.mixtures, inputs.kept)
    run_all(runs, other, out=elsewhere / "out", label="explore", lock="")
    assert made == [run.id for run in runs]


def test_codes_of_another_tolerance_or_other_gold_are_refused(elsewhere: Path, made: list[str]) -> None:
    make(elsewhere)
    with pytest.raises(RecordError) as caught:
        score(elsewhere, given=Tolerance(0.02, 1e-6))
    assert "tolerance 0.01 1e-06" in caught.value.what and "tolerance 0.02 1e-06" in caught.value.what
    assert "trained again" in caught.value.fix
    score(elsewhere)
    path = elsewhere / "data/prepared/fpb/test.parquet"
    gold = read_table(path)
    write_table(path, gold.assign(gold=["neutral", *gold["gold"][1:]]))
    with pytest.raises(RecordError, match=r"made with rules 1, tolerance .*, gold"):
        score(elsewhere)


def test_codes_of_other_rules_are_refused(
    elsewhere: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(elsewhere)
    monkeypatch.setattr("cocktail.scoring.codes.RULES", 2)
    with pytest.raises(RecordError, match="made with rules 1"):
        score(elsewhere)


def test_texts_are_coded_anew_with_other_params(kept_study: Path, made: list[str]) -> None:
    """Who has the store changes the tolerance and keeps the runs again."""
    wider = PARAMS.score.model_copy(update={"relative_tolerance": 0.5})
    assert keep(kept_study, PARAMS.model_copy(update={"score": wider})) == len(RUNS)
    with_texts = score(kept_study, given=Tolerance(0.5, PARAMS.score.absolute_tolerance))
    shutil.rmtree(kept_study / "store")
    make(kept_study)
    prepared, answers = kept_study / "data/prepared", kept_study / "artifacts/answers"
    score_study(prepared, answers, kept_study / "again", models=[MODEL], tolerance=Tolerance(0.5, 1e-6))
    assert (kept_study / "again/summary.parquet").read_bytes() == with_texts["summary.parquet"]


def spoil(path: Path, how: str) -> Path:
    """Damage a file of kept runs; return it."""
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    if how == "flipped":
        path.write_bytes(content)
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:999])
    else:
        path.write_text("[]")
        path = path.rename(path.with_name(f"002-{digest_file(path)[:16]}.parquet"))
    return path


@pytest.mark.parametrize("how", ["flipped", "torn", "foreign"])
def test_a_changed_file_is_named_and_its_runs_made_again_and_nothing_else_is(
    finished: Path,
    in_two_files: Path,
    tmp_path: Path,
    made: list[str],
    how: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The number of steps decides how long a control trains: nobody believes a changed one."""
    with copied(in_two_files, tmp_path / "study", "store") as study:
        shutil.rmtree(study / "artifacts/answers")
        path = spoil(max(folder_of(study).iterdir()), how)
        make(study)
    assert made == ["single_fpb"]
    said = capsys.readouterr().err
    assert str(path) in said and "git checkout -- " in said and "made again" in said
    receipts = [root / f"artifacts/answers/{MODEL}/explore/single_fpb.json" for root in (study, finished)]
    assert receipts[0].read_bytes() == receipts[1].read_bytes()


def test_runs_kept_from_another_device_count_where_the_study_takes_any(
    elsewhere: Path, made: list[str]
) -> None:
    execute = PARAMS.execute.model_copy(update={"accept": "same_type"})
    ((_, runs, inputs), _) = stages(elsewhere)
    strict = replace(inputs, params=PARAMS.model_copy(update={"execute": execute}))
    run_all(runs, inputs, out=elsewhere / "out", label="explore", lock="")
    assert made == []
    for planner in (inputs.planner(runs), strict.planner(runs)):
        jobs = [planner.job(run, max_steps=0) for run in runs]
        assert [inputs.find(job) is None for job in jobs] == [planner.params is strict.params] * len(runs)


def test_a_new_evaluation_set_is_answered_and_scored_beside_kept_codes(
    study: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes and texts in one table give the scores of texts alone; kept again, all is codes."""
    from_texts = score(study)
    fewer = [task for task in PARAMS.study.evaluations if task != "knowledge"]
    keep(study, PARAMS.model_copy(update={"study": PARAMS.study.model_copy(update={"evaluations": fewer})}))
    shutil.rmtree(study / "store")
    shutil.rmtree(study / "artifacts/answers")
    asked = []
    stand_in = execution.run_jobs

    def noted(jobs: Sequence[Job[Any]], work: Any, **settings: Any) -> dict[str, str]:
        asked.extend(one.task for job in jobs for one, _ in job.payload.answers)
        return stand_in(jobs, work, **settings)

    monkeypatch.setattr(execution, "run_jobs", noted)
    make(study)
    assert sorted(made) == sorted([*(run.id for run in EXPLORE), "all-s101"])
    assert set(asked) == {"knowledge"}
    mixed = read_table(study / f"artifacts/answers/{MODEL}/explore/all.parquet")
    assert is_coded(mixed) and has_text(mixed)
    assert score(study) == from_texts
    keep(study)
    shutil.rmtree(study / "store")
    make(study)
    assert len(asked) == len(made) == len(EXPLORE) + 1
    assert not has_text(read_table(study / f"artifacts/answers/{MODEL}/explore/all.parquet"))
    assert score(study) == from_texts


def test_keeping_again_changes_nothing(kept_study: Path, made: list[str]) -> None:
    """Neither with the texts at hand, nor where only codes are."""
    before = digest_folder(folder_of(kept_study))
    assert keep(kept_study) == len(RUNS)
    assert digest_folder(folder_of(kept_study)) == before
    shutil.rmtree(kept_study / "store")
    assert keep(kept_study) == len(RUNS)
    assert digest_folder(folder_of(kept_study)) == before


def test_a_study_that_is_not_finished_keeps_what_is_done(kept_study: Path, made: list[str]) -> None:
    """Before confirm is planned; without one explored run; beside runs that were kept before."""
    forget(kept_study, "all")
    (before,) = folder_of(kept_study).iterdir()
    assert {facts["run"] for facts in read_kept(before)} == {*RUNS} - {"all"}
    (kept_study / f"artifacts/selected/{MODEL}.json").unlink()
    assert keep(kept_study) == len(EXPLORE) - 1
    assert [*folder_of(kept_study).iterdir()] == [before]


def test_a_matched_run_waits_for_the_one_it_matches(kept_study: Path) -> None:
    like = next(run.matches for run in CONFIRM if run.kind == "steps")
    forget(kept_study, like)
    shutil.rmtree(folder_of(kept_study))
    assert keep(kept_study) == len(RUNS) - 2


def test_of_two_files_the_later_one_counts_and_may_come_from_another_clone(kept_study: Path) -> None:
    """Two clones may keep a file of the same number: names hold digests, so git has no conflict."""
    (first,) = folder_of(kept_study).iterdir()
    wider = PARAMS.score.model_copy(update={"relative_tolerance": 0.5})
    keep(kept_study, PARAMS.model_copy(update={"score": wider}))
    first, second = sorted(folder_of(kept_study).iterdir())
    assert (first.name[:4], second.name[:4]) == ("001-", "002-")
    key = facts_of(kept_study, "all")["answers"]["finqa"]["key"]
    (asked,) = (one for one in ALL.asked if one.task == "finqa")
    found = KeptRuns(folder_of(kept_study)).answers(asked, key)
    assert found is not None and "tolerance 0.5" in found.read()["basis"].iloc[0]


def test_the_files_of_a_finished_study_become_one_with_the_same_answers(kept_study: Path) -> None:
    wider = PARAMS.score.model_copy(update={"relative_tolerance": 0.5})
    keep(kept_study, PARAMS.model_copy(update={"score": wider}))
    folder = folder_of(kept_study)

    def answered() -> dict[str, str]:
        kept = KeptRuns(folder)
        keys = [one["key"] for run in RUNS for one in facts_of(kept_study, run)["answers"].values()]
        found = {key: kept.answers(ALL.asked[0], key) for key in keys}
        return {key: one.read().to_json() for key, one in found.items() if one is not None}

    _, second = sorted(folder.iterdir())
    before, whole = answered(), second.read_bytes()
    second.write_bytes(whole + b"0")
    with pytest.raises(RecordError, match="changed"):
        join_kept(folder)
    second.write_bytes(whole)
    join_kept(folder)
    assert [path.name[:4] for path in folder.iterdir()] == ["003-"]
    assert answered() == before and len(before) == sum(len(run.asked) for run in (*EXPLORE, *CONFIRM))
    join_kept(folder)
    assert len([*folder.iterdir()]) == 1


def test_a_study_on_real_data_is_recorded_with_its_runs(study: Path, made: list[str]) -> None:
    assert (needs_keeping(PARAMS), needs_keeping(GENERATED)) == (True, False)
    target = record(study / "reports", PARAMS)
    assert target == folder_of(study).parent
    runtime = read_json(target / "manifest.json")["runtime"]
    assert (runtime["runs_with_times"], runtime["training_seconds"]) == (len(RUNS), 3 * (len(RUNS) - 1))
    assert runtime["answering_seconds"] == sum(len(run.asked) for run in (*EXPLORE, *CONFIRM))
    (path,) = (target / "runs").iterdir()
    assert {facts["run"] for facts in read_kept(path)} == set(RUNS)
    kept = digest_folder(target / "runs")
    shutil.rmtree(study / "store")
    shutil.rmtree(study / "artifacts/answers")
    make(study)
    record(study / "reports", PARAMS)  # elsewhere, from codes: nothing is lost
    assert made == []
    assert digest_folder(target / "runs") == kept
    assert read_json(target / "manifest.json")["runtime"] == runtime


def test_a_study_on_generated_data_is_recorded_without_runs(study: Path) -> None:
    assert not (record(study / "reports", GENERATED) / "runs").exists()


def test_kept_runs_alone_are_no_record(kept_study: Path) -> None:
    assert read_studies(kept_study / "reports/studies") == {}
    assert "was never recorded" in verify(kept_study / "reports", PARAMS)
    record(kept_study / "reports", PARAMS)
    assert list(read_studies(kept_study / "reports/studies")) == ["smoke"]
    assert "exactly" in verify(kept_study / "reports", PARAMS)


def test_a_judge_needs_the_texts(elsewhere: Path, made: list[str]) -> None:
    make(elsewhere)
    score(elsewhere)
    folders = [elsewhere / name for name in ("data/prepared", "artifacts/answers", "artifacts/scores", "out")]
    assert judge_study(*folders, params=PARAMS)["rows"] == 0
    asking = PARAMS.judge.model_copy(update={"backend": "endpoint", "model": "judge-1"})
    with pytest.raises(RecordError, match="kept as codes, and this needs the text"):
        judge_study(*folders, params=PARAMS.model_copy(update={"judge": asking}))


def test_the_command_keeps_runs_and_the_stage_finds_them(study: Path) -> None:
    """The scripts themselves; the second could train nothing."""
    write_params(study / "params.yaml", PARAMS.model_dump())
    for name in ("conf", "stages"):
        shutil.copytree(ROOT / name, study / name)
    said = run_in(study, "-c", "from cocktail.cli import main; main()", "keep-runs")
    assert said.partition("\n")[0] == f"{len(RUNS)} finished runs are in reports/studies/smoke/runs"
    shutil.rmtree(study / "store")
    shutil.rmtree(study / "artifacts/answers")
    command = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["explore"]["cmd"]
    digest = write_lock(study / "reports/locks", PARAMS)
    words = command.replace("${item}", f"--model {MODEL}").split()
    assert words[:2] == ["python", "stages/explore.py"]
    run_in(study, *words[1:])
    written = study / f"artifacts/answers/{MODEL}/explore"
    assert read_json(written / "index.json") == {"runs": [run.id for run in EXPLORE], "lock": digest}
    assert all(is_coded(read_table(path)) for path in written.glob("*.parquet"))


def run_in(folder: Path, *arguments: str) -> str:
    """Run Python in a folder and return what it printed."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_no_stage_that_trains_or_scores_hangs_on_the_records() -> None:
    """Otherwise a record would make stale what it records."""
    listed = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    hanging = [
        name
        for name, stage in listed.items()
        if any(one.startswith("reports/studies") for one in stage["deps"])
    ]
    assert hanging == ["report"]


def test_trainings_and_answers_are_found_by_key_alone(kept_study: Path) -> None:
    kept, nowhere = KeptRuns(folder_of(kept_study)), KeptRuns(kept_study / "nowhere")
    facts = facts_of(kept_study, "all")
    for asked in ALL.asked:
        key = facts["answers"][asked.task]["key"]
        found = kept.answers(asked, key)
        assert found is not None and found.receipt == facts["answers"][asked.task]["receipt"]
        assert {item.partition(":")[0] for item in found.read()["item"]} == {asked.task}
        assert len(found.read()) == found.receipt["answered"]
        assert kept.answers(asked, "0" * 64) is None
        assert nowhere.answers(asked, key) is None
    found_training = kept.training(facts["training_key"])
    assert found_training is not None and found_training[0] == facts["training"]
    assert kept.training("0" * 64) is None and nowhere.training(facts["training_key"]) is None


def test_what_one_study_kept_serves_another_that_has_its_files(kept_study: Path) -> None:
    """Files are found by what is in them: copied beside another study's, their runs are done there, too."""
    other = shutil.copytree(folder_of(kept_study), kept_study / "reports/studies/other/runs")
    key = facts_of(kept_study, "all")["training_key"]
    assert KeptRuns(other).training(key) == KeptRuns(folder_of(kept_study)).training(key) is not None
    before = sorted(other.iterdir())
    keep_runs(kept_study, PARAMS, kept=other)
    assert sorted(other.iterdir()) == before, "kept twice"


def test_an_evaluation_without_labels_keeps_nothing_that_was_read(codes: pd.DataFrame) -> None:
    for task in ("finqa", "financebench"):
        assert set(codes[codes["item"].str.startswith(task)]["read"]) == {""}


def audited(root: Path, *, runs: int, seed: int = 0) -> list[str]:
    return list(audit(root, PARAMS, kept=folder_of(root), runs=runs, seed=seed))


TRAINED_RUNS = [name for name in RUNS if name != "base"]


def test_an_audit_makes_kept_runs_again_and_finds_them_equal(elsewhere: Path, made: list[str]) -> None:
    drawn, *lines = audited(elsewhere, runs=3)
    assert drawn == f"drawn with seed 0: 3 of {len(TRAINED_RUNS)} runs"
    assert lines.pop() == "all 3 came out as they were, or as near as is allowed"
    assert sorted(line.partition(":")[0] for line in lines) == sorted(made)
    assert all("moved by at most 0.0 points, losses equal (must be the same)" in line for line in lines)
    for line in lines:
        equal, _, answers = line.partition(": ")[2].partition(" answers")[0].partition(" of ")
        assert equal == answers != "0"
    first = made.copy()
    audited(elsewhere, runs=3, seed=1)
    assert sorted(made[3:]) != sorted(first)
    assert list((elsewhere / "store").iterdir()) == []


@pytest.mark.parametrize("runs", [0, len(RUNS)])
def test_an_audit_of_more_runs_than_are_done_is_refused(elsewhere: Path, runs: int) -> None:
    with pytest.raises(RecordError, match=f"{len(TRAINED_RUNS)} trained runs .* {runs} were asked for"):
        audited(elsewhere, runs=runs)


def change_answers(answers: Path, name: str, *, items: int, device: str, loss: bool) -> None:
    """Let a run come out otherwise: its first answers on FPB unreadable, its device, its losses."""
    path = answers / MODEL / "explore" / f"{name}.parquet"
    table = read_table(path)
    rows = table.index[table["task"] == "fpb"][:items]
    table.loc[rows, "answer"] = "no label"
    write_table(path, table)
    receipt = read_json(path.with_suffix(".json"))
    receipt["made_on"] = receipt["made_on"] | {"device": device}
    receipt["loss"] = [*receipt["loss"], [99, 0.5]] if loss else receipt["loss"]
    write_json(path.with_suffix(".json"), receipt)


@pytest.mark.parametrize(
    ("items", "device", "loss", "holds"),
    [
        (1, "cpu", False, False),
        (0, "cpu", True, False),
        (1, "another", False, True),
        (0, "another", True, True),
        (999, "another", False, False),
    ],
)
def test_an_audit_names_the_run_that_came_out_otherwise(
    elsewhere: Path,
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    items: int,
    device: str,
    loss: bool,
    holds: bool,
) -> None:
    """On one type of device every answer and loss must be equal, on another accuracy near enough."""
    other = tmp_path / "other"
    shutil.copytree(finished / "artifacts/answers", other)
    for path in other.rglob(DIGESTS):
        path.unlink()
    change_answers(other, "all", items=items, device=device, loss=loss)
    monkeypatch.setattr(execution, "run_jobs", from_answers(other, []))
    if holds:
        assert len(audited(elsewhere, runs=len(TRAINED_RUNS))) == 2 + len(TRAINED_RUNS)
        return
    with pytest.raises(RecordError) as caught:
        audited(elsewhere, runs=len(TRAINED_RUNS))
    assert caught.value.what == f"1 of {len(TRAINED_RUNS)} runs did not come out as they were: all"
