"""What the benchmark of a real model works with: its workbenches, the trainings of both sides, table rows."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from common import ROOT, Measured, alternate, script, side_by_side
from training import SPEED, series
from workbench import Workbench, make_workbench, plain_command

from cocktail.config.compose import compose
from cocktail.data.grid import explore_runs
from cocktail.report.benchmarks import Goal, MeasuredRatio, Series
from cocktail.sources.mirror import VARIABLE
from cocktail.training.environment import WORKER_SETTINGS, visible_gpus

STUDY, WORKERS = "tiny", 1 if visible_gpus() else 2
SHORT = ("headline", "fpb", "twitter_topics", "twitter_sa")
GRID = ("single_headline", "single_fpb", "pair_headline_fpb", "pair_fpb_twitter_sa", "without_fpb", "all")
LONGEST = 448  # tokens of a row
FULL_RATE = 2e-4  # the learning rate of full tuning; that of LoRA is the params'


@dataclass(frozen=True)
class Size:
    """Rows of each short set, which part of the paper's caps, test items of each set, and longest rows."""

    rows: int
    part: int
    items: int
    long: int


SIZES = {"small": Size(rows=2, part=5000, items=4, long=9), "full": Size(16, 1250, 64, 16)}


@dataclass
class Lab:
    """Workbenches on real rows, made when a part first needs them, with one base.

    Attributes:
        notes: what the parts have to say.
    """

    folder: Path
    size: Size
    precision: str
    arguments: argparse.Namespace
    notes: list[str] = field(default_factory=list)
    _made: list[Workbench] = field(default_factory=list)

    @cached_property
    def short(self) -> Workbench:
        """The four sets of short rows, and their evaluation sets."""
        caps = dict.fromkeys(SHORT, self.size.rows)
        bench = self._bench("short", SHORT, caps, include=["all"], evaluations=SHORT, items=self.size.items)
        mixing = ("--mixture", bench.mixtures / "all.json", "--prepared", bench.prepared)
        bench.run(script("plain.py", "mix", *mixing, "--out", bench.folder / "rows.jsonl"))
        return bench

    @cached_property
    def whole(self) -> Workbench:
        """All sources in the paper's shares, six runs of the grid, and a small evaluation set."""
        tasks = compose(ROOT / "conf", STUDY)["study"]["tasks"]
        return self._bench(
            "whole", tasks, paper_caps(self.size.part), include=GRID, evaluations=["fpb"], items=4
        )

    @cached_property
    def long(self) -> Workbench:
        """Pages of FinQA, cut to the greatest length."""
        caps = {"finqa": self.size.long}
        return self._bench("long", ["finqa"], caps, include=["single"], evaluations=["finqa"], items=4)

    def measure(self, sides: Mapping[str, Callable[[], Measured]]) -> dict[str, list[Measured]]:
        return alternate(sides, repeats=self.arguments.repeats)

    def _bench(
        self,
        name: str,
        tasks: Sequence[str],
        caps: Mapping[str, int],
        *,
        include: Sequence[str],
        evaluations: Sequence[str],
        items: int,
    ) -> Workbench:
        changes = [
            *("source=mirror", f"fetch.mirror='{Path(os.environ[VARIABLE]).resolve()}'"),
            *("model=[smollm2_135m]", "method=lora", f"train.precision={self.precision}"),
            *(f"train.max_length={LONGEST}", f"answer.max_prompt={LONGEST}", f"execute.workers={WORKERS}"),
            "train.epochs={single:1.0,pair:1.0,without:1.0,all:1.0}",
            *("train.warmup_steps={without:2,all:2}", "study.targets=[]", "study.confirm_also=[]"),
            *("study.tries=0", f"study.tasks=[{','.join(tasks)}]", f"study.include=[{','.join(include)}]"),
            *(
                f"study.evaluations=[{','.join(evaluations)}]",
                "prepare.dev_rows=4",
                f"prepare.test_rows={items}",
            ),
            *(f"mix.caps.{task}={rows}" for task, rows in caps.items()),
        ]
        base_of = self._made[0] if self._made else None
        self._made.append(make_workbench(self.folder / name, STUDY, changes, base_of=base_of))
        return self._made[-1]


def paper_caps(part: int) -> dict[str, int]:
    """Return the paper's caps divided by ``part``, but none below one row; the general sets follow."""
    caps = compose(ROOT / "conf", "paper")["mix"]["caps"]
    return {task: max(1, round(rows / part)) for task, rows in caps.items()}


def train_own(bench: Workbench, run: str, method: str, number: int = 0, *, share: bool = True) -> Measured:
    """Train as worker ``number`` does; ``share``: read once what rows begin with."""
    changes = {"method": method, **({"learning_rate": FULL_RATE} if method == "full" else {})}
    command = script(
        "own.py",
        *("--run", run, "--workdir", bench.folder / f"own-{number}", "--train", json.dumps(changes)),
        *("--execute", json.dumps({"share_prefixes": share})),
    )
    return bench.run(command, **WORKER_SETTINGS)


def train_plain(bench: Workbench, method: str, number: int = 0, *, threads: int) -> Measured:
    """Train the run of all sources by TRL's defaults."""
    run = next(run for run in explore_runs(bench.params) if run.id == "all")
    run = replace(run, learning_rate=FULL_RATE) if method == "full" else run
    rows, out = bench.folder / "rows.jsonl", bench.folder / f"plain-{number}"
    command = plain_command(bench, run, rows=rows, out=out, method=method)
    return bench.run(command, OMP_NUM_THREADS=str(threads))


def together(run: Callable[[int], Measured], rate: str = SPEED) -> Callable[[], Measured]:
    """Return what runs as many processes of one kind as there are workers."""
    return partial(side_by_side, run, WORKERS, rate=rate)


def by_speed(found: Mapping[str, Sequence[Measured]]) -> list[tuple[str, Sequence[Measured]]]:
    """Return the ways to train, the fastest first."""
    return sorted(found.items(), key=lambda way: -series(way[0], way[1], SPEED).median)


def compared(
    name: str,
    unit: str,
    rate: str,
    mine: Sequence[Measured],
    theirs: tuple[str, Sequence[Measured]],
    *,
    goals: tuple[Goal | None, Goal | None],
) -> Iterator[MeasuredRatio]:
    """Yield ours against the others, ours alone, and the memory of both; goals of the first two."""
    what, others = theirs
    ours, facts = series("ours", mine, rate), {"ours": dict(mine[-1].said), "other": dict(others[-1].said)}
    yield MeasuredRatio(name, unit, ours, series(what, others, rate), goals[0], facts)
    yield MeasuredRatio(f"{name}, alone", unit, ours, goal=goals[1])
    yield memory(name.partition(":")[0], mine, theirs)


def memory(
    name: str,
    mine: Sequence[Measured],
    theirs: tuple[str, Sequence[Measured]] | None = None,
    *,
    goal: Goal | None = None,
) -> MeasuredRatio:
    """Return the largest process of each side; of a GPU its memory."""

    def peaks(what: str, found: Sequence[Measured]) -> Series:
        return Series(what, tuple((one.said.get("gpu_bytes") or one.peak_bytes) / 1e9 for one in found))

    other = peaks(*theirs) if theirs else None
    return MeasuredRatio(f"{name}: peak memory of a worker", "GB", peaks("ours", mine), other, goal)
