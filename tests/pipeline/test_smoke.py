"""The whole pipeline on the study smoke, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import yaml
from clone import Clone

from cocktail.claims.rows import read_verdicts

EXPLORE = "explore@phi3_smoke"


def test_every_stage_ends_and_the_results_are_there(smoke: Clone) -> None:
    numbers = json.loads((smoke.root / "reports" / "numbers.json").read_text(encoding="utf-8"))
    counts = numbers["phi3_smoke"]["count"]
    assert counts["runs_explored"] == 1 + 7 + 2  # base, seven mixtures of the grid, a tuned single and all
    tuned = counts["runs_confirmed"] - (3 + 2)  # three arms, two controls, one seed
    assert 0 <= tuned <= 2  # the best try of the single, and of all, may be the paper's own recipe
    for kind in ("tables/README.md", "tables/tables.json", "figures/bars_phi3_smoke.svg"):
        assert (smoke.root / "reports" / kind).stat().st_size > 0


def test_every_claim_has_a_verdict(smoke: Clone) -> None:
    stated = yaml.safe_load((smoke.root / "data/reference/claims.yaml").read_text(encoding="utf-8"))["claims"]
    claims = read_verdicts(smoke.root / "reports/claims.json").claims
    assert [claim.id for claim in claims] == [claim["id"] for claim in stated]
    heads = {claim.id: claim.headlines()[0] for claim in claims}
    assert heads["mixture_vs_single"].verdict == "not tested"
    assert heads["mixture_vs_single"].reason.startswith(("seeds", "floor"))
    unmatched = heads["all_vs_steps"].reason  # the floor is told first
    assert unmatched.startswith("floor") or "all in study.confirm_matched" in unmatched
    assert heads["math_reasoning"].reason == "needs a task of group math in study.evaluations"
    shown = smoke.done("dvc", "metrics", "show", "--json")
    assert "undecided" in shown and "not_tested" in shown


def test_every_item_that_is_asked_is_answered_once(smoke: Clone) -> None:
    """Explored runs answer dev and test of all four sets, confirmed ones the test of their target."""
    items = {
        (task, split): set(pd.read_parquet(smoke.root / f"data/prepared/{task}/{split}.parquet")["item"])
        for task in ("fpb", "finqa", "convfinqa", "knowledge")
        for split in ("dev", "test")
    }
    confirmed = {"single_fpb-s101": ["fpb"], "all-s101": ["fpb", "finqa", "convfinqa", "knowledge"]}
    for answers in sorted((smoke.root / "artifacts/answers").glob("*/*/*.parquet")):
        found = pd.read_parquet(answers)["item"]
        wanted = set().union(*items.values())
        if answers.parent.name == "confirm":
            wanted = set().union(*(items[task, "test"] for task in confirmed.get(answers.stem, ["fpb"])))
        elif answers.stem.startswith("tuned_"):
            wanted = items["fpb", "dev"] | items["fpb", "test"]
        elif answers.stem == "pair_fpb_convfinqa":  # it says nothing of what training does to general sets
            wanted -= items["knowledge", "dev"] | items["knowledge", "test"]
        assert found.is_unique and set(found) == wanted, answers


def test_a_second_repro_does_nothing(smoke: Clone) -> None:
    assert "Running stage" not in smoke.done("dvc", "repro")
    assert smoke.done("git", "status", "--porcelain") == ""


def test_a_lost_output_comes_back_with_the_same_bytes_without_training(smoke: Clone) -> None:
    out = smoke.root / "artifacts" / "answers" / "phi3_smoke" / "explore"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    trained = smoke.stored("runs")
    shutil.rmtree(out)
    smoke.done("dvc", "repro", "--force", "--single-item", EXPLORE)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert smoke.stored("runs") == trained
    assert smoke.done("git", "status", "--porcelain") == ""


def test_an_audit_trains_again_what_is_done_and_finds_it_equal(smoke: Clone) -> None:
    trained = smoke.stored("runs")
    drawn, line, *_ = smoke.done("cocktail", "audit", "--runs", "1").splitlines()
    assert drawn == f"drawn with seed 0: 1 of {len(trained)} runs"
    assert "moved by at most 0.0 points, losses equal (must be the same)" in line
    assert smoke.stored("runs") == trained
    assert smoke.done("git", "status", "--porcelain") == ""


def test_a_stage_that_fails_leaves_no_half_output_and_one_message(smoke: Clone) -> None:
    params = smoke.root / "params.yaml"
    kept = params.read_text(encoding="utf-8")
    params.write_text(
        kept.replace("max_quarantine_share: 0.01", "max_quarantine_share: 2.0"), encoding="utf-8"
    )
    try:
        result = smoke.run("dvc", "repro", "prepare")
    finally:
        params.write_text(kept, encoding="utf-8")
    assert result.returncode != 0
    assert "prepare.max_quarantine_share: Input should be less than or equal to 1" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not list((smoke.root / "data" / "prepared").glob("*")), (
        "dvc empties the output, the stage left none"
    )
    smoke.done("dvc", "checkout")


def test_a_variant_trains_only_what_it_changes_and_its_metrics_can_be_compared(smoke: Clone) -> None:
    trained = smoke.stored("runs")
    # One run of explore is all sources; confirm has it at one seed.
    smoke.done(
        "dvc", "exp", "run", "--set-param", "study=smoke", "--set-param", "train.epochs.all=2.0", EXPLORE
    )
    assert len(smoke.stored("runs") - trained) == 1
    smoke.done("dvc", "exp", "run", "--set-param", "study=smoke", "--set-param", "train.epochs.all=2.0")
    table = smoke.done("dvc", "metrics", "diff", "--all", "--md", "HEAD")
    assert "phi3_smoke.accuracy.all" in table.replace("\\", "")
    changed = yaml.safe_load((smoke.root / "params.yaml").read_text(encoding="utf-8"))
    assert changed["train"]["epochs"]["all"] == 2.0
    smoke.done("git", "checkout", "--", ".")
    smoke.done("dvc", "checkout")


def test_a_refactoring_trains_nothing(smoke: Clone) -> None:
    """A comment, another name of a function and of a field, a new field, a moved file, another set asked."""
    trained, answered = smoke.stored("runs"), smoke.stored("answers")
    source = smoke.root / "src/cocktail"
    bases = smoke.stored("bases")

    def edit(name: str, *changes: tuple[str, str]) -> None:
        text = (source / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, (name, old)
            text = text.replace(old, new)
        (source / name).write_text(text, encoding="utf-8")

    (source / "training/pieces.py").rename(source / "training/parts.py")
    for name in ("sft.py", "trainer.py", "proof.py"):
        edit(f"training/{name}", ("training.pieces", "training.parts"))
    edit(
        "training/sft.py",
        ("SCHEDULERS = ", "# a comment\nSCHEDULERS = "),
        ("recipe.max_grad_norm", "recipe.max_norm"),
    )
    edit("training/sft.py", ("def _check_taken", "def _checked"), ("    _check_taken(", "    _checked("))
    edit("training/recipe.py", ("    max_grad_norm: float\n", "    max_norm: float\n"))
    edit("training/recipe.py", ("    devices: int = 1\n", "    devices: int = 1\n    new: bool = False\n"))
    edit("training/base.py", ("max_grad_norm=1.0", "max_norm=1.0"))
    edit("runs/plan.py", ("max_grad_norm=train.max_grad_norm", "max_norm=train.max_grad_norm"))
    edit("training/keys.py", ("recipe.max_grad_norm", "recipe.max_norm"))
    smoke.done("cocktail", "params", "smoke", "study.evaluations=[fpb,finqa,convfinqa,knowledge,gsm8k]")
    smoke.done("dvc", "repro")
    assert smoke.stored("runs") == trained
    assert smoke.stored("bases") == bases
    # The new set is general: base, singles, all and leave-one-out; no tuned single, no matched control.
    assert len(smoke.stored("answers") - answered) == 1 + 4 + 1 + 1 + 1
    smoke.done("git", "checkout", "--", ".")
    smoke.done("git", "clean", "--quiet", "--force", "src")
    smoke.done("dvc", "checkout")


def test_what_another_type_of_cpu_made_is_done(smoke: Clone) -> None:
    """Played: this machine says that it is another; with execute.accept=same_type it trusts itself only."""
    environment = smoke.root / "src/cocktail/training/environment.py"
    text = environment.read_text(encoding="utf-8")
    environment.write_text(text + '\n\ndef cpu_name() -> str:\n    return "another"\n', encoding="utf-8")
    trained, stage = smoke.stored("runs"), ("dvc", "repro", "--single-item", EXPLORE)
    try:
        smoke.done(*stage)
        receipt = smoke.root / "artifacts/answers/phi3_smoke/explore/all.json"
        assert json.loads(receipt.read_text(encoding="utf-8"))["answered_on"] != ["another"]
        assert smoke.stored("runs") == trained
        few = ("-S", "study.include=[single_fpb,all]", "-S", "study.tries=0")
        smoke.done("dvc", "exp", "run", "-S", "study=smoke", "-S", "execute.accept=same_type", *few, EXPLORE)
        assert json.loads(receipt.read_text(encoding="utf-8"))["answered_on"] == ["another"]
    finally:
        smoke.done("git", "checkout", "--", ".")
        smoke.done("dvc", "checkout")


def test_the_same_study_elsewhere_gives_the_same_bytes(smoke: Clone, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    smoke.done("git", "clone", "--quiet", str(smoke.root), str(other))
    second = Clone(other)
    second.done("dvc", "repro", "--force")
    assert second.done("git", "status", "--porcelain") == ""
