"""data/reference/claims.yaml: what is claimed, and how it is tested, read strictly and all problems at once.

A name is unknown where the package knows no such task, arm or mixture. A study that lacks what a claim needs
is no error: the claim's row then says "not tested", and what it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from cocktail.config import ConfigSection, evaluated_tasks, mixable_tasks
from cocktail.config.yaml_files import read_yaml
from cocktail.errors import ConfigError, near, unknown
from cocktail.tasks import task_groups

Family = Literal["primary", "secondary", "exploratory"]
UNTUNED_ARMS = ("base", "reference")
TUNED_ARMS = ("tuned_single", "tuned_mixture")
TARGET_ARMS = (
    *("single", "chosen", "steps_as_chosen", "size_as_chosen", "steps_as_all", "size_as_all"),
    *TUNED_ARMS,
)
QUOTE_WORDS = 12  # at most: a reader must find the place, not the text


class ContrastTest(ConfigSection):
    """Two arms on some tasks. ``contrast``: is there a difference? ``non_superiority``: is it no better?

    Attributes:
        tasks: a group of tasks (those of it that the study has), or names.
        some: whether a row says if at least one task gains, beside the one on the mean over the tasks.
        invalid_limit: where the untuned arm gives a larger share of INVALID answers, nothing is tested.
        base_above_chance: where the untuned model is at chance, nothing is tested.
    """

    kind: Literal["contrast", "non_superiority"]
    treatment: str
    control: str
    tasks: str | Annotated[list[str], Field(min_length=1)]
    some: bool = False
    invalid_limit: Annotated[float, Field(ge=0, le=1)] | None = None
    base_above_chance: bool = False


class CellsTest(ConfigSection):
    """Every cell of one table of the explored grid."""

    kind: Literal["cells"]
    table: Literal["transfer", "leave_one_out", "beside_open_orca"]


class ConsistencyTest(ConfigSection):
    """Another claim, counted over the base models."""

    kind: Literal["consistency"]
    of: str
    min_models: Annotated[int, Field(gt=1)]
    min_runs: Annotated[int, Field(ge=0)]


Test = Annotated[ContrastTest | CellsTest | ConsistencyTest, Field(discriminator="kind")]


class Source(ConfigSection):
    """Where the paper says it.

    Attributes:
        mark: abstract (arXiv 2410.01109), code (the authors' repository), reviews (ICLR 2025 forum),
            secondary (what others say of the paper), or inferred (ours: what a reader must ask).
        place: where it stands there, or why we ask it.
        quote: its words, at most a dozen; "" where there are none.
    """

    mark: Literal["abstract", "code", "reviews", "secondary", "inferred"]
    place: Annotated[str, Field(min_length=5)]
    quote: str = ""

    @model_validator(mode="after")
    def _quote_is_short(self) -> Source:
        if len(self.quote.split()) > QUOTE_WORDS:
            raise ValueError(f"a quote of more than {QUOTE_WORDS} words")
        if self.mark == "abstract" and not self.quote:
            raise ValueError("the abstract's words are missing: quote")
        return self

    def told(self) -> str:
        """Return the source in a line."""
        return f"{self.mark}, {self.place}" + (f": “{self.quote}”" if self.quote else "")


class Claim(ConfigSection):
    """One testable statement.

    Attributes:
        number: which of the paper's claims it is about.
        margin: points; a difference within it is as good as none.
        chosen_on, split: what was picked, was picked on dev; the verdict is on test.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    number: Annotated[int, Field(ge=1, le=7)]
    title: Annotated[str, Field(min_length=5)]
    statement: Annotated[str, Field(min_length=10)]
    source: Source
    family: Family
    margin: Annotated[float, Field(gt=0)]
    chosen_on: Literal["dev", "test"]
    split: Literal["dev", "test"]
    test: Test
    contradicted_by: Annotated[str, Field(min_length=10)]
    caveat: str

    @model_validator(mode="after")
    def _fits_together(self) -> Claim:
        problems = []
        if self.chosen_on == self.split:
            problems.append(f"chosen and tested on the same split, {self.split}")
        elif self.split != "test":
            problems.append("the verdict must be on test")
        if (self.family == "exploratory") != (self.test.kind == "cells"):
            problems.append(f"family {self.family} does not go with a test of kind {self.test.kind}")
        if self.family == "primary" and self.test.kind == "consistency":
            problems.append("a count over models is in no model's family; make it secondary")
        problems += _unknown_names(self.test)
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Claims(ConfigSection):
    """All claims; each has a name of its own."""

    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Claims:
        ids = [claim.id for claim in self.claims]
        problems = [f"claim id {name!r} is given twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
        problems += [
            f"{claim.id}: no claim {claim.test.of!r}{near(claim.test.of, ids)}"
            for claim in self.claims
            if isinstance(claim.test, ConsistencyTest) and claim.test.of not in ids
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def tasks_of(test: ContrastTest, evaluations: Sequence[str]) -> list[str]:
    """Return the tasks of a test: of a group those that the study evaluates; else those that are named."""
    if not isinstance(test.tasks, str):
        return list(test.tasks)
    return [task for task in evaluations if task in all_tasks_of(test, evaluations)]


def all_tasks_of(test: ContrastTest, sources: Collection[str]) -> list[str]:
    """Return the tasks that a test speaks of: of a group those that the study has a source of, used or not.

    So a task of one's own, whose source stands in one study, says nothing of the others.
    """
    if not isinstance(test.tasks, str):
        return list(test.tasks)
    return [task for task in task_groups()[test.tasks] if task in sources]


def read_claims(path: Path) -> list[Claim]:
    """Read and check claims.yaml.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks rules; lists all broken rules at once.
    """
    raw = read_yaml(path, missing="the file is missing; git has it")
    try:
        return Claims.model_validate(raw).claims
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _lines(dict(item), raw)]
        raise ConfigError(problems, where=str(path)) from None


def known_mixtures() -> set[str]:
    """Return the id of every mixture of known tasks that a study may have."""
    tasks = mixable_tasks()
    pairs = {f"pair_{one}_{other}" for one, other in permutations(tasks, 2)}
    filled = (f"size_without_{task}_as_all" for task in tasks)
    return {"all", *(f"{kind}_{task}" for kind in ("single", "without") for task in tasks), *pairs, *filled}


def _unknown_names(test: ContrastTest | CellsTest | ConsistencyTest) -> Iterator[str]:
    if not isinstance(test, ContrastTest):
        return
    if isinstance(test.tasks, str):
        yield from unknown([test.tasks], task_groups(), "no task is of group")
    else:
        yield from unknown(test.tasks, evaluated_tasks(), "unknown task")
        if len(set(test.tasks)) < len(test.tasks):
            yield "a task is named twice"
    arms = {*UNTUNED_ARMS, *TARGET_ARMS, "all"}
    runs = arms | known_mixtures()
    for arm in (test.treatment, test.control):
        if arm.startswith(("single_", "pair_", "without_", "size_without_")):
            yield from unknown([arm], runs, "unknown run")
        elif arm not in runs:
            yield f"unknown arm {arm!r}{near(arm, arms)}"
    if test.treatment == test.control:
        yield f"{test.treatment} is compared with itself"
    if test.treatment == "reference":
        yield "reference is what a model is held against; make it the control"
    if test.invalid_limit is not None and not {test.treatment, test.control} & {*UNTUNED_ARMS}:
        yield "invalid_limit is of an untuned arm, and there is none"


def _lines(item: dict[str, Any], raw: Any) -> Iterator[str]:
    """One validation error in words: which claim, which key, what is wrong."""
    location = list(item["loc"])
    where = ""
    if location[:1] == ["claims"] and len(location) > 1:
        entry = raw["claims"][location[1]]
        name = entry.get("id") if isinstance(entry, dict) else None
        where = f"{name or f'claim {location[1] + 1}'}: "
        location = location[2:]
    key = ".".join(str(part) for part in location)
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        yield f"{where}{key}: unknown key{near(str(location[-1]), _known_keys(location))}"
    elif item["type"] == "value_error":
        yield from (f"{where}{one}" for one in message.splitlines())
    else:
        found = "" if item["type"] == "missing" else f", got {item['input']!r}"
        yield f"{where}{key}: {message}{found}"


def _known_keys(location: list[Any]) -> list[str]:
    """The keys of the section that an unknown key stands in."""
    tests = (ContrastTest, CellsTest, ConsistencyTest)
    if location[0] == "test":
        return [key for test in tests for key in test.model_fields]
    return list((Claim if len(location) == 1 else Claims).model_fields)
