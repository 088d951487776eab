"""What every engine does with jobs: the longest first, those of other processes last, failures by name.

People see a bar with the time left, or a line per job where there is no terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Payload = TypeVar("Payload")
# A function of a module, called in a worker process with a payload and whether to wait. Not to wait means:
# raise BusyError if another process is at it; such a job is put off until all others are done.
Work = Callable[[Payload, bool], None]
Outcome = str | None  # why a job failed, "" if it did not, None if another process is at it


@dataclass(frozen=True)
class Job(Generic[Payload]):
    """Work for one process: ``size`` orders the jobs and weights the progress bar."""

    name: str
    size: int
    payload: Payload


HandOut = Callable[[Sequence[Job[Payload]], bool], Iterable[tuple[Job[Payload], Outcome]]]


def in_two_rounds(jobs: Sequence[Job[Payload]], hand_out: HandOut[Payload], *, label: str) -> dict[str, str]:
    """Do all jobs and return the reasons of those that failed, by name.

    Args:
        hand_out: does the jobs that it is given in that order, at once as far as there is room, and yields
            each with its outcome as it ends. It is called once without waiting for other processes, and
            then, with the jobs that others were at, once more with waiting.
        label: what the progress bar says.
    """
    failed: dict[str, str] = {}
    left = list(jobs)
    with _progress(jobs, label) as report:
        for wait in (False, True):
            ordered, left = sorted(left, key=lambda job: (-job.size, job.name)), []
            for job, reason in hand_out(ordered, wait) if ordered else ():
                if reason is None and not wait:
                    left.append(job)
                    continue
                told = "another process is at it, and does not end" if reason is None else reason
                if told:
                    failed[job.name] = told
                report(job, told)
    return failed


@contextmanager
def _progress(jobs: Sequence[Job[Any]], label: str) -> Iterator[Callable[[Job[Any], str], None]]:
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

        def report(job: Job[Any], reason: str) -> None:
            nonlocal finished
            finished += 1
            verdict = f"FAILED: {reason.splitlines()[0]}" if reason else "done"
            line = f"{label}: {finished}/{len(jobs)} {job.name} {verdict}"
            bar.update(task, advance=job.size, last=f"{finished}/{len(jobs)} {job.name}")
            if reason or not console.is_terminal:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield report
