"""Recording a study and comparing a fresh one with it; the documents that show records."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import CLAIMS, DATE, ROOT, default_skill, finish_study, study_params, write_lock
from folders import digest_folder

from cocktail.claims.study_lock import study_lock
from cocktail.claims.verdict import RULES
from cocktail.data.grid import Run
from cocktail.errors import RecordError
from cocktail.files.records import read_json, write_json
from cocktail.files.store import Store
from cocktail.report.in_full import NONE, render_results
from cocktail.report.readme import BENCHMARKS, ERROR_RATES, OUTCOME, OVERVIEW, marks, render_readme
from cocktail.studies import record as module
from cocktail.studies.record import differences, record, record_name, verify

pytestmark = pytest.mark.slow

START, END = marks(OVERVIEW)
OTHERS = "".join((*marks(OUTCOME), *marks(BENCHMARKS), *marks(ERROR_RATES)))
EMPTY = f"{OTHERS}{START}{END}"
PARAMS = study_params()
LORA = study_params("smoke", "study.targets=[fpb,finqa]", "method=lora")
# base, mixtures, a tuned try of each target's single and of all; confirmed: fourteen a seed
RUNS = 1 + 15 + 3 + 3 * 14
# Base, four singles, half of six pairs, four without and all have four sets; other pairs three, tuned one;
# of the eleven all and without_open_orca have four, the others their target's.
SETS = 13 * 4 + 3 * 3 + 2 + 2 + 3 * (3 * 4 + 11)


@pytest.fixture(scope="module")
def recorded(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished and recorded study; read only."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copytree(finished_study, folder / "clone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKTAIL_STORE", str(folder / "store"))
        record(folder / "clone/reports", PARAMS)
    return folder / "clone"


@pytest.fixture
def reports(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of a recorded study, to be changed."""
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    shutil.copytree(recorded, tmp_path / "clone")
    return tmp_path / "clone/reports"


def change_metric(reports: Path, points: float) -> None:
    numbers = read_json(reports / "numbers.json")
    numbers["phi3_smoke"]["confirmed"]["fpb"]["all"] += points
    write_json(reports / "numbers.json", numbers)


def test_a_record_holds_results_outcomes_and_manifest(reports: Path) -> None:
    folder = reports / "studies/smoke"
    tables = ("tables/README.md", "tables/tables.json")
    for name in ("claims.json", "numbers.json", *tables, "figures/bars_phi3_smoke.svg"):
        assert (folder / name).read_bytes() == (reports / name).read_bytes()
    items = pd.read_parquet(folder / "items.parquet")
    assert len(items) == SETS * 60  # test rows
    assert len(items) == len(items.drop_duplicates(["model", "stage", "run", "item"]))
    assert set(items.columns) == {
        "model",
        "stage",
        "run",
        "mixture",
        "seed",
        "task",
        "item",
        "cluster",
        "reference_logprob",
        "strict",
        "lenient",
        "knowledge",
    }
    manifest = read_json(folder / "manifest.json")
    assert manifest["params"] == PARAMS.model_dump()
    assert manifest["digests"]["outputs"] == {"data/raw": "0a", "artifacts/base/phi3_smoke": "0b"}
    assert len(manifest["git"]["commit"]) == 40
    assert manifest["hardware"]["cpu"]
    assert manifest["made_on"] == {"cpu": RUNS}
    assert manifest["parameters"] == {"phi3_smoke": {"trainable": 1000, "total": 1000}}
    assert manifest["runtime"] == {
        "runs": RUNS, "runs_with_times": 0, "runs_with_energy": 0,
        "training_seconds": 0, "answering_seconds": 0, "gpu_hours": 0, "watt_hours": None,
        "peak_memory_bytes": 0, "peak_gpu_memory_bytes": None,
        "median_tokens_per_second": None, "median_share_of_ceiling": None,
    }  # fmt: skip


def keep_runtime(
    reports: Path, run: str, *, trained: dict[str, object] | None, answered: dict[str, object] | None
) -> None:
    """Note in the store, as the executor does, what training and each evaluation set of a run cost."""
    receipt = read_json(reports.parent / f"artifacts/answers/phi3_smoke/explore/{run}.json")
    store = Store(reports.parents[1] / "store")
    if trained:
        write_json(store.path("runs", receipt["training_key"]) / "runtime.json", trained)
    for one in receipt["asked"].values() if answered else ():
        write_json(store.path("answers", one["key"]) / "runtime.json", answered)


def test_times_and_energy_come_from_the_store_by_the_receipt(reports: Path) -> None:
    """Of four evaluation sets a run."""
    training, answering = {"seconds": {"training": 3000.0}}, {"seconds": {"answering": 150.0}}
    memory = {"peak_memory_bytes": 5}
    gpu = {"gpus": 4, "peak_gpu_memory_bytes": 70, **memory}
    speed = {"tokens_per_second": 100.0, "share_of_ceiling": 0.1}
    spent, more = {"energy_joules": 4000.0}, {"energy_joules": 350.0}
    keep_runtime(
        reports, "all", trained={**training, **gpu, **speed, **spent}, answered={**answering, **gpu, **more}
    )
    one = {"gpus": 1, "peak_gpu_memory_bytes": 90, **memory}
    faster = {"tokens_per_second": 300.0, "share_of_ceiling": 0.4}
    keep_runtime(
        reports,
        "single_fpb",
        trained={**training, **one, **faster, **spent},
        answered={**answering, **one, **more},
    )
    uncounted = {"gpus": 1, "energy_joules": None, "peak_gpu_memory_bytes": 10, "peak_memory_bytes": 9}
    keep_runtime(reports, "base", trained=None, answered={"seconds": {"answering": 90.0}, **uncounted})
    keep_runtime(  # of an older version
        reports, "single_finqa", trained={**training, **memory}, answered={**answering, **memory}
    )
    keep_runtime(reports, "pair_fpb_finqa", trained={"seconds": {"training": 300.0}, **memory}, answered=None)
    keep_runtime(reports, "without_fpb", trained={"nothing": 0}, answered={"nothing": 0})
    for path in (reports.parents[1] / "store").rglob("runtime.json"):
        if "nothing" in path.read_text():
            path.write_text("")  # after a loss of power
    assert read_json(record(reports, PARAMS) / "manifest.json")["runtime"] == {
        "runs": RUNS, "runs_with_times": 4, "runs_with_energy": 2,
        "training_seconds": 9300, "answering_seconds": 2160, "gpu_hours": 5.1, "watt_hours": 3,
        "peak_memory_bytes": 9, "peak_gpu_memory_bytes": 90,
        "median_tokens_per_second": 200, "median_share_of_ceiling": 0.25,
    }  # fmt: skip


@pytest.fixture(scope="module")
def lora_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of method full with adapters, which answer worse; read only."""

    def skill(run: Run, task: str) -> float:
        return 0.9 * default_skill(run, task)

    root = tmp_path_factory.mktemp("lora")
    finish_study(root, LORA, skill=skill)
    return root


@pytest.fixture
def lora_reports(recorded: Path, lora_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports after ``dvc exp run -S method=lora``, beside the record of method full."""
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    shutil.copytree(lora_study, tmp_path / "clone")
    shutil.copytree(recorded / "reports/studies", tmp_path / "clone/reports/studies")
    return tmp_path / "clone/reports"


def test_each_method_has_its_own_record(lora_reports: Path) -> None:
    studies = lora_reports / "studies"
    full = digest_folder(studies / "smoke")
    assert (record_name(PARAMS), record_name(LORA)) == ("smoke", "smoke-lora")
    assert verify(lora_reports, LORA).startswith("study smoke-lora was never recorded")
    assert record(lora_reports, LORA) == studies / "smoke-lora"
    assert digest_folder(studies / "smoke") == full
    assert read_json(studies / "smoke-lora/manifest.json")["parameters"]["phi3_smoke"]["trainable"] == 50
    assert verify(lora_reports, LORA) == "study smoke-lora: all numbers are exactly those of the record"
    change_metric(lora_reports, 0.01)
    with pytest.raises(RecordError, match="1 numbers or verdicts are not exactly"):
        verify(lora_reports, LORA)


def test_answers_of_another_method_are_not_recorded(lora_reports: Path) -> None:
    full = digest_folder(lora_reports / "studies")
    with pytest.raises(RecordError, match="answers are of method lora, params of full"):
        record(lora_reports, PARAMS)
    assert digest_folder(lora_reports / "studies") == full


def test_methods_stand_under_their_study_and_in_no_second_section(lora_reports: Path) -> None:
    studies = lora_reports / "studies"
    before = render_results(studies)
    assert "Methods" not in before
    record(lora_reports, LORA)
    rendered = render_results(studies)
    head, _, methods = rendered.partition("**Methods: ")
    assert head.rstrip() == before.rstrip()
    assert rendered.count("## Study") == 1
    assert "| phi3_smoke | full | 1000 |" in methods and "| phi3_smoke | lora | 50 |" in methods
    assert "(smoke-lora/manifest.json)" in methods
    shutil.rmtree(studies / "smoke")
    alone = render_results(studies)
    assert "## Study smoke\n" in alone and "Fine-tuned with method lora." in alone and "Methods" not in alone


def test_the_results_tell_gpu_hours_and_energy_where_there_are_gpus(reports: Path) -> None:
    path = reports / "studies/smoke/manifest.json"
    manifest = read_json(path)
    spent = {"training_seconds": 3600.0, "answering_seconds": 1800.0, "gpu_hours": 3.0, "watt_hours": 900.4}

    def line(gpus: list[str], **runtime: object) -> str:
        changed = {"runtime": {"runs": 40, **runtime}, "hardware": {**manifest["hardware"], "gpus": gpus}}
        write_json(path, {**manifest, **changed})
        rendered = render_results(reports / "studies")
        return next(one for one in rendered.splitlines() if one.startswith("40 runs")).split(" on ")[0]

    assert line(["G"], **spent, runs_with_energy=40) == "40 runs, 1.50 worker-hours, 3.00 GPU-hours, 900 Wh"
    assert line(["G"], **spent, runs_with_energy=39).endswith("900 Wh (counted in 39 runs)")
    assert line(["G"], **{**spent, "watt_hours": None}).endswith("3.00 GPU-hours")
    assert line([], **spent, runs_with_energy=40) == "40 runs, 1.50 worker-hours"
    old = {name: spent[name] for name in ("training_seconds", "answering_seconds")}
    assert line(["G"], **old) == "40 runs, 1.50 worker-hours"


def test_equal_numbers_pass(reports: Path) -> None:
    assert "exactly" in verify(reports, PARAMS)


def test_on_the_same_machine_a_hundredth_of_a_point_is_seen(reports: Path) -> None:
    change_metric(reports, 0.01)
    with pytest.raises(RecordError, match=r"confirmed\.fpb\.all: recorded"):
        verify(reports, PARAMS)


def make_elsewhere(reports: Path, what: str = "all") -> None:
    """Let the receipts of runs, or of one, tell of another CPU; or let the record tell of another numpy."""
    if what == "library":
        write_packages(reports, lambda packages: packages | {"numpy": "0.1"})
        return
    paths = sorted((reports.parent / "artifacts/answers").glob("*/*/*-s101.json"))
    for path in paths if what == "all" else paths[:1]:
        receipt = read_json(path)
        part = {"made_on": {"device": "another"}} if what == "one training" else {"answered_on": ["another"]}
        write_json(path, {**receipt, **part})


def write_packages(reports: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    path = reports / "studies/smoke/manifest.json"
    manifest = read_json(path)
    manifest["environment"]["packages"] = change(manifest["environment"]["packages"])
    write_json(path, manifest)


def test_a_lock_with_digests_and_one_more_tool_makes_no_other_machine(reports: Path) -> None:
    """Nor does what the lock does not pin, or a build of the same version for another device."""
    lock = "hypothesis==0.1 \\\n    --hash=sha256:00\nnumpy==1 \\\n    --hash=sha256:01\n"
    (reports.parent / "requirements.lock").write_text(lock, encoding="utf-8")
    own = {"numpy": f"{metadata.version('numpy')}+mkl", "pip": "1", "not-pinned": "1"}
    write_packages(reports, lambda packages: packages | own)
    assert "exactly" in verify(reports, PARAMS)


@pytest.mark.parametrize("what", ["all", "one", "one training", "library"])
def test_on_another_cpu_a_tolerance_holds(reports: Path, what: str) -> None:
    make_elsewhere(reports, what)
    change_metric(reports, module.TOLERANCE_POINTS - 0.1)
    assert "within" in verify(reports, PARAMS)
    change_metric(reports, 0.2)
    with pytest.raises(RecordError, match="1 numbers or verdicts are not within"):
        verify(reports, PARAMS)


def test_the_very_runs_of_a_record_are_compared_exactly_whatever_made_them(reports: Path) -> None:
    """As a clone has them that reads the kept runs; of runs made anew nobody knows which on which machine."""
    make_elsewhere(reports, "one")
    record(reports, PARAMS)
    assert read_json(reports / "studies/smoke/manifest.json")["made_on"] == {"another": 1, "cpu": RUNS}
    assert "exactly" in verify(reports, PARAMS)
    make_elsewhere(reports, "one training")
    assert "within" in verify(reports, PARAMS)


def change_verdict(folder: Path, verdict: str, *, claim: str = "mixture_vs_single") -> None:
    claims = read_json(folder / "claims.json")
    (found,) = (one for one in claims["claims"] if one["id"] == claim)
    found["verdicts"][0]["verdict"] = verdict
    write_json(folder / "claims.json", claims)


def test_on_the_same_machine_every_verdict_and_number_of_a_claim_is_the_same(reports: Path) -> None:
    change_verdict(reports, "not supported")
    with pytest.raises(RecordError, match=r"mixture_vs_single \(phi3_smoke, macro, strict\): recorded"):
        verify(reports, PARAMS)
    shutil.copyfile(reports / "studies/smoke/claims.json", reports / "claims.json")
    claims = read_json(reports / "claims.json")
    claims["claims"][1]["verdicts"][0]["detectable"] += 0.0001
    write_json(reports / "claims.json", claims)
    with pytest.raises(RecordError, match=r"claims\.json differs"):
        verify(reports, PARAMS)


@pytest.mark.parametrize(
    ("was", "now", "allowed"),
    [
        ("supported", "contradicted", False),
        ("contradicted", "supported", False),
        ("supported", "under-powered", True),
        ("not supported", "contradicted", True),
        ("not tested", "supported", True),
    ],
)
def test_on_another_cpu_no_verdict_is_turned_over(reports: Path, was: str, now: str, allowed: bool) -> None:
    make_elsewhere(reports)
    change_verdict(reports / "studies/smoke", was)
    change_verdict(reports, now)
    if allowed:
        assert "within" in verify(reports, PARAMS)
    else:
        with pytest.raises(RecordError, match=f"recorded {was}, fresh {now}"):
            verify(reports, PARAMS)


def test_the_results_show_the_verdicts_of_the_record_and_notice_each_change(reports: Path) -> None:
    folder = reports / "studies/smoke"
    before = render_results(reports / "studies")
    assert before.index("**Verdicts: ") < before.index("**Accuracy on test")
    claims = read_json(folder / "claims.json")
    for claim in claims["claims"]:
        head = claim["verdicts"][0]
        assert f"| {claim['number']}. {claim['title']} | {head['model']} | {head['scope']} |" in before
    change_verdict(folder, "contradicted")
    assert render_results(reports / "studies") != before
    (folder / "claims.json").unlink()
    with pytest.raises(RecordError, match="missing"):
        render_results(reports / "studies")


STANDING = f"rule {max(RULES)}; locked {DATE} at commit cccccccccccc."


def lock_study(reports: Path, **changes: Any) -> None:
    """Let the study have been locked before its runs, and its verdicts say so."""
    digest = write_lock(reports / "locks", PARAMS, **changes)
    answers = reports.parent / "artifacts/answers"
    for index in answers.glob("*/*/index.json"):
        write_json(index, {**read_json(index), "lock": digest})
    lock = study_lock(reports / "locks", answers, reports.parent / CLAIMS.relative_to(ROOT), params=PARAMS)
    assert lock.state == "locked"
    write_json(reports / "claims.json", {**read_json(reports / "claims.json"), "lock": asdict(lock)})


@pytest.fixture
def locked(reports: Path) -> Path:
    """The reports of a study that was locked and recorded."""
    lock_study(reports)
    record(reports, PARAMS)
    return reports


def test_verdicts_say_tier_rule_and_lock_also_where_there_is_none(reports: Path) -> None:
    claims = read_json(reports / "claims.json")
    assert (claims["tier"], claims["rule"]) == ("miniature", max(RULES))
    assert (claims["lock"]["state"], claims["lock"]["reason"]) == ("not locked", "no lock")
    told = f"Tier miniature; rule {max(RULES)}; not locked (no lock)."
    assert told in (reports / "tables/README.md").read_text(encoding="utf-8")
    assert told in render_results(reports / "studies")


def test_a_record_keeps_its_claims_and_its_lock(locked: Path) -> None:
    folder = locked / "studies/smoke"
    assert (folder / "claims.yaml").read_bytes() == CLAIMS.read_bytes()
    assert (folder / "lock.json").read_bytes() == (locked / "locks/smoke.json").read_bytes()
    assert verify(locked, PARAMS) == "study smoke: all numbers are exactly those of the record"
    assert STANDING in render_results(locked / "studies")
    standing = f"miniature, rule {max(RULES)}, locked {DATE}"
    assert f"| tier, rule, lock | {standing} |" in render_readme(EMPTY, locked)


def test_a_lock_that_is_not_that_of_the_verdicts_is_seen(locked: Path) -> None:
    folder = locked / "studies/smoke"
    claims = (folder / "claims.yaml").read_text(encoding="utf-8")
    (folder / "claims.yaml").write_text(claims.replace("margin: ", "margin: 1"), encoding="utf-8")
    with pytest.raises(RecordError, match="is not what was locked"):
        verify(locked, PARAMS)
    (folder / "claims.yaml").unlink()
    with pytest.raises(RecordError, match=r"claims\.yaml of the record is missing"):
        verify(locked, PARAMS)
    write_lock(locked / "locks", PARAMS, date="2030-02-01")
    shutil.copyfile(locked / "locks/smoke.json", folder / "lock.json")
    with pytest.raises(RecordError, match="is not the lock that its verdicts name"):
        verify(locked, PARAMS)


def test_a_renewed_or_missing_lock_is_told_and_is_no_difference(locked: Path) -> None:
    lock_study(locked, date="2030-02-01")
    tier = f"miniature, rule {max(RULES)}"
    told = f"the record is {tier}, locked {DATE}, the fresh study {tier}, locked 2030-02-01"
    assert verify(locked, PARAMS).endswith(f"those of the record; {told}")
    claims = read_json(locked / "claims.json")
    claims["lock"] |= {"state": "not locked", "reason": "claims changed"}
    write_json(locked / "claims.json", claims)
    assert verify(locked, PARAMS).endswith(f"the fresh study {tier}, not locked (claims changed)")


def change_claims(reports: Path) -> None:
    """Another margin in claims.yaml; a claim that only the record has, and one that it has not."""
    path = reports.parent / CLAIMS.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("margin: ", "margin: 1", 1), encoding="utf-8")
    claims = read_json(reports / "claims.json")
    (gone,) = (one for one in claims["claims"] if one["id"] == "mixture_vs_single")
    gone["id"] = "a_new_one"
    write_json(reports / "claims.json", claims)


def test_where_claims_changed_rows_that_both_have_are_compared(locked: Path) -> None:
    change_claims(locked)
    told = verify(locked, PARAMS)
    assert told.startswith("study smoke: all numbers are exactly those of the record; claims.yaml is not")
    (kept,) = (one for one in read_json(locked / "claims.json")["claims"] if one["number"] == 4)
    change_verdict(locked, "contradicted", claim=kept["id"])
    with pytest.raises(RecordError, match=rf"(?s)1 numbers or verdicts.*{kept['id']}"):
        verify(locked, PARAMS)


def test_claims_in_a_form_of_another_version_are_other_claims(locked: Path) -> None:
    copy = locked / "studies/smoke/claims.yaml"
    copy.write_text("claims: {of: another form}\n", encoding="utf-8")
    assert "claims.yaml is not that of the record" in verify(locked, PARAMS)


def test_verdicts_of_another_rule_are_not_compared_and_numbers_are(reports: Path) -> None:
    recorded = reports / "studies/smoke"
    write_json(recorded / "claims.json", {**read_json(recorded / "claims.json"), "rule": 1})
    change_verdict(recorded, "contradicted")
    told = f"the record's stand under rule 1, the fresh ones under rule {max(RULES)}"
    assert verify(reports, PARAMS).endswith(f"; verdicts are not compared: {told}")
    change_metric(reports, 0.01)
    with pytest.raises(RecordError, match="1 numbers or verdicts are not exactly"):
        verify(reports, PARAMS)


def test_counts_missing_and_new_numbers_are_never_tolerated() -> None:
    fresh = {"m": {"count": {"test_items": 3}, "a": 1.0, "new": 1.0}}
    recorded = {"m": {"count": {"test_items": 4}, "a": 2.0, "old": 1.0}}
    assert differences(fresh, recorded, tolerance=5) == [
        "m.new: not in the record",
        "m.old: not in the fresh numbers",
        "m.count.test_items: recorded 4, fresh 3",
    ]


def test_a_variant_and_an_unrecorded_study_say_so(reports: Path) -> None:
    variant = study_params("smoke", "study.targets=[fpb,finqa]", "train.learning_rate=5.0e-4")
    assert re.search(r"train\.learning_rate: \S+ → 0\.0005", verify(reports, variant))
    shutil.rmtree(reports / "studies")
    assert "never recorded" in verify(reports, PARAMS)


def test_reports_of_another_study_are_not_recorded(reports: Path) -> None:
    with pytest.raises(RecordError, match="'smoke', params of 'tiny'"):
        record(reports, study_params("tiny", "study.name=tiny"))


def test_what_is_missing_is_said(reports: Path) -> None:
    (reports.parent / "dvc.lock").unlink()
    with pytest.raises(RecordError, match=r"no dvc\.lock"):
        record(reports, PARAMS)


def test_documents_come_from_recorded_studies_only(reports: Path) -> None:
    text = f"{OTHERS}before\n{START}\nworn out\n{END}\nafter\n"
    rendered = render_readme(text, reports)
    assert f"before\n{START}\n" in rendered and rendered.endswith(f"{END}\nafter\n")
    assert "- **[smoke](reports/studies/README.md#study-smoke)**: " in rendered and "worn out" not in rendered
    assert render_readme(rendered, reports) == rendered
    results = render_results(reports / "studies")
    assert "## Study smoke\n" in results and "| fpb |" in results
    assert NONE in render_readme(text, reports / "none") and NONE in render_results(reports / "none")


@pytest.mark.parametrize("text", ["nothing", f"{END}{START}", f"{START}{START}{END}", f"{START}{END}"])
def test_a_readme_without_its_marks_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="the document needs one"):
        render_readme(text, tmp_path)
