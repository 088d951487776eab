"""Why a claim is not tested, or what a reader must know beside its verdict: a code, and words for it."""

from __future__ import annotations

import re
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
    "tries",  # older records: tries in place of seeds
    "more",  # older records: how many reasons were not written
    "note",  # older records: anything else
]
LACKING: tuple[ReasonCode, ...] = ("needs", "target")  # another study could test it
FORBIDDING: tuple[ReasonCode, ...] = ("floor", "ceiling", "format", "base_at_chance", "seeds", *LACKING)
MANY = 2  # forbidding reasons that are told; there may be as many as tasks

# Records from before reasons had codes hold their words, joined by "; ".
OLDER: Sequence[tuple[str, ReasonCode]] = (
    (r"needs (?P<detail>.* in study\.targets)", "target"),
    (r"needs (?P<detail>.*)", "needs"),
    ("floor", "floor"),
    ("ceiling", "ceiling"),
    ("format", "format"),
    ("base at chance", "base_at_chance"),
    ("seeds: exploratory", "exploratory"),
    ("seeds: .*", "seeds"),
    (r"\d+ of \d+ cells .*", "cells"),
    (r"Holm-adjusted p .*", "holm"),
    (r"below zero, but .*", "partial"),
    (r"a loss of the margin or more", "loss"),
    (r"\d+ of \d+ tasks gain: .*|none of \d+ tasks .*", "some"),
    (r"supported with \d+ of \d+ models", "models"),
    (r"\d+ of \d+ tasks.*", "tasks"),
    (r"seeds that lack an arm: .*", "left_out"),
    (r"power .*", "power"),
    (r"shown: .*", "shown"),
    (r"k = .*", "tries"),
    (r"and \d+ more", "more"),
    (r"(?s).*", "note"),
)


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


def older_reasons(text: str) -> list[Reason]:
    """Return the reasons that a record from before codes tells in words."""
    found = []
    for words in text.split("; ") if text else ():
        match, code = next((match, code) for form, code in OLDER if (match := re.fullmatch(form, words)))
        found.append(Reason(code=code, detail=match.groupdict().get("detail", words)))
    return found
