"""Why a claim is not tested, or what a reader must know beside its verdict: a code, and words for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

ReasonCode = Literal[
    "floor",  # nothing that was explored beats a blind guess
    "ceiling",  # all answers of both arms are right
    "format",  # more INVALID answers than the claim allows
    "base_at_chance",  # the untuned model is no better than a blind guess
    "seeds",  # fewer than both arms need
    "needs",  # the study lacks what the claim compares
    "target",  # the same: the task is no target of the study
    "exploratory",  # one seed: no verdict
    "cells",  # how many cells of an explored table were found to differ
    "holm",  # the interval decides, the adjusted p does not
    "partial",  # chosen from a part of the grid: cannot contradict
    "loss",  # not better, and worse by the margin or more
    "some",  # how many tasks gain
    "models",  # with how many models a claim is supported
    "tasks",  # of how many tasks the macro mean is
    "left_out",  # seeds that lack an arm
    "power",  # how surely "not better" would be shown
    "shown",  # which task's effect stands in the row
]
LACKING: tuple[ReasonCode, ...] = ("needs", "target")  # another study could test it
FORBIDDING: tuple[ReasonCode, ...] = ("floor", "ceiling", "format", "base_at_chance", "seeds", *LACKING)
MANY = 2  # forbidding reasons that are told; there may be as many as tasks


class Reason(BaseModel):
    """One reason; ``detail`` are its words, of a lacking one what is lacking."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    code: ReasonCode
    detail: str

    def __str__(self) -> str:
        return f"needs {self.detail}" if self.code in LACKING else self.detail


FLOOR = Reason(code="floor", detail="floor")
CEILING = Reason(code="ceiling", detail="ceiling")
FORMAT = Reason(code="format", detail="format")
BASE_AT_CHANCE = Reason(code="base_at_chance", detail="base at chance")
EXPLORATORY = Reason(code="exploratory", detail="seeds: exploratory")


def needs(what: str) -> Reason:
    """Return that a study lacks ``what``."""
    return Reason(code="needs", detail=what)


def most_telling(reasons: Iterable[Reason]) -> list[Reason]:
    """Return each reason once: what scores forbid (floor, ceiling, format) before what the study lacks."""
    return sorted(dict.fromkeys(reasons), key=lambda reason: reason.code in LACKING)


def told(reasons: Sequence[Reason]) -> str:
    """Return the words of all reasons in order; of many that forbid a test the first two, others counted."""
    forbidding = [reason for reason in reasons if reason.code in FORBIDDING]
    left_out = forbidding[MANY:]
    words = []
    for reason in reasons:
        words += [] if reason in left_out else [str(reason)]
        words += [f"and {len(left_out)} more"] if left_out and reason == forbidding[MANY - 1] else []
    return "; ".join(words)
