"""Locks of studies: what they fix, what they leave open, and when a study is locked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers_fixture import CLAIMS, COMMIT, DATE, IDENTITY, ROOT, study_params, write_lock

from cocktail.claims.schema import read_claims
from cocktail.claims.study_lock import claims_digest, lock_study, study_lock
from cocktail.claims.verdict import RULES
from cocktail.config import LockState, Params
from cocktail.errors import RecordError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.runs.lock import FREE, STAGES, lock_path, locked_params, present_lock, read_lock

TARGETS = "study.targets=[fpb,finqa]"
PARAMS = study_params("smoke", TARGETS)
MODEL = "phi3_smoke"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A locked study as far as a lock is asked: claims, lock, and the lists of answers that note it."""
    (tmp_path / "claims.yaml").write_bytes(CLAIMS.read_bytes())
    note(tmp_path, write_lock(tmp_path / "locks", PARAMS))
    return tmp_path


def note(root: Path, digest: str, stages: tuple[str, ...] = STAGES) -> None:
    """Let stages have noted a lock."""
    for stage in stages:
        write_json(root / "answers" / MODEL / stage / "index.json", {"runs": [], "lock": digest})


def state(root: Path, params: Params = PARAMS) -> LockState:
    return study_lock(root / "locks", root / "answers", root / "claims.yaml", params=params)


def test_a_study_that_fits_its_lock_is_locked(root: Path) -> None:
    assert state(root) == LockState("locked", "", digest_file(root / "locks/smoke.json"), COMMIT, DATE)


def change_claims(root: Path, change: str) -> None:
    """Write claims.yaml anew: in another order and layout, with a comment, with another margin."""
    path = root / "claims.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if change == "margin":
        raw["claims"][0]["margin"] += 0.5
    if change == "order":
        raw["claims"] = [dict(reversed(claim.items())) for claim in reversed(raw["claims"])]
    comment = "# a remark\n" if change == "comment" else ""
    path.write_text(comment + yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize("change", ["comment", "order"])
def test_comments_layout_and_order_of_claims_do_not_matter(root: Path, change: str) -> None:
    before = (root / "claims.yaml").read_bytes()
    change_claims(root, change)
    assert (root / "claims.yaml").read_bytes() != before
    assert state(root).state == "locked"


def test_another_margin_unlocks(root: Path) -> None:
    change_claims(root, "margin")
    assert (state(root).state, state(root).reason) == ("not locked", "claims changed")
    assert state(root).date == DATE  # which lock does not fit is told


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("mix.caps.fpb=99", "mix.caps.fpb: 48 → 99"),
        ("compare.confidence=0.9", "compare.confidence: 0.95 → 0.9"),
        ("study.tier=paper", "study.tier: None → paper"),
        ("study.confirm_seeds=[7]", "study.confirm_seeds: [101, 102, 103] → [7]"),
        ("endpoint.max_tokens=7", "endpoint.max_tokens: 256 → 7"),
        ("train.gradient_accumulation_steps=2", "train.rows_per_step: 8 → 16"),
    ],
)
def test_what_decides_results_unlocks(root: Path, override: str, told: str) -> None:
    found = state(root, study_params("smoke", TARGETS, override))
    assert (found.state, found.reason) == ("not locked", f"params changed: {told}")


@pytest.mark.parametrize(
    "overrides",
    [
        ["execute.workers=3", "execute.keep_weights=none"],
        ["answer.batch_size=7"],
        ["endpoint.concurrency=1", "endpoint.tries=1", "endpoint.timeout_seconds=1"],
        ["fetch.mirror=/elsewhere"],
        ["train.batch_size=4", "train.gradient_accumulation_steps=2"],
        ["train.attention=sdpa", "train.checkpointing=always"],
    ],
)
def test_what_only_a_machine_hangs_on_does_not(root: Path, overrides: list[str]) -> None:
    changed = study_params("smoke", TARGETS, *overrides)
    assert changed != PARAMS
    assert state(root, changed).state == "locked"


def test_every_free_key_is_one_of_params() -> None:
    """One that was renamed would be locked without a word."""
    params = PARAMS.model_dump()
    for key in FREE:
        section, _, name = key.partition(".")
        assert name in params[section] if name else section in params, key


def test_what_is_at_its_default_is_absent() -> None:
    """So an option that is new, and off, unlocks no study."""
    assert PARAMS.study.tier == "miniature" and "tier" not in locked_params(PARAMS)["study"]
    assert "share_prefixes" in PARAMS.model_dump()["execute"] and "execute" not in locked_params(PARAMS)


def test_a_long_list_of_changes_is_cut_and_counted(root: Path) -> None:
    reason = state(root, study_params("tiny", "study.name=smoke")).reason
    assert reason.startswith("params changed: ") and reason.count("→") == 5
    assert int(reason.rpartition("; and ")[2].removesuffix(" more")) > 5


def test_a_lock_of_another_rule_does_not_fit(root: Path) -> None:
    note(root, write_lock(root / "locks", PARAMS, rule=max(RULES) - 1))
    assert state(root).reason == f"rule changed: {max(RULES) - 1} → {max(RULES)}"


def test_a_lock_of_another_study_does_not_fit(root: Path) -> None:
    note(root, write_lock(root / "locks", PARAMS, study="tiny"))
    assert state(root).reason == "the lock is of study tiny"


def test_each_method_has_its_own_lock(root: Path) -> None:
    lora = study_params("smoke", "method=lora")
    assert state(root, lora) == LockState("not locked", "no lock")
    assert present_lock(root / "locks", lora) == ""
    digest = write_lock(root / "locks", lora)
    assert lock_path(root / "locks", lora).name == "smoke-lora.json"
    assert present_lock(root / "locks", lora) == digest != present_lock(root / "locks", PARAMS)


def test_a_lock_that_came_after_the_runs_says_so(root: Path) -> None:
    note(root, "", ("confirm",))
    assert state(root).reason == f"made after the runs: confirm {MODEL}"
    write_json(root / "answers" / MODEL / "explore/index.json", {"runs": []})  # of an older version
    assert state(root).reason == f"made after the runs: explore {MODEL}, confirm {MODEL}"


def test_runs_under_another_lock_are_not_locked_by_this_one(root: Path) -> None:
    write_lock(root / "locks", PARAMS, pilots=["one more"])
    assert state(root).reason == f"another lock was there when these ran: explore {MODEL}, confirm {MODEL}"


def broken(lock: dict[str, Any], how: str) -> str:
    if how == "cut short":
        return json.dumps(lock)[:100]
    if how == "no lock":
        return "[]"
    if how == "settings":
        lock["settings"]["mix"]["caps"]["fpb"] = 99
    elif how == "key":
        del lock["rule"]
    else:
        lock["date"] = "yesterday"
    return json.dumps(lock)


@pytest.mark.parametrize("how", ["cut short", "no lock", "settings", "key", "date"])
def test_a_broken_lock_is_an_error_that_names_the_file(root: Path, how: str) -> None:
    path = root / "locks/smoke.json"
    path.write_text(broken(read_json(path), how), encoding="utf-8")
    for ask in (lambda: state(root), lambda: present_lock(root / "locks", PARAMS)):
        with pytest.raises(RecordError, match="lock") as caught:
            ask()
        assert caught.value.where == str(path) and "git checkout" in caught.value.fix


def test_the_claims_stage_runs_again_where_a_locked_param_changes() -> None:
    listed = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["analyze"]["params"]
    locked = {(section, name) for section, found in locked_params(PARAMS).items() for name in found} - {
        ("train", "rows_per_step")
    }
    unlisted = [f"{one}.{name}" for one, name in locked if not {one, f"{one}.{name}"} & set(listed)]
    assert locked and unlisted == []


# cocktail lock


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with committed claims."""
    (tmp_path / "claims.yaml").write_bytes(CLAIMS.read_bytes())
    for command in (["init", "-q"], ["add", "."], [*IDENTITY, "commit", "-qm", "made up"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def make(clone: Path, *pilots: str, params: Params = PARAMS, renew: bool = False) -> str:
    out = lock_path(clone / "locks", params)
    return lock_study(clone, params, claims=clone / "claims.yaml", out=out, pilots=pilots, renew=renew)


def test_the_command_writes_a_lock_that_fits(clone: Path) -> None:
    said = make(clone, "one pilot")
    assert "smoke.json is the lock of study smoke; commit it, and what cocktail readme renews" in said
    lock = read_lock(clone / "locks/smoke.json")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True)
    assert (lock.pilots, lock.commit) == (["one pilot"], head.stdout.strip())
    assert (lock.claims, lock.rule) == (claims_digest(read_claims(CLAIMS)), max(RULES))
    note(clone, present_lock(clone / "locks", PARAMS))
    assert state(clone).state == "locked"


def test_a_lock_is_replaced_by_renew_only_and_what_differs_is_said(clone: Path) -> None:
    make(clone, "one pilot")
    path = clone / "locks/smoke.json"
    before = path.read_bytes()
    assert "left as it is" in make(clone) and "left as it is" in make(clone, "one pilot", renew=True)
    changed = study_params("smoke", TARGETS, "mix.caps.fpb=99")
    with pytest.raises(RecordError) as caught:
        make(clone, "another pilot", params=changed)
    assert "mix.caps.fpb: 48 → 99" in caught.value.what and "another pilot" in caught.value.what
    assert "--renew" in caught.value.fix and path.read_bytes() == before
    make(clone, "another pilot", params=changed, renew=True)
    assert read_lock(path).pilots == ["one pilot", "another pilot"]
    assert read_lock(path).settings == locked_params(changed)


@pytest.mark.parametrize("staged", [False, True])
def test_claims_that_are_not_committed_are_not_locked(clone: Path, staged: bool) -> None:
    change_claims(clone, "comment")
    (clone / "params.yaml").write_text("may be new\n", encoding="utf-8")
    if staged:
        subprocess.run(["git", "add", "claims.yaml"], cwd=clone, check=True)
    with pytest.raises(RecordError, match="changed since"):
        make(clone)
    assert not (clone / "locks").exists()
    subprocess.run(["git", *IDENTITY, "commit", "-qm", "claims", "claims.yaml"], cwd=clone, check=True)
    assert "is the lock" in make(clone)
