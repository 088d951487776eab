"""``kill -9`` at random moments: the same command again ends with the same bytes, and nothing is done twice.

``COCKTAIL_KILLS=10 python -m pytest tests/pipeline/test_kill.py`` walks as many points in each stage.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml
from clone import Clone, copy_work_tree

from cocktail.store import Store

KILLS = int(os.environ.get("COCKTAIL_KILLS", "3"))
SEED = int(os.environ.get("COCKTAIL_KILL_SEED", "5"))
VICTIMS = ("worker", "stage", "everything")
LATEST = 6.0  # seconds after the workers came; several kills fall into one study
ENDED = "had ended"
QUIET = 60.0  # seconds within which killed processes must be gone


@pytest.fixture(scope="module")
def killed(smoke: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The study smoke with an empty run store, and a checkpoint at every logged step."""
    clone = copy_work_tree(tmp_path_factory.mktemp("killed"))
    params = yaml.safe_load((clone.root / "params.yaml").read_text(encoding="utf-8"))
    params["execute"]["checkpoint_minutes"] = 0.0
    (clone.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copy2(smoke.root / "dvc.lock", clone.root / "dvc.lock")
    shutil.copytree(smoke.root / ".dvc" / "cache", clone.root / ".dvc" / "cache")
    for folder in ("data/raw", "data/prepared", "artifacts/mixtures", "artifacts/base", "artifacts/selected"):
        shutil.copytree(smoke.root / folder, clone.root / folder, dirs_exist_ok=True)
    return clone


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["explore", "confirm"])
def test_a_killed_stage_ends_with_the_same_bytes(smoke: Clone, killed: Clone, stage: str) -> None:
    chance = random.Random(f"{SEED} {stage}")
    name = f"{stage}@phi3_smoke"
    out = Path("artifacts/answers/phi3_smoke") / stage
    finished: dict[Path, float] = {}
    told: list[str] = []
    hits = 0
    while hits < KILLS:
        assert len(told) < 4 * KILLS, f"hardly a kill hits; the machine is too fast for its times: {told}"
        victim = VICTIMS[hits % len(VICTIMS)]
        told.append(kill_once(killed, name, victim=victim, after=chance.uniform(0.0, LATEST)))
        entries = whole_entries(killed)
        assert {path: entries.get(path) for path in finished} == finished, "a finished run was made again"
        finished = entries
        ended = ENDED in told[-1]
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


def kill_once(clone: Clone, stage: str, *, victim: str, after: float) -> str:
    """Start the stage, kill ``victim`` so many seconds after its workers came, wait until all is quiet.

    A kill while DVC writes its lock leaves half of it: that is mended, and said.
    """
    environment = clone.environment()
    command = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", stage],
        cwd=clone.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    family = psutil.Process(command.pid)
    while not workers_of(family) and command.poll() is None:
        time.sleep(0.05)
    end = time.monotonic() + after
    while time.monotonic() < end and command.poll() is None:
        time.sleep(0.02)
    everyone = relatives(family)
    chosen = {
        "worker": workers_of(family)[:1],
        "stage": [one for one in everyone if f"stages/{stage.split('@')[0]}.py" in line_of(one)][-1:],
        "everything": everyone,
    }[victim]
    for process in chosen:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    command.wait(timeout=QUIET)
    _, alive = psutil.wait_procs(everyone, timeout=QUIET)
    assert alive == []
    mended = clone.done("cocktail", "mend")
    note = ", dvc.lock torn" if "is not whole" in mended else ""
    return f"{victim} after {after:.1f} s{note}" if chosen else f"{victim}: {ENDED}"


def relatives(family: psutil.Process) -> list[psutil.Process]:
    try:
        return [family, *family.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def workers_of(family: psutil.Process) -> list[psutil.Process]:
    """Children of the fork server."""
    servers = [one for one in relatives(family) if "multiprocessing.forkserver" in line_of(one)]
    return [child for server in servers for child in relatives(server)[1:]]


def line_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


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
