"""What people see of many jobs: a bar with the time left, or a line per job where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Sized(Protocol):
    """What the bar needs of a job."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...


@contextmanager
def progress(jobs: Sequence[Sized], label: str) -> Iterator[Callable[[Sized, str], None]]:
    """Yield a function to call after each job with the reason why it failed, "" if it did not."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=sum(job.size for job in jobs), last="")
        finished = 0

        def report(job: Sized, reason: str) -> None:
            nonlocal finished
            finished += 1
            verdict = f"FAILED: {reason.splitlines()[0]}" if reason else "done"
            line = f"{label}: {finished}/{len(jobs)} {job.name} {verdict}"
            bar.update(task, advance=job.size, last=f"{finished}/{len(jobs)} {job.name}")
            if reason or not console.is_terminal:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield report
