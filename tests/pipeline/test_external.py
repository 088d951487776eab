"""A study of an external model alone, judged by another, as DVC runs it: nothing is asked twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from clone import Clone, copy_work_tree
from endpoint_server import KEY, Said, completion, serve

from cocktail.report.table import read_tables

STUDY = ("model=[gpt_4o]", "judge.backend=endpoint", "judge.model=judge-1", "endpoint.backoff_seconds=0.0")
STUDY += ("study.evaluations=[fpb,financebench]",)


def script(body: dict[str, Any], count: int) -> Said:
    """Busy at first; the judge finds every third answer correct."""
    if count == 0:
        return Said(status=429)
    judged = body["model"] == "judge-1"
    return completion(("INCORRECT", "CORRECT", "INCORRECT")[count % 3] if judged else "positive")


def test_replies_survive_repro_and_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    clone = copy_work_tree(tmp_path / "clone")
    clone.done("cocktail", "params", "smoke", *STUDY)
    with serve(script) as server:
        monkeypatch.setenv("COCKTAIL_ENDPOINT", server.url)
        monkeypatch.setenv("COCKTAIL_ENDPOINT_KEY", KEY)
        clone.done("dvc", "repro", "judge", "report")
        asked = len(server.bodies)
    counts = json.loads((clone.root / "artifacts/judge/counts.json").read_text(encoding="utf-8"))
    assert counts["distinct"] == 15 and {row["run"] for row in counts["runs"]} == {"base"}
    assert "Judge: judge-1." in read_tables(clone.root / "reports/tables")["judge_agreement"].note
    assert not _holding(clone, KEY) and not _holding(clone, server.url)

    monkeypatch.delenv("COCKTAIL_ENDPOINT")
    monkeypatch.delenv("COCKTAIL_ENDPOINT_KEY")
    before = _outputs(clone)
    again = ("dvc", "repro", "--force", "--single-item")  # DVC empties the output first
    clone.done(*again, "explore@gpt_4o")
    clone.done(*again, "judge")
    assert _outputs(clone) == before
    assert len(server.bodies) == asked

    shutil.rmtree(clone.root / ".store")
    failed = clone.run(*again, "explore@gpt_4o")
    assert failed.returncode != 0 and "no endpoint is named" in failed.stderr
    clone.done("dvc", "checkout", "--force")  # what DVC keeps is enough to fill another store
    told = clone.done(
        "cocktail",
        "replies",
        *sorted(name for name in before if name.endswith(("base.parquet", "asked.parquet"))),
    )
    assert told.count("replies are in") == 2
    clone.done(*again, "explore@gpt_4o")
    clone.done(*again, "judge")
    assert _outputs(clone) == before


def _outputs(clone: Clone) -> dict[str, bytes]:
    folders = (clone.root / "artifacts/answers/gpt_4o/explore", clone.root / "artifacts/judge")
    return {
        path.relative_to(clone.root).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted(folder.iterdir())
    }


def _holding(clone: Clone, secret: str) -> list[Path]:
    """Files that hold the secret, of all that a run writes (this test's own source holds the key)."""
    files = [
        path for path in clone.root.rglob("*") if path.is_file() and clone.root / "tests" not in path.parents
    ]
    assert any(".store" in path.parts for path in files)
    return [path for path in files if secret.encode() in path.read_bytes()]
