"""Studies that are locked and still run: without verdicts, so that nobody takes a part for the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cocktail.report.methods import FULL
from cocktail.report.side_by_side import data_kind
from cocktail.runs.kept import read_kept
from cocktail.runs.lock import read_lock

UNTIL = "no verdict before all planned runs are there"


def running_lines(reports: Path) -> Iterator[str]:
    """Yield one line for each lock whose study is not recorded: what it is, and how many runs are kept.

    Args:
        reports: the folder with ``locks`` and, by name of the lock, ``studies``.

    Raises:
        RecordError: a lock is broken, or kept runs were changed.
    """
    for path in sorted((reports / "locks").glob("*.json")):
        record = reports / "studies" / path.stem
        if (record / "manifest.json").is_file():
            continue
        lock = read_lock(path)
        files = (record / "runs").glob("*.parquet")
        kept = {(facts["model"], facts["run"]) for file in files for facts in read_kept(file)}
        method, caps = lock.settings["train"].get("method", FULL), lock.settings["mix"]["caps"]
        models = ", ".join(model.get("repo") or name for name, model in lock.settings["models"].items())
        yield (
            f"- **{lock.study}** is under way: {data_kind(lock.settings)}; {models}, method "
            f"{method}, at most {max(caps.values())} rows a finance source; "
            f"[locked](reports/locks/{path.name}) {lock.date}; runs kept so far: {len(kept)}; {UNTIL}."
        )
