"""Model and dataset cards: front matter that the Hub reads, every fact from a file of the study.

``cocktail publish`` against a stand-in of the Hub on this machine: what goes there, what it may answer.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT, WHOLE, study_params

from cocktail import cli
from cocktail.config import check_params
from cocktail.config.compose import compose, write_params
from cocktail.errors import CocktailError, ConfigError, RecordError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.files.store import Store
from cocktail.report.cards import make_cards, write_cards
from cocktail.report.run_facts import SourceFacts, read_run
from cocktail.studies.exchange.publish import Upload, lay_out_run, publish

PARAMS = study_params()
MODEL = "phi3_smoke"


@pytest.fixture
def finished(finished_study: Path, tmp_path: Path) -> Path:
    """A finished study, to be changed."""
    shutil.copytree(finished_study, tmp_path / "study")
    return tmp_path / "study"


def cards(finished: Path, run: str, **more: Any) -> dict[str, str]:
    return make_cards(read_run(finished, run, params=PARAMS, **more), params=PARAMS, changed=[])


def front_matter(card: str) -> dict[str, Any]:
    head, _, _ = card.removeprefix("---\n").partition("\n---\n")
    loaded: dict[str, Any] = yaml.safe_load(head)
    return loaded


def change_source(finished: Path, **facts: str) -> None:
    path = finished / "data/raw/fpb/receipt.json"
    write_json(path, {**read_json(path), **facts})


def test_a_model_card_says_what_the_run_is(finished: Path) -> None:
    made = cards(finished, "pair_fpb_finqa")
    assert set(made) == {"model", "dataset"}
    card, receipt = made["model"], finished / f"artifacts/answers/{MODEL}/explore/pair_fpb_finqa.json"
    head = front_matter(card)
    assert head["license"] == "mit" and head["library_name"] == "transformers"
    assert head["tags"] == ["cocktail", "finance", "full", "data:generated"]
    assert "datasets" not in head and "base_model" not in head  # generated rows, a model from scratch
    assert "Study smoke. Data: generated. Miniature models from scratch" in card
    assert f"sha256 `{digest_file(receipt)}`" in card
    assert "1,000 of 1,000 parameters tuned; 8 optimiser steps" in card
    assert "make params STUDY=smoke" in card and "depart from study" not in card
    assert "No source is known to forbid commercial use." in card


def test_scores_stand_in_the_card_with_their_n(finished: Path) -> None:
    card = cards(finished, "all-s101")["model"]
    summary = pd.read_parquet(finished / "artifacts/scores/summary.parquet")
    mine = summary[(summary["run"] == "all-s101") & (summary["split"] == "test")].set_index("task")
    assert len(mine) == 4
    for result in front_matter(card)["model-index"][0]["results"]:
        task = result["dataset"]["type"]
        assert result["dataset"]["name"] == f"{task} test of study smoke, n = {mine.loc[task, 'n']}"
        points = 100 * mine.loc[task, "accuracy_strict"]
        assert result["metrics"][0]["value"] == pytest.approx(points, abs=0.005)
        assert f"| {task} | 60 | {points:.1f} |" in card


def test_a_dataset_card_shows_asked_and_got_with_licences(finished: Path) -> None:
    path = finished / f"artifacts/answers/{MODEL}/explore/pair_fpb_finqa.json"
    receipt = read_json(path)
    receipt["rows"]["fpb"] |= {"in": 25, "kept": 23, "cut": 2, "dropped": 2}
    write_json(path, receipt)
    change_source(finished, licence="CC BY-NC-SA 3.0", status="original", revision="0123456789abcdef")
    made = cards(finished, "pair_fpb_finqa")
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


def test_a_matched_run_has_no_plan_of_its_own(finished: Path) -> None:
    facts = read_run(finished, "size_fpb_as_all-s102", params=PARAMS)
    assert facts.stage == "confirm" and [one.asked for one in facts.sources] == [None] * len(facts.sources)
    assert read_run(finished, "all-s102", params=PARAMS).sources[0].asked == 30


def test_the_untuned_base_has_no_dataset(finished: Path) -> None:
    made = cards(finished, "base")
    assert set(made) == {"model"}
    assert "Nothing was tuned for this run" in made["model"]


def test_texts_from_files_are_escaped(finished: Path) -> None:
    change_source(finished, licence="<script>alert(1)</script>")
    made = cards(finished, "single_fpb")
    for card in made.values():
        body = card.partition("\n---\n")[2]
        assert "<script>" not in body and "&lt;script&gt;" in body


def test_a_run_that_is_not_there_is_a_clear_error(finished: Path) -> None:
    with pytest.raises(RecordError, match=r"no run 'pair_fpb_finq'; did you mean 'pair_fpb_finqa'"):
        read_run(finished, "pair_fpb_finq", params=PARAMS)
    with pytest.raises(ConfigError, match="no model 'phi3_smok'"):
        read_run(finished, "all", params=PARAMS, model="phi3_smok")
    raw = PARAMS.model_dump()
    raw["models"]["other"] = raw["models"][MODEL]
    two = check_params(raw, where="test")
    shutil.copytree(finished / f"artifacts/answers/{MODEL}", finished / "artifacts/answers/other")
    with pytest.raises(RecordError, match=f"several models: {MODEL}, other"):
        read_run(finished, "all", params=two)
    assert read_run(finished, "all", params=two, model=MODEL).model == MODEL
    shutil.rmtree(finished / "artifacts/answers")
    with pytest.raises(RecordError, match="no answers here"):
        read_run(finished, "all", params=PARAMS)


def test_cards_are_written_as_readme_files_and_are_the_same_twice(finished: Path, tmp_path: Path) -> None:
    paths = write_cards(cards(finished, "all"), tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == [
        "model/README.md",
        "dataset/README.md",
    ]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_cards(cards(finished, "all"), tmp_path / "out")] == first


def test_the_command_prints_or_writes_the_cards(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "conf", finished / "conf")
    monkeypatch.chdir(finished)
    write_params(Path("params.yaml"), compose(Path("conf"), "smoke", [*WHOLE, "study.targets=[fpb,finqa]"]))
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "all"])
    cli.main()
    printed = capsys.readouterr().out
    assert printed.startswith("---\n") and "# Training rows of all" in printed
    assert "- study.targets: " in printed  # the one param that is not the study's
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "all", "--out", "cards"])
    cli.main()
    assert (finished / "cards/dataset/README.md").read_text(encoding="utf-8") in printed
    monkeypatch.setattr("sys.argv", ["cocktail", "card", "al"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2


RUN, REPO, KEY = "pair_fpb_finqa", "org/name", "hf_secret_of_a_test"


class Hub:
    """The part of the Hub's API that an upload of small files takes; ``refuse`` is a status for all."""

    def __init__(self) -> None:
        self.refuse, self.created, self.files = 0, list[dict[str, Any]](), dict[str, bytes]()
        self.tokens: set[str] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                hub.tokens.add(self.headers.get("Authorization", ""))
                status, answer = hub.answer(self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815  (the name that http.server asks for)

            def log_message(self, *_: object) -> None:
                """Tests read what the command prints."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        if self.refuse:
            return self.refuse, {"error": f"not for {KEY}"}
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.url}/{REPO}", "name": REPO, "id": REPO}
        if "/preupload/" in path:
            named = json.loads(body)["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in named]
            return 200, {"files": modes}
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return 200, {"commitUrl": f"{self.url}/{REPO}/commit/1", "commitOid": "1" * 40}
        return 200, {"id": REPO, "sha": "0" * 40, "siblings": []}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", KEY)
    made = Hub()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def study(finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished study in the current folder, with the weights of one run in the store."""
    root = Path(shutil.copytree(finished_study, tmp_path / "study"))
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    key = read_json(root / f"artifacts/answers/{MODEL}/explore/{RUN}.json")["training_key"]
    with Store(tmp_path / "store").publish("tuned", key) as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
        write_json(folder / "config.json", {"model_type": "phi3", "_name_or_path": str(tmp_path)})
        write_json(folder / "adapter_config.json", {"base_model_name_or_path": str(tmp_path)})
    (root / f"artifacts/base/{MODEL}/tokenizer.json").write_text("{}", encoding="utf-8")
    shutil.copytree(ROOT / "conf", root / "conf")
    monkeypatch.chdir(root)
    write_params(Path("params.yaml"), compose(Path("conf"), "smoke", [*WHOLE, "study.targets=[fpb,finqa]"]))
    return root


def laid_out(study: Path, out: Path, run: str = RUN, repo: str = REPO) -> Upload:
    out.mkdir()
    facts = read_run(study, run, params=PARAMS)
    return lay_out_run(study, facts, out, repo=repo, params=PARAMS, changed=[])


def test_weights_cards_scores_and_receipt_go_and_no_path_of_this_machine(
    study: Path, tmp_path: Path, hub: Hub
) -> None:
    upload = laid_out(study, tmp_path / "out")
    address = publish(upload, public=False, endpoint=hub.url)
    assert address == f"{hub.url}/{REPO}/commit/1"
    assert hub.files.keys() == upload.files().keys() == {
        *("model.safetensors", "config.json", "adapter_config.json", "tokenizer.json"),
        *("README.md", "TRAINING_DATA.md", "receipt.json", "eval_results.json"),
    }  # fmt: skip
    assert hub.files["model.safetensors"] == b"weights"
    head = yaml.safe_load(hub.files["README.md"].decode().split("---\n")[1])
    assert head["model-index"][0]["results"]
    scores = json.loads(hub.files["eval_results.json"])["test"]
    assert {one["task"] for one in scores} >= {"fpb", "finqa"}
    assert not [name for name, content in hub.files.items() if str(tmp_path).encode() in content]
    (created,) = hub.created
    assert created.get("visibility") == "private" or created.get("private") is True
    assert hub.tokens == {f"Bearer {KEY}"}


def test_a_dry_run_is_the_default_and_sends_nothing(
    study: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr(sys, "argv", ["cocktail", "publish", RUN, "--to", REPO])
    monkeypatch.delenv("HF_TOKEN")
    cli.main()
    told = capsys.readouterr().out
    assert "nothing was uploaded" in told and "model.safetensors" in told
    assert hub.created == [] and hub.tokens == set()
    monkeypatch.setattr(sys, "argv", ["cocktail", "publish", RUN, "--to", REPO, "--yes"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2 and "no token for the Hub" in capsys.readouterr().err
    assert hub.tokens == set(), "a token that somebody logged in with is not for this"
    monkeypatch.setenv("HF_TOKEN", KEY)
    cli.main()
    assert f"uploaded: {hub.url}/{REPO}/commit/1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "does not know this token"), (403, "may not write to org/name"), (400, "refuses")],
)
def test_a_refusal_is_one_message_without_the_token(
    study: Path, tmp_path: Path, hub: Hub, status: int, told: str
) -> None:
    upload = laid_out(study, tmp_path / "out")
    hub.refuse = status
    with pytest.raises(CocktailError, match=told) as caught:
        publish(upload, public=True, endpoint=hub.url)
    assert KEY not in str(caught.value) and caught.value.where == REPO
    assert hub.files == {} and (tmp_path / "out/README.md").is_file()


def test_no_network_is_said(study: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = laid_out(study, tmp_path / "out")
    hub.server.shutdown()
    hub.server.server_close()
    with pytest.raises(CocktailError, match="cannot be reached"):
        publish(upload, public=False, endpoint=hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CocktailError, match=r"switched off|cannot be reached"):
        publish(upload, public=False, endpoint=hub.url)


def test_what_cannot_be_published_is_refused_before_anything_is_asked(
    study: Path, tmp_path: Path, hub: Hub
) -> None:
    for place, (run, repo, told) in enumerate(
        [("base", REPO, "nothing was tuned"), ("all", REPO, "not kept"), (RUN, "name", "no repository")]
    ):
        with pytest.raises(CocktailError, match=told):
            laid_out(study, tmp_path / str(place), run=run, repo=repo)
    assert hub.tokens == set()


def test_licences_are_told_first(study: Path, tmp_path: Path) -> None:
    path = study / "data/raw/fpb/receipt.json"
    write_json(path, {**read_json(path), "licence": "CC BY-NC-SA 3.0"})
    assert (
        "note: not for commercial use, says the licence of fpb" in laid_out(study, tmp_path / "out").shown()
    )
