"""First screen and results in full, from two records written by hand: real data and generated data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from answers_fixture import DATE, study_params, write_lock
from claims_fixture import STANDING, claim, reason, verdict

from cocktail.claims.draft import SOME
from cocktail.claims.reasons import FLOOR, needs
from cocktail.errors import RecordError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.report.in_full import render_results
from cocktail.report.methods import Record, read_studies
from cocktail.report.overview import MINIATURES, outcome, overview
from cocktail.report.readme import (
    BENCHMARKS,
    ERROR_RATES,
    OUTCOME,
    OVERVIEW,
    marks,
    render_readme,
    running_lines,
)
from cocktail.report.table import Table, write_tables
from cocktail.runs.kept import FACTS, SHORT

LARGE = {"repo": "org/large", "kind": "hub", "reference": True}
SCRATCH = {"repo": None, "kind": "scratch", "reference": False}
NEEDS = [reason("target", "fpb in study.targets"), needs("a larger untuned model (reference: true)")]


def keep(studies: Path, name: str, claims: list[dict[str, Any]], **facts: Any) -> None:
    """Write what the overview reads of a record."""
    facts = {
        "status": {"fpb": "generated", "finqa": "generated"},
        "models": {"m": SCRATCH},
        "floor": "finqa",
        **facts,
    }
    arms = [
        {"model": model, "task": task, "arm": arm, "flag": "floor" if task == facts["floor"] else ""}
        for model in facts["models"]
        for task in ("fpb", "finqa")
        for arm in ("base", "single")
    ]
    params = {
        "study": {"name": name, "seed": 42, "confirm_seeds": [7, 8], "tasks": list(facts["status"])}
        | {"evaluations": ["fpb"], "include": facts.get("include", ["single", "pair", "without", "all"])},
        "train": {"method": "full"},
        "compare": {"confidence": 0.95},
        "fetch": {"sources": {task: {"status": status} for task, status in facts["status"].items()}},
        "models": facts["models"],
    }
    runtime = {"runs": 20, "training_seconds": 3000.0, "answering_seconds": 600.0}
    manifest = {
        "params": params,
        "hardware": {"gpus": [], "cores": 2, "cpu": "C"},
        "runtime": runtime,
        "parameters": {"m": {"trainable": 9, "total": 486_048}},
    }
    write_json(studies / name / "manifest.json", {**manifest, **facts.get("more", {})})
    write_json(studies / name / "comparison.json", {"arms": arms})
    told = {**STANDING, "study": name, "note": "Made up.", "confidence": 0.95, "claims": claims}
    write_json(studies / name / "claims.json", told)
    tables = [Table(table, "T", "", pd.DataFrame({"a": ["b"]})) for table in ("main", "contrasts")]
    write_tables(studies / name / "tables", tables)


def row(effect: float | None, kind: str, *, model: str = "m", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = verdict("macro", model=model, effect=effect, verdict=kind, **more)
    return found


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Proxy: real data, two models, one of them an untuned reference; tiny: generated data, one model."""
    tiny = [
        claim("one", 1, "First", [row(-2.0, "under-powered", reasons=[reason("tasks", "2 of 7 tasks")])]),
        claim("side", 1, "Beside the first", [row(1.0, "supported")], family="secondary"),
        claim("two", 2, "Second", [row(-7.94, "contradicted"), verdict("fpb", model="m", effect=9.0,
              verdict="supported")]),
        claim("two_b", 2, "Second at length", [row(None, "not tested", reasons=[reason("seeds")])]),
        claim("three", 3, "Third", [row(None, "not tested", reasons=NEEDS)]),
        claim("four", 4, "Fourth", [row(None, "not tested", reasons=[FLOOR])], family="secondary"),
        claim("four_b", 4, "Fourth again", [row(3.0, "supported")], family="secondary"),
    ]  # fmt: skip
    proxy = [
        claim("one", 1, "First", [row(6.5, "supported"), row(0.5, "under-powered", model="n",
              reasons=[reason("holm", "Holm-adjusted p 0.060")])]),
        claim("two", 2, "Second", [row(0.1, "not supported", interval="these weights")]),
        claim("three", 3, "Third", [row(5.0, "supported", control_model="large")]),
        claim("new", 7, "Only here", [row(1.0, "supported")]),
    ]  # fmt: skip
    folder = tmp_path / "studies"
    keep(folder, "tiny", tiny)
    keep(
        folder,
        "proxy",
        proxy,
        status={"fpb": "rebuilt", "finqa": "partial", "gsm8k": "original"},
        include=["single", "without", "all", "tuned"],
        models={"m": SCRATCH, "large": LARGE},
        floor="fpb",
        more={
            "bases": {
                "m": {"kind": "scratch", "parameters": 1_050_000, "tokens": 19_998_720, "seconds": 2880.0},
                "large": {"kind": "hub", "parameters": None, "tokens": None, "seconds": None},
            }
        },
    )
    return folder


def records(studies: Path, *names: str) -> list[Record]:
    found = read_studies(studies)
    return [found[name][0] for name in names]


def shown(studies: Path, *names: str) -> list[str]:
    return overview(records(studies, *names)).splitlines()


def in_full(studies: Path, name: str, beginning: str) -> str:
    """The line of a study's section in the results that begins so."""
    section = render_results(studies).partition(f"## Study {name}\n")[2].partition("\n## ")[0]
    (found,) = (line for line in section.splitlines() if line.startswith(beginning))
    return found


def test_the_table_by_hand(studies: Path) -> None:
    """Verdict, effect and interval, nothing else."""
    table = [line for line in shown(studies, "proxy", "tiny") if line.startswith("|")]
    assert table == [
        "| claim | proxy | tiny |",
        "| --- | --- | --- |",
        "| tier, rule, lock | miniature, rule 2, not locked | miniature, rule 2, not locked |",
        "| 1. First | m: **supported** +6.5 [+3.2, +9.8]<br>n: under-powered +0.5 [−2.8, +3.8] "
        "| under-powered −2.0 [−5.2, +1.2] |",
        "| 2. Second | not supported +0.1 [−3.1, +3.4] (these weights) "
        "| **contradicted** −7.9 [−11.2, −4.7] |",
        "| 2. Second at length | – | not tested |",
        "| 3. Third | **supported** +5.0 [+1.8, +8.2] | not tested |",
        "| 4. Fourth | – | not tested |",
        "| 7. Only here | **supported** +1.0 [−2.2, +4.2] | – |",
    ]


def test_the_results_say_why(studies: Path) -> None:
    table = [line for line in render_results(studies).partition("## Study")[0].splitlines() if "| " in line]
    assert table[:3] == shown(studies, "proxy", "tiny")[:3]
    assert table[3:] == [
        "| 1. First | m: **supported** +6.5 [+3.2, +9.8]<br>"
        "n: under-powered +0.5 [−2.8, +3.8], Holm-adjusted p 0.060 "
        "| under-powered −2.0 [−5.2, +1.2], 2 of 7 tasks |",
        "| 2. Second | not supported +0.1 [−3.1, +3.4] (these weights) "
        "| **contradicted** −7.9 [−11.2, −4.7] |",
        "| 2. Second at length | – | not tested: seeds |",
        "| 3. Third | **supported** +5.0 [+1.8, +8.2] "
        "| not tested: needs a larger untuned model (reference: true) |",
        "| 4. Fourth | – | not tested: floor |",
        "| 7. Only here | **supported** +1.0 [−2.2, +4.2] | – |",
    ]


def test_an_effect_of_what_is_not_tested_is_not_shown_first(studies: Path) -> None:
    claims = read_json(studies / "tiny/claims.json")
    claims["claims"][0]["verdicts"][0] |= {"verdict": "not tested"}
    write_json(studies / "tiny/claims.json", claims)
    assert "| 1. First | not tested |" in shown(studies, "tiny")


def test_what_came_out_is_counted(studies: Path) -> None:
    found = records(studies, "proxy", "tiny")
    assert outcome(found) == (
        "What came out, counted in verdicts on means over tasks: **proxy** 3 supported (claims 1, 3, 7), "
        "1 not supported, 1 under-powered; **tiny** none supported, 1 contradicted (claim 2), "
        "1 under-powered, 3 not tested. "
        f"{MINIATURES}\n"
    )


def test_a_claim_that_holds_for_some_task_is_named(studies: Path) -> None:
    path = studies / "tiny/claims.json"
    told = read_json(path)
    some = verdict(SOME, model="m", effect=9.0, verdict="supported")
    told["claims"][1]["verdicts"].append(some)
    write_json(path, told)
    number = told["claims"][1]["number"]
    assert (
        f"At least one task gains, the claim to the letter (“not always”): tiny, claim {number}. "
        in outcome(records(studies, "proxy", "tiny"))
    )


def test_each_study_is_one_line_that_says_what_it_is(studies: Path) -> None:
    proxy, tiny = (line for line in shown(studies, "proxy", "tiny") if line.startswith("- "))
    assert proxy == (
        "- **[proxy](reports/studies/README.md#study-proxy)**: real data (partial, rebuilt, original); "
        "m: 1.05 million parameters, from scratch; large: org/large, untuned; "
        "20 runs, 1.00 worker-hours on 2 cores of C; at the floor: m: fpb; large: fpb."
    )
    assert "**: generated data; m: 0.486 million parameters, from scratch; 20 runs, " in tiny


def test_runs_of_two_types_of_machine_name_both(studies: Path) -> None:
    """A study that went on elsewhere was not made on the machine that recorded it."""
    path = studies / "tiny/manifest.json"
    write_json(path, {**read_json(path), "made_on": {"A": 5, "B": 15}})
    (line,) = (line for line in shown(studies, "tiny") if line.startswith("- **[tiny]"))
    assert "1.00 worker-hours on A (5 runs), B (15 runs); at" in line


def test_the_results_describe_each_study(studies: Path) -> None:
    assert in_full(studies, "proxy", "Real data") == (
        "Real data; partial: finqa; rebuilt: fpb; original: gsm8k. "
        "Models: m: 1.05 million parameters, from scratch on 20 million tokens in 0.80 h; "
        "large: org/large, untuned. Explored with seed 42 (not in its grid: pair), confirmed with seeds "
        "7, 8."
    )
    assert in_full(studies, "tiny", "Generated data.").endswith(
        "Explored with seed 42, confirmed with seeds 7, 8."
    )


def test_miniatures_are_called_so(studies: Path) -> None:
    assert MINIATURES in outcome(records(studies, "tiny"))
    manifest = read_json(studies / "tiny/manifest.json")
    manifest["params"]["models"] = {"m": {**LARGE, "reference": False}}
    write_json(studies / "tiny/manifest.json", manifest)
    assert MINIATURES not in outcome(records(studies, "tiny"))


def test_what_held_is_told_in_short_words(studies: Path) -> None:
    proxy, tiny = (in_full(studies, name, "**Held**") for name in ("proxy", "tiny"))
    assert proxy == (
        "**Held**: First (m); Third; Only here. **Did not hold**: Second. **Undecided**: First (n)."
    )
    assert tiny == (
        "**Held**: none. **Did not hold**: Second (contradicted). **Undecided**: First. "
        "**Not tested**: claims 3, 4; Second at length."
    )


def test_the_tasks_at_floor_are_those_of_no_arm_above_it(studies: Path) -> None:
    proxy, tiny = (in_full(studies, name, "**At floor**") for name in ("proxy", "tiny"))
    assert proxy.endswith("beat a blind guess): m: fpb; large: fpb.")
    assert tiny.endswith("beat a blind guess): finqa.")
    comparison = read_json(studies / "tiny/comparison.json")
    comparison["arms"][-1]["flag"] = ""  # one arm is above it
    write_json(studies / "tiny/comparison.json", comparison)
    assert in_full(studies, "tiny", "**At floor**").endswith("beat a blind guess): none.")


def test_documents_put_proxy_before_tiny_and_change_with_a_verdict(studies: Path) -> None:
    reports = studies.parent
    text = "".join("".join(marks(block)) for block in (OUTCOME, OVERVIEW, BENCHMARKS, ERROR_RATES))
    rendered, results = render_readme(text, reports), render_results(studies)
    assert "| claim | proxy | tiny |" in rendered
    assert results.index("## Study proxy") < results.index("## Study tiny")
    claims = read_json(studies / "proxy/claims.json")
    claims["claims"][1]["verdicts"][0]["verdict"] = "contradicted"
    write_json(studies / "proxy/claims.json", claims)
    changed = render_readme(rendered, reports)
    assert "| 2. Second | **contradicted** +0.1" in changed and "| 2. Second | **contra" not in rendered
    assert "1 contradicted (claim 2)" in changed.partition("**tiny**")[0]
    assert render_results(studies) != results
    assert "No study is recorded yet." in render_readme(rendered, reports / "none")


def test_the_order_of_records_is_the_order_of_columns(studies: Path) -> None:
    assert "| claim | tiny | proxy |" in overview(records(studies, "tiny", "proxy"))


def test_a_study_that_was_run_with_adapters_alone_stands_by_them(studies: Path) -> None:
    manifest = read_json(studies / "proxy/manifest.json")
    manifest["params"]["train"]["method"] = "lora"
    write_json(studies / "proxy/manifest.json", manifest)
    text = "".join("".join(marks(block)) for block in (OUTCOME, OVERVIEW, BENCHMARKS, ERROR_RATES))
    rendered = render_readme(text, studies.parent)
    assert "| claim | proxy | tiny |" in rendered
    assert [line.partition("; ")[0][-11:] for line in rendered.splitlines() if "**[proxy]" in line] == [
        "method lora"
    ]
    assert "First" in render_results(studies).partition("## Study proxy")[2].partition("## Study")[0]


def test_a_study_that_tunes_nothing_has_a_line_and_no_column(studies: Path) -> None:
    before = outcome(records(studies, "proxy", "tiny"))
    claims = [claim("four", 4, "Counts models", [row(None, "not tested", reasons=[needs("2 models")])])]
    keep(studies, "untuned", claims, models={"large": LARGE})
    found = records(studies, "proxy", "tiny", "untuned")
    assert outcome(found) == before
    lines = overview(found).splitlines()
    assert not any("untuned" in line for line in lines if line.startswith("|"))
    (line,) = (line for line in lines if line.startswith("- **[untuned]"))
    assert "floor" not in line
    text = render_results(studies).partition("## Study untuned")[2].partition("## Study")[0]
    assert "no claim is tested" in text
    assert "Counts models" not in text
    assert "floor" not in text


def keep_names(runs: Path, number: int, *names: str) -> Path:
    """Write a file of kept runs that says what they are called, and no more."""
    runs.mkdir(parents=True, exist_ok=True)
    facts = json.dumps([{"model": "m", "run": name, "training_key": ""} for name in names])
    draft = runs / "draft"
    pq.write_table(pa.table({"item": ["a"]}).replace_schema_metadata({FACTS: facts}), draft)
    return draft.rename(runs / f"{number:03}-{digest_file(draft)[:SHORT]}.parquet")


def test_a_locked_study_says_how_many_runs_are_kept_until_it_is_recorded(studies: Path) -> None:
    reports, params = studies.parent, study_params("smoke")
    assert list(running_lines(reports)) == []
    write_lock(reports / "locks", params)
    (line,) = running_lines(reports)
    assert line.startswith("- **smoke** is under way: generated data;") and "kept so far: 0;" in line
    keep_names(studies / "smoke/runs", 1, "a", "b")
    changed = keep_names(studies / "smoke/runs", 2, "b", "c")
    assert next(running_lines(reports)) == line.replace("so far: 0", "so far: 3") and DATE in line
    text = "".join("".join(marks(block)) for block in (OUTCOME, OVERVIEW, BENCHMARKS, ERROR_RATES))
    assert "kept so far: 3;" in render_readme(text, reports)
    changed.write_bytes(b"another")
    with pytest.raises(RecordError, match="kept runs were changed"):
        list(running_lines(reports))
    write_json(studies / "smoke/manifest.json", {})
    assert list(running_lines(reports)) == []
