"""The plan of a study: totals by hand, caps, the bound of confirmation, missing facts, the file in git."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import combinations, product
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from cocktail import cli
from cocktail.config import check_params
from cocktail.config.compose import compose, known_studies
from cocktail.config.yaml_files import with_catalogue
from cocktail.data.confirmation import confirm_runs, dearest_choice
from cocktail.data.grid import candidates, explore_runs
from cocktail.data.table import COLUMNS, SPLITS, write_split
from cocktail.errors import ConfigError, DataError
from cocktail.files.records import read_json, write_json
from cocktail.report.table import read_tables
from cocktail.studies.planning.facts import SIZES, read_sizes, scratch_parameters
from cocktail.studies.planning.rows import source_rows
from cocktail.studies.planning.runs import PlannedRun, measured_runs, planned_runs
from cocktail.studies.planning.show import checks, plan_markdown
from cocktail.studies.planning.study import GRID, Plan, plan_study
from cocktail.studies.planning.tables import budget_line, made_tables, tables

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
FINANCE = ("headline", "fpb", "fin_ner_cls", "finqa", "convfinqa", "twitter_topics", "twitter_sa")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A repository before anything is made: configuration and facts only."""
    return link_facts(tmp_path)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plan]:
    """Plans of study paper before anything is made, with other overrides; each is made once."""
    root = link_facts(tmp_path_factory.mktemp("bare"))
    return cache(lambda *overrides: plan_study(CONF, "paper", overrides, root=root))


def link_facts(root: Path) -> Path:
    for part in ("conf", "data/reference", "reports/benchmarks"):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        (root / part).symlink_to(ROOT / part)
    return root


def typed() -> dict[str, Any]:
    """sizes.yaml as it stands, read without the package."""
    found: dict[str, Any] = yaml.safe_load((ROOT / SIZES).read_text(encoding="utf-8"))
    return found


def hub_tokens() -> dict[str, float]:
    """Tokens that each source of the paper gives to a mixture, from sizes.yaml and the paper's rules."""
    sizes = {one["source"]: one for one in typed()["sources"] if one["backend"] == "hub"}
    settings = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    rows = {}
    for name in FINANCE:
        raw = sizes[name]["rows"]
        left = raw["train"] - (0 if "dev" in raw else settings["prepare"]["dev_rows"])
        rows[name] = min(settings["mix"]["caps"][name], left)
    finance = sum(rows.values())
    rows |= {"open_orca": finance, "orca_math": round(finance / 2)}
    return {name: rows[name] * sizes[name]["characters"] / 4 for name in rows}


def run_cli(monkeypatch: pytest.MonkeyPatch, root: Path, *words: str) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["cocktail", "plan", *words])
    cli.main()


@pytest.mark.slow
def test_the_command_prints_the_whole_plan_of_the_paper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bare: Path
) -> None:
    run_cli(monkeypatch, bare, "paper")
    lines = capsys.readouterr().out.splitlines()
    once = sum(hub_tokens().values())
    assert lines[0].startswith(f"Token budget a model: T = {once / 1e6:.2f} M; grid 45.0 T (55 runs), ")
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "…" not in text  # rich cuts what does not fit
    words = set(text.split())
    params = check_params(compose(CONF, "paper"), where="paper")
    assert {run.id for run in explore_runs(params)} <= words
    for target in params.study.targets:
        controls = [f"{kind}_{target}_as_{like}" for kind in ("steps", "size") for like in ("chosen", "all")]
        assert {f"single_{target}", f"chosen_{target}", *controls} <= words
    for column in ("size", "steps", "answers", "train", "answer", "device", "checkpoints", "short", "passes"):
        assert column in words
    assert "HF_TOKEN" in lines[-1]


def test_make_plan_runs_the_command() -> None:
    shown = subprocess.run(
        ["make", "-n", "--old-file=.venv/.ready", "plan", "STUDY=paper"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    ).stdout
    assert "cocktail plan paper" in shown


@pytest.mark.slow
def test_the_grid_costs_45_times_all_sources_read_once(paper: Callable[..., Plan]) -> None:
    tokens, plan = hub_tokens(), paper()
    once = sum(tokens.values())
    names = list(tokens)
    three = [*((name,) for name in names), *combinations(names, 2)]
    two = [*(tuple(name for name in names if name != left) for left in names), tuple(names)]
    grid = sum(3 * tokens[n] for mixture in three for n in mixture)
    grid += sum(2 * tokens[n] for mixture in two for n in mixture)
    assert grid == pytest.approx(45 * once)  # 3 (1 + 8) + 2 (8 + 1)
    assert plan.once == pytest.approx(once)
    planned = [run for run in plan.runs if run.stage == "explore" and run.kind in GRID]
    assert len(planned) == 55
    assert sum(run.tokens for run in planned) == pytest.approx(grid)


def test_the_totals_of_the_file_are_those_of_its_runs(paper: Callable[..., Plan]) -> None:
    text = plan_markdown(paper())
    table = text.split("**Every run of a tuned model**")[1]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if re.match(r"\| (ex|conf)", line)]
    runs = sum(int(row[2]) for row in rows)
    tokens = sum(int(row[2]) * float(row[6].replace(",", "")) for row in rows)
    steps = sum(int(row[2]) * int(row[7].replace(",", "")) for row in rows)
    models = [line.strip("| ").split(" | ") for line in text.splitlines() if "| GPU |" in line]
    assert [model[0] for model in models] == ["phi3_mini", "llama31_8b"]
    for model in models:
        assert int(model[2]) == runs
        assert float(model[3].replace(",", "")) == pytest.approx(tokens, rel=1e-4)
        assert int(model[4].replace(",", "")) == steps


@pytest.mark.slow
def test_hours_and_disk_follow_from_parameters_and_tokens(paper: Callable[..., Plan]) -> None:
    plan, facts = paper(), typed()
    peak = facts["gpu"]["peak_teraflops"] * 1e12
    used = {name: one["value"] for name, one in facts["assumptions"].items()}
    read = sum(run.tokens * run.seeds for run in plan.runs)
    items = sum(run.seeds * asked_tokens(run, plan) for run in plan.runs)
    times = sum(run.seeds for run in plan.runs)
    for cost, size in zip(plan.costs, facts["models"][:2], strict=True):
        training = 6 * size["parameters"] * read / (peak * used["training_utilisation"])
        answering = 2 * size["parameters"] * items / (peak * used["answering_utilisation"])
        assert cost.hours == pytest.approx((training + answering) / 3600)
        assert cost.kept_bytes == 0
        assert cost.checkpoint_bytes == pytest.approx(3 * 12 * size["parameters"])
    kept = paper("execute.keep_weights=all").costs[0]
    assert kept.kept_bytes == (times - 1) * 4 * facts["models"][0]["parameters"]  # all but the base


def asked_tokens(run: PlannedRun, plan: Plan) -> float:
    """Tokens of what a run of the paper is asked: explored, dev and samples; confirmed, whole tests."""
    targets = "|".join(FINANCE)
    kinds = "tuned|tuned_mixture|single|chosen|steps|size"
    of_run = re.fullmatch(rf"(?:{kinds})_({targets})(?:_\d+|_as_\w+)?", run.id)
    also = plan.params.study.confirm_also
    filled = [f"size_{name}_as_all" for name in also]
    everything = run.kind in ("base", "all") or run.id in (*also, *filled)
    if of_run and (run.stage == "confirm" or run.kind == "tuned"):
        tasks = [of_run[1]]
    elif run.id.startswith("tuned_all"):
        assert run.stage == "explore", run.id  # confirmed, each target has its own best try
        tasks = list(FINANCE)
    elif run.kind == "pair" and "open_orca" not in run.id:
        tasks = list(FINANCE)
    else:
        assert run.stage == "explore" or everything, run.id
        tasks = [*FINANCE, "financebench", "knowledge", "gsm8k"]
    total = 0.0
    for task in tasks:
        rows = plan.rows[task]
        sample = 300 if run.stage == "explore" and run.kind != "base" else rows.test
        test = min(rows.test, sample if task in FINANCE else 200)
        total += (test + (rows.dev if run.stage == "explore" else 0)) * rows.characters / 4
    return total


@pytest.mark.slow
def test_rows_are_capped_by_the_split_and_by_the_caps(paper: Callable[..., Plan]) -> None:
    fpb = next(one for one in typed()["sources"] if (one["backend"], one["source"]) == ("hub", "fpb"))
    raw = fpb["rows"]["train"]

    def single_fpb(*overrides: str) -> tuple[int, int]:
        run = next(run for run in paper(*overrides).runs if run.id == "single_fpb")
        return run.rows, run.short

    assert single_fpb() == (raw - 500, 5000 - (raw - 500))
    assert single_fpb("prepare.dev_rows=100") == (raw - 100, 5000 - (raw - 100))
    assert single_fpb("mix.caps.fpb=100") == (100, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", known_studies(CONF))
def test_every_study_can_be_planned(name: str, bare: Path) -> None:
    plan = plan_study(CONF, name, root=bare)
    assert plan.costs
    assert plan.once > 0
    assert plan_markdown(plan).startswith(f"# Plan of study {name}\n")


@pytest.mark.slow
def test_no_choice_on_dev_costs_more_than_the_plan_of_confirm(paper: Callable[..., Plan]) -> None:
    overrides = [
        "study.targets=[fpb,finqa]",
        "study.include=[single,pair,all,without_headline,without_twitter_sa]",
    ]
    plan = paper(*overrides)
    params, bound = plan.params, plan.share(stage="confirm") * plan.once
    totals = []
    for chosen in product(*(candidates(params, target) for target in params.study.targets)):
        roles = {
            target: dearest_choice(params, target, mixture)
            for target, mixture in zip(params.study.targets, chosen, strict=True)
        }
        runs = confirm_runs(params, roles)
        measured = measured_runs(runs, params, plan.rows, stage="confirm", seeds=1)
        totals.append(sum(run.tokens for run in measured))
    assert len(totals) > 80
    assert max(totals) <= bound * (1 + 1e-9)
    assert max(totals) > 0.9 * bound  # a bound that nothing comes near would say little


def test_rows_and_steps_of_the_tiny_study_are_those_of_its_receipts() -> None:
    record = ROOT / "reports/studies/tiny"
    recorded, raw = read_json(record / "manifest.json")["params"], compose(CONF, "tiny")
    for section in ("study", "fetch", "prepare", "mix", "train", "tune", "models"):
        raw[section] |= recorded[section]  # what the receipts were made with; younger sections play no part
    for model in raw["models"].values():
        model["pretrain"].pop("text", None)  # a key that is no more
    params = check_params(raw, where=str(record))
    planned = {
        run.id: run
        for run in planned_runs(params, source_rows(params, read_sizes(ROOT / SIZES), prepared=None))
    }
    receipts = read_tables(record / "tables")["runs"].frame.to_dict("records")
    compared = 0
    for receipt in receipts:
        name = re.sub(r"-s\d+$", "", receipt["run"])
        if name in planned and (receipt["stage"] == "explore" or not planned[name].at_most):
            assert int(receipt["rows"]) == planned[name].rows, name
            assert int(receipt["steps"]) == planned[name].steps, name
            compared += 1
    explored = [run for run in planned.values() if run.stage == "explore"]
    assert compared >= len(explored) > 50  # less those that confirm may have, too
    total = {int(receipt["of"]) for receipt in receipts if receipt["of"]}
    assert total == {scratch_parameters(model) for model in params.models.values()}


def test_the_checkpoints_on_disk_are_those_that_training_keeps() -> None:
    code = (ROOT / "src/cocktail/training/checkpoints.py").read_text(encoding="utf-8")  # it imports torch
    kept = re.findall(r"^KEPT = (\d+)", code, flags=re.MULTILINE)
    assert [int(count) + 1 for count in kept] == [read_sizes(ROOT / SIZES).assumptions.checkpoints.value]


def with_sizes(root: Path, change: Any) -> None:
    """Put a changed sizes.yaml in the place of the link."""
    facts = typed()
    change(facts)
    (root / "data/reference").unlink()
    (root / SIZES).parent.mkdir()
    (root / SIZES).write_text(yaml.safe_dump(facts), encoding="utf-8")


def test_a_source_without_a_size_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bare: Path
) -> None:
    with_sizes(bare, lambda facts: facts["sources"].pop(0))
    with pytest.raises(SystemExit) as ended:
        run_cli(monkeypatch, bare, "paper")
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith("error: no size is known of source 'headline' from backend hub\n")
    assert "to mend it" in said.err


@pytest.mark.slow
def test_a_model_without_a_size_is_a_clear_error(bare: Path) -> None:
    with_sizes(bare, lambda facts: facts["models"].pop(1))
    with pytest.raises(DataError) as error:
        plan_study(CONF, "paper", root=bare)
    assert "Llama-3.1-8B" in error.value.what


def test_a_value_without_its_origin_is_refused(bare: Path) -> None:
    with_sizes(bare, lambda facts: facts["sources"][3].pop("rows_from"))
    with pytest.raises(DataError, match="rows_from"):
        plan_study(CONF, "paper", root=bare)


def test_a_generated_source_without_rows_is_a_clear_error(bare: Path) -> None:
    catalogue = with_catalogue(compose(CONF, "tiny"), ROOT)["fetch"]
    del catalogue["world"]["fpb_train"]
    (bare / "conf").unlink()
    (bare / "conf/catalogue").mkdir(parents=True)
    kept = {key: catalogue[key] for key in ("world", "sources")}
    (bare / "conf/catalogue/synthetic.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    with pytest.raises(DataError) as error:
        plan_study(CONF, "tiny", root=bare)
    assert error.value.what == "fetch.world has no fpb_train"


def test_broken_overrides_and_unknown_studies_are_clear_errors(paper: Callable[..., Plan]) -> None:
    for override in ("train.batch_sise=4", "train.batch_size=many", "study.include=[singel]", "model=[phi9]"):
        with pytest.raises(ConfigError):
            paper(override)
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        plan_study(CONF, "papr", root=ROOT)
    with pytest.raises(ConfigError, match="no explored mixture contains target 'fpb'"):
        paper("study.include=[single]", "study.targets=[fpb]")


@pytest.mark.slow
def test_what_is_not_pinned_gated_or_too_large_is_said(paper: Callable[..., Plan]) -> None:
    plan = paper()
    said = checks(plan)
    sources = yaml.safe_load((CONF.parent / "conf/catalogue/hub.yaml").read_text(encoding="utf-8"))["sources"]
    loose = sorted(name for name, source in sources.items() if not source["revision"])
    gated = [name for name, source in sources.items() if source.get("gated")]
    assert said[0].startswith(f"Sources without a pin (revision): {', '.join(loose)}; pinned: ")
    assert any(line.startswith("Models without a pin (revision): llama31_8b, phi3_mini;") for line in said)
    closed = ", ".join(sorted(["llama31_8b", *gated]))
    assert any(line.startswith(f"Gated: {closed};") and "HF_TOKEN" in line for line in said)
    needed = ceil(16 * typed()["models"][1]["parameters"] / 80e9)
    assert any(line.startswith("llama31_8b") and f"fit {needed} × 80 GB" in line for line in said)
    short = checks(paper(f"execute.gpus_per_run={needed - 1}"))
    assert any(
        line.startswith("llama31_8b") and line.endswith(f"gpus_per_run={needed} or more.") for line in short
    )
    pinned = checks(paper("models.phi3_mini.revision=abc"))
    assert "Models without a pin (revision): llama31_8b; pinned: phi3_mini." in pinned


def prepare_by_hand(root: Path, *, lock: dict[str, Any]) -> None:
    """Prepared data of study smoke with 50 train, 10 dev and 30 test rows of 40 characters each."""
    params = check_params(compose(CONF, "smoke"), where="smoke")
    kept = {"train": 50, "dev": 10, "test": 30}
    for name in (*params.fetch.sources, "filler"):
        for split in SPLITS:
            rows = dict.fromkeys(COLUMNS, "x" * 10) | {"instruction": "x" * 20}
            write_split(root / "data/prepared", name, split, pd.DataFrame([rows] * kept[split]))
    report = {name: {"kept": kept, "rows_in": kept} for name in params.fetch.sources} | {
        "filler": {"kept": kept}
    }
    write_json(root / "data/prepared/report.json", report)
    stages = {"prepare": {"params": {"params.yaml": lock}}}
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")


@pytest.mark.slow
def test_prepared_data_of_this_study_and_no_other_are_counted(bare: Path) -> None:
    composed = compose(CONF, "smoke")
    recorded = {
        "prepare": composed["prepare"],
        "fetch.sources": composed["fetch"]["sources"],
        "study.tasks": composed["study"]["tasks"],
    }
    prepare_by_hand(bare, lock=recorded)
    counted = plan_study(CONF, "smoke", root=bare)
    assert counted.counted
    assert counted.rows["fpb"].train == 50
    assert counted.rows["fpb"].dev + counted.rows["fpb"].test == 40
    assert counted.rows["fpb"].characters == 40
    assert counted.once == pytest.approx(10 * (48 + 8 + 8 + 19))  # caps 48, 8, 8; open_orca 0.3 of 64
    for override in ("prepare.dev_rows=21", "source=mirror"):
        assert not plan_study(CONF, "smoke", [override], root=bare).counted
    with pytest.raises(DataError, match="not of this study"):
        made_tables(plan_study(CONF, "smoke", ["prepare.dev_rows=21"], root=bare), bare)


def test_the_file_in_git_is_the_plan_of_today(paper: Callable[..., Plan]) -> None:
    stored = (ROOT / "reports/plans/paper.md").read_text(encoding="utf-8")
    assert stored == plan_markdown(paper()), "run: cocktail plan paper --out reports/plans/paper.md"


def test_the_budget_quotes_the_plan(paper: Callable[..., Plan]) -> None:
    budget = (ROOT / "docs/budget.md").read_text(encoding="utf-8")
    hours = tables(paper())[0].note
    assert hours.startswith("All models: ")
    assert f"```text\n{budget_line(paper())}\n{hours}\n```" in budget
