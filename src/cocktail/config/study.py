"""Sections of params.yaml about data and runs: fetch, prepare, mix, study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cocktail.config.base import (
    SHARED_OUT_TASKS,
    Backend,
    ConfigSection,
    Count,
    Name,
    Positive,
    Rate,
    RelativePath,
    Share,
    Tier,
)
from cocktail.config.tasks import evaluated_tasks, general_tasks, mixable_tasks
from cocktail.errors import near, unknown


class RawFile(ConfigSection):
    """One raw file of a source: its path below the source's folder and what is expected of it."""

    path: RelativePath
    split: Literal["train", "dev", "test"]
    sha256: str | None = None  # None: not known yet; the receipt then says what was found
    # Backend hub only: its path in the repository where that is another. One `*` may stand for a part of a
    # name, as the hash in data/train-00000-of-00001-<hash>.parquet; exactly one file must match.
    remote: Annotated[RelativePath, Field(pattern=r"^[^*?\[\]]+\*?[^*?\[\]]*$")] | None = None


class SourceCounts(ConfigSection):
    """What a plan counts with before anything is prepared: raw rows by split, mean characters of a row."""

    rows: dict[Literal["train", "dev", "test"], Count]
    characters: Rate


class SourceConfig(ConfigSection):
    """Where one source comes from: Hub repository (backend folder: a folder), revision, files, licence."""

    repo: RelativePath
    backend: Backend | None = None  # None: fetch.backend
    revision: RelativePath | None = None  # None: unpinned; the commit found is written into the receipt
    gated: bool = False
    licence: str
    status: Literal["original", "rebuilt", "partial", "stand-in", "generated"]
    files: list[RawFile]
    counts: SourceCounts | None = None  # None: data/reference/sizes.yaml has them


class FetchConfig(ConfigSection):
    """Stage ``fetch``: where raw files come from, and which."""

    backend: Literal["hub", "mirror", "synthetic"]  # synthetic: generated
    mirror: str | None = None  # folder in the Hub's layout; None: the environment's COCKTAIL_MIRROR
    # A file in conf/catalogue; its entries take its place when params are read.
    catalogue: Name | None = None
    world: dict[str, int] = {}  # synthetic only: seed of the world, rows of each source and split
    # Sources that the study does not use. None: they are fetched and prepared, too, since they settle with
    # the others which rows are dev rows and which leak: studies on the same sources have the same splits.
    unused: Literal["leave"] | None = None
    sources: dict[Name, SourceConfig]

    def backend_of(self, name: str) -> Backend:
        """Return where a source comes from: its own backend, else that of all."""
        return self.sources[name].backend or self.backend


class PrepareConfig(ConfigSection):
    """Stage ``prepare``: cleaning, splits, leakage."""

    seed: int
    leakage: Literal["drop", "keep"]
    dev_rows: Positive  # at most so many dev rows a task, carved from train by whole clusters
    dev_share: Share  # and at most this share of the train rows
    test_rows: Positive | None = None  # None: all; else a seeded sample of the test rows
    max_quarantine_share: Share
    max_taken_share: Share | None = None  # of a mixed source's train rows, by one rule; None: half of them
    # By source: longer rows (instruction, input and answer together) are left out of all splits, and counted.
    max_characters: dict[str, Positive] = {}
    filler_from: Literal["filler", "open_orca"]  # open_orca: half its rows are set aside as filler
    # before: the line that names the answers stands before a row's input. Does a result hang on the wording?
    closing: Literal["after", "before"] = "after"


class MixConfig(ConfigSection):
    """Stage ``mix``: how many rows each source gives to every mixture it is in."""

    seed: int
    caps: dict[str, Positive]  # at most so many train rows; {}: all of every task
    instruction_share: Rate  # open_orca rows = this x G, where G = total rows of the study's other tasks
    math_share: Rate  # orca_math rows = this x G
    temperature: Rate = 1.0  # shares of the capped sources to the power of 1/temperature: above 1 evens them
    weights: dict[str, Rate] = {}  # multiply a source's share; G stays as it is

    @model_validator(mode="after")
    def _names_are_of_tasks(self) -> MixConfig:
        known = [task for task in mixable_tasks() if task not in SHARED_OUT_TASKS]
        for key, named in (("cap", self.caps), ("weight", self.weights)):
            if wrong := unknown(named, known, f"no task with a {key}"):
                raise ValueError("; ".join(wrong))
        return self


class StudyConfig(ConfigSection):
    """Which runs the study is made of."""

    name: Name
    tier: Tier = "miniature"  # the least that a study may claim
    seed: int  # of the explored grid
    tasks: list[str]  # the sources that are mixed
    evaluations: list[str]
    include: list[str]  # kinds (single, pair, without, all, tuned) or single run ids
    targets: list[str]  # trained and evaluated; confirmed with fresh seeds, as far as confirm_targets says
    confirm_seeds: list[int]
    confirm_targets: Literal["live", "all"] = "live"  # live: those that something explored does above chance
    confirm_also: list[str] = []  # ids of more mixtures that are confirmed with these seeds
    # chosen, all: singles are matched to them in steps and size; without_TASK, where confirm_also has it: it
    # is matched to all in size, with filler in the place of what it leaves out.
    confirm_matched: list[str] = ["chosen", "all"]
    tries: Count  # tuned singles per target, beyond the paper's own recipe

    @model_validator(mode="after")
    def _names_are_known(self) -> StudyConfig:
        mixable, evaluations, general = mixable_tasks(), evaluated_tasks(), general_tasks()
        problems = unknown(self.tasks, mixable, "unknown task")
        problems += unknown(self.evaluations, evaluations, "unknown evaluation")
        for target in self.targets:
            lacks = [key for key in ("tasks", "evaluations") if target not in getattr(self, key)]
            if target in general:
                problems.append(f"target {target!r} is of group general, which is not trained on")
            elif lacks and target in mixable and target in evaluations:
                problems.append(f"target {target!r} is trained and evaluated: add it to study.{lacks[0]}")
            elif lacks:
                both = [task for task in self.tasks if task in self.evaluations]
                problems.append(f"target {target!r} is not trained and evaluated here{near(target, both)}")
        if self.seed in self.confirm_seeds:
            problems.append(
                f"confirm_seeds contains the grid's seed {self.seed}; confirmation needs fresh seeds"
            )
        if len(set(self.confirm_seeds)) < len(self.confirm_seeds):
            problems.append("confirm_seeds names a seed twice")
        matched = ("chosen", "all", *(f"without_{task}" for task in self.tasks))
        problems += [
            f"confirm_matched: {name!r} is neither chosen, all nor without_TASK{near(name, matched)}"
            for name in self.confirm_matched
            if name not in matched
        ]
        if len(set(self.confirm_also)) < len(self.confirm_also):
            problems.append("confirm_also names a mixture twice")
        if problems:
            raise ValueError("; ".join(problems))
        return self
