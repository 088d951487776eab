"""Killed or told to stop at random moments: the same command again ends with the same bytes, nothing twice.

Moments are counted in what the store gained, not in seconds: a machine with other work is only slower.
Stages without workers are struck at a random moment of the time that they took undisturbed.
``COCKTAIL_KILLS=10 python -m pytest tests/pipeline/test_kill.py`` strikes so often in each of all stages.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import psutil
import pytest
import yaml
from clone import ROOT, Clone, copy_work_tree
from processes import line_of, relatives

from cocktail.files.store import Store

KILLS = max(1, int(os.environ.get("COCKTAIL_KILLS", "3")))  # in each stage
SEED = int(os.environ.get("COCKTAIL_KILL_SEED", "5"))
STAGES = ("explore", "confirm")  # the second goes on in the list of blows where the first has ended
MODEL = "phi3_smoke"
OF_MODEL = ("base", "choose", *STAGES)
WITHOUT_WORKERS = ("fetch", "prepare", "mix", "base", "choose", "score", "judge", "analyze", "report")
DRILLED = WITHOUT_WORKERS if "COCKTAIL_KILLS" in os.environ else ("mix",)
BLOWS = (
    ("worker", signal.SIGKILL),
    ("everything", signal.SIGTERM),
    ("stage", signal.SIGKILL),
    ("dvc", signal.SIGTERM),
    ("worker", signal.SIGTERM),
    ("everything", signal.SIGKILL),
    ("stage", signal.SIGTERM),
)
LATEST = 8  # checkpoints and entries after the workers came; several blows fall into one study
ENDED = "had ended"
ALL_DONE = re.compile(r"\b(\d+)/\1 \S+ done\s*$")  # what came after it may have been the end itself
QUIET = 900.0  # seconds within which the processes must be gone: ten times what they take


@pytest.fixture(scope="module")
def killed(smoke: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The study smoke, ended but for runs and their answers; with a checkpoint at every logged step."""
    clone = copy_work_tree(tmp_path_factory.mktemp("killed"))
    params = yaml.safe_load((clone.root / "params.yaml").read_text(encoding="utf-8"))
    params["execute"]["checkpoint_minutes"] = 0.0
    (clone.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copy2(smoke.root / "dvc.lock", clone.root / "dvc.lock")
    shutil.copytree(smoke.root / ".dvc" / "cache", clone.root / ".dvc" / "cache")
    for folder in ("data", "artifacts", "reports"):
        shutil.copytree(smoke.root / folder, clone.root / folder, dirs_exist_ok=True)
    for stage in STAGES:
        shutil.rmtree(clone.root / "artifacts/answers" / MODEL / stage)
    return clone


def blows_at(stage: str) -> list[tuple[str, signal.Signals]]:
    first = STAGES.index(stage) * KILLS
    return [BLOWS[number % len(BLOWS)] for number in range(first, first + KILLS)]


def test_every_kind_of_victim_is_struck() -> None:
    struck = {victim for stage in STAGES for victim, _ in blows_at(stage)}
    assert struck == {"worker", "stage", "everything", "dvc"} or KILLS < 2


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_ends_with_the_same_bytes(smoke: Clone, killed: Clone, stage: str) -> None:
    chance = random.Random(f"{SEED} {stage}")
    name = f"{stage}@{MODEL}"
    out = Path("artifacts/answers") / MODEL / stage
    finished: dict[Path, float] = {}
    told: list[str] = []
    hits = 0
    while hits < KILLS:
        assert len(told) < 6 * KILLS, f"hardly a blow hits: {told}"
        victim, blow = blows_at(stage)[hits]
        gained = chance.randrange(LATEST)
        struck = strike_once(killed, name, victim=victim, blow=blow, gained=gained, lag=chance.random())
        told.append(struck)
        assert not (killed.root / ".store" / "broken").exists()
        entries = whole_entries(killed)
        assert {path: entries.get(path) for path in finished} == finished, "a finished run was made again"
        finished = entries
        ended = ENDED in struck
        assert not ended or (killed.root / out).exists()
        assert not (killed.root / out).exists() or contents(killed.root / out) == contents(smoke.root / out)
        if ended:  # nothing is left to disturb: begin anew
            shutil.rmtree(killed.root / ".store")
            finished = {}
        hits += not ended
    killed.done("dvc", "repro", "--force", "--single-item", name)
    assert contents(killed.root / out) == contents(smoke.root / out), told
    entries = whole_entries(killed)
    assert {path: entries.get(path) for path in finished} == finished, "a finished run was made again"
    assert not list((killed.root / ".store" / "checkpoints").rglob("checkpoint-*"))
    assert entries
    print(f"{name}: {told}, {len(finished)} entries before the last go, {len(entries)} after")


def test_every_stage_can_be_drilled() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert sorted([*STAGES, *WITHOUT_WORKERS]) == sorted(stages)


@pytest.mark.slow
@pytest.mark.parametrize("stage", DRILLED)
def test_a_killed_stage_without_workers_ends_with_the_same_bytes(
    smoke: Clone, killed: Clone, stage: str
) -> None:
    chance = random.Random(f"{SEED} {stage}")
    name = f"{stage}@{MODEL}" if stage in OF_MODEL else stage
    for trained in STAGES:  # what the stages after them read
        answers = Path("artifacts/answers") / MODEL / trained
        shutil.copytree(smoke.root / answers, killed.root / answers, dirs_exist_ok=True)
    locked = yaml.safe_load((smoke.root / "dvc.lock").read_text(encoding="utf-8"))["stages"][name]["outs"]
    outs = [Path(out["path"]) for out in locked]
    expected = files_of(smoke, outs)
    shutil.rmtree(killed.root / ".store", ignore_errors=True)
    since = time.monotonic()
    killed.done("dvc", "repro", "--force", "--single-item", name)
    took = time.monotonic() - since
    assert expected and files_of(killed, outs) == expected
    shutil.rmtree(killed.root / ".store", ignore_errors=True)  # a base that is kept is not made again
    told: list[str] = []
    hits = misses = 0
    while hits < KILLS:
        assert len(told) < 6 * KILLS, f"hardly a blow hits: {told}"
        victim = ("stage", "everything")[hits % 2]
        lag = chance.uniform(0.0, took * (0.8**misses if victim == "stage" else 1.0))  # DVC outlives it
        told.append(strike_once(killed, name, victim=victim, blow=signal.SIGKILL, gained=0, lag=lag))
        found = {path: data for path, data in files_of(killed, outs).items() if not is_draft(path)}
        assert {path: expected.get(path) for path in found} == found, told
        if ENDED in told[-1]:
            misses += victim == "stage"
            shutil.rmtree(killed.root / ".store", ignore_errors=True)
        else:
            hits += 1
    killed.done("dvc", "repro", "--force", "--single-item", name)
    assert files_of(killed, outs) == expected, told
    drafts = [path for out in outs for path in (killed.root / out).parent.glob(f".{out.name}.*.tmp")]
    assert drafts == [], told
    print(f"{name}: {told}")


def files_of(clone: Clone, outs: Sequence[Path]) -> dict[Path, bytes]:
    """The files of a stage's outputs with their bytes, as far as they are there."""
    found = {}
    for out in outs:
        path = clone.root / out
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        found.update({each.relative_to(clone.root): each.read_bytes() for each in files})
    return found


def is_draft(path: Path) -> bool:
    """Whether a file is, or lies in, what a killed process was writing; the next go removes it."""
    return any(part.startswith(".") and part.endswith(".tmp") for part in path.parts)


def strike_once(
    clone: Clone, stage: str, *, victim: str, blow: signal.Signals, gained: int, lag: float
) -> str:
    """Start the stage, strike ``lag`` seconds after the store gained so much, wait until all is quiet.

    A kill while DVC writes its lock leaves half of it: that is mended, and said.
    """
    before = marks(clone)
    with TemporaryFile("w+") as told:
        command = subprocess.Popen(
            ["dvc", "repro", "--force", "--single-item", stage],
            cwd=clone.root,
            env=clone.environment(),
            stdout=told,
            stderr=told,
        )
        family = psutil.Process(command.pid)
        script = f"stages/{stage.split('@')[0]}.py"
        while not begun(family, script) and command.poll() is None:
            time.sleep(0.2)  # each look reads all of /proc
        while len(marks(clone) - before) < gained and command.poll() is None:
            time.sleep(0.03)
        time.sleep(lag)
        over = command.poll() is not None
        everyone = [] if over else relatives(family)
        chosen = {
            "worker": workers_of(family)[:1],
            "stage": scripts_of(family, script)[-1:],
            "dvc": everyone[:1],
            "everything": everyone,
        }[victim]
        for process in chosen:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(blow)
        code = command.wait(timeout=QUIET)
        _, alive = psutil.wait_procs(everyone, timeout=QUIET)
        for process in alive:
            process.kill()
        assert alive == []
        told.seek(0)
        said = told.read()
    torn = ", dvc.lock torn" if "is not whole" in clone.done("cocktail", "mend") else ""
    what = f"{blow.name} to {victim} {lag:.1f} s after {gained} marks"
    if over or not chosen:
        assert code == 0, f"it failed by itself: {said}"
    if code == 0:
        return f"{what}: {ENDED}"
    if blow == signal.SIGTERM and victim != "worker" and not ALL_DONE.search(said):
        assert "stopped by SIGTERM" in said, said
    kept = len(list((clone.root / ".store" / "checkpoints").rglob("complete.json")))
    return f"{what}, {kept} checkpoints{torn}"


def marks(clone: Clone) -> set[Path]:
    """What tells how far a stage is: checkpoints and entries."""
    names = {"complete.json", "digests.json"}
    walked = os.walk(clone.root / ".store")  # folders may go while it walks
    return {Path(folder, name) for folder, _, files in walked for name in names.intersection(files)}


def begun(family: psutil.Process, script: str) -> list[psutil.Process]:
    """What the strike waits for: the workers of a stage that has some, the stage itself otherwise."""
    trains = Path(script).stem in STAGES
    return workers_of(family) if trains else scripts_of(family, script)


def scripts_of(family: psutil.Process, script: str) -> list[psutil.Process]:
    """The stage, and before it the shell that started it where there is one."""
    return [one for one in relatives(family) if script in line_of(one)]


def workers_of(family: psutil.Process) -> list[psutil.Process]:
    """Children of the fork server."""
    servers = [one for one in relatives(family) if "multiprocessing.forkserver" in line_of(one)]
    return [child for server in servers for child in relatives(server)[1:]]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def whole_entries(clone: Clone) -> dict[Path, float]:
    """All entries of the store with the time they were made; each is checked against its digests."""
    store = Store(clone.root / ".store")
    found = {}
    for kind in ("runs", "answers"):
        for entry in sorted((store.root / kind).glob("*/*")):
            if entry.name.startswith("."):
                continue  # a draft that was being written; the next go does not look at it
            assert store.have(kind, entry.name) == entry
            found[entry] = (entry / "digests.json").stat().st_mtime
    return found
