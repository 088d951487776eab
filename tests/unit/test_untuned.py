"""Models that answer as they are, in every stage: a larger reference, and one behind an endpoint."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT, report_answers, study_params, write_lock, write_study
from endpoint_server import KEY, FakeEndpoint, Said, completion, serve
from folders import digest_folder
from html_tree import read_html

from cocktail.analysis.scores import read_scores
from cocktail.claims.rows import read_verdicts
from cocktail.config import Params, check_params
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import explore_runs
from cocktail.errors import ConfigError, EndpointError
from cocktail.files.records import read_digested, read_json, read_table
from cocktail.report.page.content import gather
from cocktail.report.page.render import render_page
from cocktail.report.table import read_tables
from cocktail.runs.endpoint_answers import answer_all
from cocktail.runs.lock import present_lock
from cocktail.studies.manifest import make_manifest
from cocktail.training.keys import base_identity

pytestmark = pytest.mark.slow  # its fixture finishes a study

TUNED, REFERENCE, EXTERNAL = "phi3_smoke", "phi3_tiny_large", "gpt_4o"
OVERRIDES = (f"model=[{TUNED},{REFERENCE},{EXTERNAL}]", "study.targets=[fpb]", "study.tries=0")
OVERRIDES += (
    "study.include=[single,pair,all]",
    "study.confirm_seeds=[101,102]",
    "endpoint.backoff_seconds=0.0",
)
PARAMS = study_params("smoke", *OVERRIDES)
SERVED = "gpt-4o-2024-08-06"


def knowing(body: dict[str, Any], count: int) -> Said:
    """Right on every third text, wordy on every other, refusing on one."""
    text: str = body["messages"][0]["content"]
    number = int(text.split()[-1])
    if number == 5:
        return completion(None, refusal="No.")
    golds = ("4", "12.5%", "-3")
    return completion(golds[number % 3] if number % 3 == 0 else f"I would say {golds[number % 3]} here")


def run_stage(stage: str, root: Path, *arguments: str) -> str:
    """Run a stage's script as DVC does, for the external model; return what it wrote to stderr."""
    command = [sys.executable, str(ROOT / f"stages/{stage}.py"), "--model", EXTERNAL, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, FakeEndpoint]]:
    """A made-up study of three models; the external one went through its stages with a server on loopback."""
    root = tmp_path_factory.mktemp("untuned")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS.model_dump()), encoding="utf-8")
    write_study(root, PARAMS)
    write_lock(root / "reports/locks", PARAMS)
    prepared = ("--prepared", "data/prepared")
    kept = ("--studies", "reports/studies", "--locks", "reports/locks")
    base, answers = ("--base", f"artifacts/base/{EXTERNAL}"), f"artifacts/answers/{EXTERNAL}"
    selected = f"artifacts/selected/{EXTERNAL}.json"
    with pytest.MonkeyPatch.context() as patch, serve(knowing) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        patch.setenv("COCKTAIL_STORE", str(root / "store"))
        patch.setenv("COCKTAIL_ENDPOINT", server.url)
        patch.setenv("COCKTAIL_ENDPOINT_KEY", KEY)
        run_stage("base", root, "--bases", "data/bases", "--out", base[1])
        mixtures = ("--mixtures", "artifacts/mixtures")
        run_stage("explore", root, *prepared, *mixtures, *base, *kept, "--out", f"{answers}/explore")
        run_stage("choose", root, *prepared, "--answers", f"{answers}/explore", "--out", selected)
        selection = ("--selected", selected)
        run_stage("confirm", root, *prepared, *selection, *base, *kept, "--out", f"{answers}/confirm")
        report_answers(root, PARAMS)
        yield root, server


def table(root: Path, name: str) -> pd.DataFrame:
    return read_tables(root / "reports/tables")[name].frame


def test_an_untuned_model_has_its_base_alone() -> None:
    for model in (REFERENCE, EXTERNAL):
        assert [run.id for run in explore_runs(PARAMS, model=model)] == ["base"]
        assert confirm_runs(PARAMS, {}, model=model) == []
    assert explore_runs(PARAMS, model=TUNED) == explore_runs(PARAMS)
    with pytest.raises(ConfigError, match="no model 'gpt_4'"):
        explore_runs(PARAMS, model="gpt_4")


def test_the_external_model_is_asked_what_the_others_are(study: tuple[Path, FakeEndpoint]) -> None:
    root, server = study
    items = pd.concat(
        read_table(root / f"data/prepared/{task}/{split}.parquet")
        for task in PARAMS.study.evaluations
        for split in ("dev", "test")
    )
    turns = set(items["instruction"] + "\n" + items["input"])
    asked = [body["messages"][0]["content"] for body in server.bodies]
    assert set(asked) == turns
    assert sorted(asked).count("Answer.\nmade-up text 5") == 2  # refused once, asked once more
    assert len(asked) == len(turns) + 1
    assert {body["model"] for body in server.bodies} == {SERVED}
    assert {body["max_tokens"] for body in server.bodies} == {PARAMS.endpoint.max_tokens}


def test_its_answers_have_the_form_of_our_own(study: tuple[Path, FakeEndpoint]) -> None:
    root, _ = study
    mine = read_table(root / f"artifacts/answers/{EXTERNAL}/explore/base.parquet")
    ours = read_table(root / f"artifacts/answers/{TUNED}/explore/base.parquet")
    assert set(mine.columns) == set(ours.columns)
    assert (mine.dtypes[ours.columns] == ours.dtypes).all()
    assert not mine["cut"].any() and set(mine["label_choice"]) == {""}
    assert mine.groupby("answer")["stopped"].all().drop("").all()
    receipt = read_json(root / f"artifacts/answers/{EXTERNAL}/explore/base.json")
    ours_receipt = read_json(root / f"artifacts/answers/{TUNED}/explore/base.json")
    assert set(receipt) == set(ours_receipt)
    assert receipt["config"]["served"] == SERVED
    assert receipt["empty_answers"] == receipt["not_stopped"] == (mine["answer"] == "").sum() > 0
    base = read_json(root / f"artifacts/base/{EXTERNAL}/base.json")
    identity = base_identity(PARAMS.model(EXTERNAL), source="")
    assert base == {"kind": "endpoint", "served": SERVED, "identity": identity, "files": {}}
    assert receipt["base"] == identity
    assert read_digested(root / f"artifacts/selected/{EXTERNAL}.json") == {"choices": {}, "floors": {}}
    lock, answers = present_lock(root / "reports/locks", PARAMS), root / f"artifacts/answers/{EXTERNAL}"
    assert read_json(answers / "explore/index.json") == {"runs": ["base"], "lock": lock}
    assert read_json(answers / "confirm/index.json") == {"runs": [], "lock": lock}


def test_every_table_holds_what_there_is_of_them(study: tuple[Path, FakeEndpoint]) -> None:
    root, _ = study
    scores = read_scores(root / "artifacts/scores", root / "artifacts/selected", params=PARAMS)
    assert [(one.model, len(one.explored), len(one.confirmed)) for one in scores[1:]] == [
        (REFERENCE, 1, 0),
        (EXTERNAL, 1, 0),
    ]
    comparison = read_json(root / "reports/comparison.json")
    for model in (REFERENCE, EXTERNAL):
        arms = [row for row in comparison["arms"] if row["model"] == model]
        assert {(row["stage"], row["arm"]) for row in arms} == {("explore", "base")}
        assert {row["task"] for row in arms} == set(PARAMS.study.evaluations)
        for key in ("transfer", "leave_one_out", "curse"):
            assert {row["model"] for row in comparison[key]} == {TUNED}
        assert model in set(table(root, "main")["model"])
        assert model in set(table(root, "base")["model"])
        assert f"bars_{model}" in {path.stem for path in (root / "reports/figures").glob("*.svg")}
        assert read_json(root / "reports/numbers.json")[model]["count"]["runs_explored"] == 1
    assert {row["model"] for row in read_json(root / "reports/effects.json")["rows"]} == {TUNED}


def test_a_claim_about_larger_models_has_a_verdict_for_each(study: tuple[Path, FakeEndpoint]) -> None:
    """Headlines, numbers and the page tell the larger models apart, and lead to their own runs."""
    root, _ = study
    claims = read_verdicts(root / "reports/claims.json")
    (claim,) = (one for one in claims.claims if one.id == "small_beats_larger")
    assert [row.control_model for row in claim.headlines()] == [REFERENCE, EXTERNAL]
    assert [row.on for row in claim.headlines()] == [f"macro vs {REFERENCE}", f"macro vs {EXTERNAL}"]
    page = render_page(gather(root / "reports", configured=ROOT / "conf/study", params=PARAMS))
    html = read_html(page)
    heads = [node.text for node in html.by_id("table-verdicts").all("tr")]
    assert sum(claim.title in text for text in heads) == 2
    _, *rows = html.by_id("claim-small_beats_larger").all("tr")
    seen = set()
    for row, found in zip(rows, claim.verdicts, strict=True):
        links = [link.attributes["href"] for link in row.all("a")]
        assert len(links) == len(found.treatment_runs) + len(found.control_runs)
        if links:
            assert links[-1] == f"#run:{found.control_model}:base"
            assert all(link.startswith(f"#run:{TUNED}:") for link in links[:-1])
            seen.add(found.control_model)
    assert seen == {REFERENCE, EXTERNAL}


def test_strict_and_lenient_tell_format_and_knowledge_apart(study: tuple[Path, FakeEndpoint]) -> None:
    root, _ = study
    base = table(root, "base").set_index(["model", "task"])
    row = base.loc[(EXTERNAL, "finqa")]
    assert row["strict"] == pytest.approx(100 / 3, abs=1e-3)  # the bare ones
    assert row["lenient"] == pytest.approx(100 * 59 / 60, abs=1e-3)  # all but the refused one
    assert row["INVALID strict"] == pytest.approx(100 * 40 / 60, abs=1e-3)


def test_a_study_of_an_external_model_alone_is_reported(tmp_path: Path) -> None:
    alone = study_params("smoke", *OVERRIDES[1:], f"model=[{EXTERNAL}]")
    write_study(tmp_path, alone)
    report_answers(tmp_path, alone)
    assert set(table(tmp_path, "main")["model"]) == {EXTERNAL}
    assert table(tmp_path, "transfer").empty and table(tmp_path, "effects").empty


def test_a_second_time_nothing_is_asked(
    study: tuple[Path, FakeEndpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, server = study
    asked = len(server.bodies)
    shutil.copytree(root / "store", tmp_path / "store")
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))

    def again(out: Path, params: Params = PARAMS) -> None:
        answer_all(
            params=params,
            model_name=EXTERNAL,
            prepared=root / "data/prepared",
            base=root / f"artifacts/base/{EXTERNAL}",
            out=out,
            lock=present_lock(root / "reports/locks", PARAMS),
        )

    for name in ("COCKTAIL_ENDPOINT", "COCKTAIL_ENDPOINT_KEY"):
        monkeypatch.delenv(name)
    again(tmp_path / "out")
    assert digest_folder(tmp_path / "out") == digest_folder(root / f"artifacts/answers/{EXTERNAL}/explore")
    fewer = study_params("smoke", *OVERRIDES, "study.evaluations=[fpb,finqa]")
    again(tmp_path / "fewer", fewer)  # another run of replies that the store has
    assert len(read_table(tmp_path / "fewer/base.parquet")) == 160
    assert len(server.bodies) == asked
    other = study_params("smoke", *OVERRIDES, "endpoint.max_tokens=8")
    with pytest.raises(EndpointError, match="no endpoint is named"):
        again(tmp_path / "other", other)
    assert not (tmp_path / "other").exists()


def test_nothing_holds_the_key_and_the_store_holds_the_costs(
    study: tuple[Path, FakeEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, server = study
    files = [path for path in root.rglob("*") if path.is_file()]
    host = server.url.removeprefix("http://").encode()
    assert not any(KEY.encode() in path.read_bytes() or host in path.read_bytes() for path in files)
    sets = [read_json(path)["endpoint"] for path in (root / "store/answers").rglob("runtime.json")]
    assert len(sets) == len(PARAMS.study.evaluations)
    counts = sum(map(Counter, sets), Counter[str]())
    assert counts["requests"] == counts["asked"] + counts["refusals_retried"]
    assert counts["refused"] == 1 and counts["prompt_tokens"] > 0
    (root / "requirements.lock").write_text("made-up==1\n", encoding="utf-8")
    (root / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    for command in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=n@example.org", "commit", "-q"]):
        subprocess.run(
            ["git", *command, *(["--allow-empty", "-m", "x"] if "commit" in command else [])],
            cwd=root,
            check=True,
        )
    manifest = make_manifest(root, PARAMS, runtimes={})
    assert manifest["runtime"]["runs_with_times"] == 1
    assert set(manifest["parameters"]) == {TUNED}


def test_a_model_that_says_nothing_at_all_is_an_error(
    study: tuple[Path, FakeEndpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = study
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    with (
        serve(lambda body, count: completion("")) as silent,
        pytest.raises(EndpointError, match="all answers"),
    ):
        monkeypatch.setenv("COCKTAIL_ENDPOINT", silent.url)
        answer_all(
            params=PARAMS,
            model_name=EXTERNAL,
            prepared=root / "data/prepared",
            base=root / f"artifacts/base/{EXTERNAL}",
            out=tmp_path / "out",
            lock="",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"served": None}, "a model of kind endpoint needs served"),
        ({"kind": "hub"}, "a model of kind hub needs stop_token, repo"),
        ({"reference": "yes"}, "reference"),
    ],
)
def test_a_model_of_which_something_is_missing_is_refused(change: dict[str, Any], told: str) -> None:
    raw = PARAMS.model_dump()
    raw["models"][EXTERNAL] |= change
    with pytest.raises(ConfigError, match=told):
        check_params(raw, where="test")


def test_the_reference_has_about_twice_the_parameters() -> None:
    from cocktail.training.base import new_model

    class Words:
        pad_token_id, bos_token_id, eos_token_id = 0, 1, 2

        def __len__(self) -> int:
            return 1600

    both = study_params("tiny", f"model=[phi3_tiny,{REFERENCE}]").models
    small, large = (new_model(config, Words()).num_parameters() for config in both.values())
    assert 1.8 < large / small < 2.2
    assert not both["phi3_tiny"].untuned and both[REFERENCE].untuned
