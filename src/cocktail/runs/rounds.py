"""What every engine does with jobs: the longest first, those of other processes last, failures by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cocktail.runs.progress import progress

Payload = TypeVar("Payload")
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
    ordered = sorted(jobs, key=lambda job: (-job.size, job.name))
    with progress(jobs, label) as report:
        for wait in (False, True):
            put_off: list[Job[Payload]] = []
            for job, reason in hand_out(ordered, wait) if ordered else ():
                if reason is None and not wait:
                    put_off.append(job)
                    continue
                told = "another process is at it, and does not end" if reason is None else reason
                if told:
                    failed[job.name] = told
                report(job, told)
            ordered = sorted(put_off, key=lambda job: (-job.size, job.name))
    return failed
