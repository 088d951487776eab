"""The engine on a real model and real rows: SmolLM2-135M-Instruct, by two workers, against plain ways.

Parts: a. training on four sets of short rows, against TRL's SFTTrainer; b. training on all nine sources in
the paper's shares, against the same rows padded; c. evaluation on the four sets, against ``generate``; d.
stage explore, six runs of the grid, against new processes for each; e. memory of full tuning on long rows.
Rates are those of both workers together, memory is that of one. Real tokens are those of the rows: no
padding, and a shared beginning counts for each row. The data come from the folder that COCKTAIL_MIRROR names.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from answering import OURS, PLAIN, Side, answer, same_answers
from common import Measured, finish, made_with, parser, say, scratch, script
from grid import sides
from lab import LONGEST, SIZES, WORKERS, Lab, by_speed, compared, memory, together, train_own, train_plain
from training import SPEED, series
from workbench import fast_bf16

from cocktail.data.grid import explore_runs
from cocktail.errors import RunError, SourceError
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.sources.mirror import VARIABLE
from cocktail.stage import run_command
from cocktail.training.environment import WORKER_SETTINGS, visible_gpus

RATE, TEST_ONLY = "rows_per_second", ("--test-only",)
GOALS = {
    "a times, lora": Goal("at least", 3.5),
    "a times, full": Goal("at least", 3.0),
    "a alone, lora": Goal("at least", 1000.0),
    "a alone, full": Goal("at least", 600.0),
    "b alone, lora": Goal("at least", 700.0),
    "b alone, full": Goal("at least", 550.0),
    "c times": Goal("at least", 5.0),
    "c alone": Goal("at least", 40.0),
    "d": Goal("at most", 0.35),
    "e": Goal("at most", 5.0),
}


def short_rows(lab: Lab) -> Iterator[MeasuredRatio]:
    """a. Training on short rows, against the better of two ways to use all cores with TRL."""
    measured: dict[str, Callable[[], Measured]] = {}
    ways = {f"{WORKERS} processes of 1 thread": 1, f"1 process of {WORKERS} threads": WORKERS}
    for method in ("lora", "full"):
        measured[f"a. {method}: ours"] = together(partial(train_own, lab.short, "all", method))
        for way, threads in ways.items():
            plain = partial(train_plain, lab.short, method, threads=threads)
            measured[f"a. {method}: plain, {way}"] = together(plain) if threads == 1 else plain
    found = lab.measure(measured)
    for method in ("lora", "full"):
        best, other = by_speed({way: found[f"a. {method}: plain, {way}"] for way in ways})
        lab.notes.append(
            f"a, {method}: plain as {other[0]} does {series('', other[1], SPEED).median:.0f} tokens/s."
        )
        yield from compared(
            f"a. short rows, {method}: real tokens",
            "tokens/s",
            SPEED,
            found[f"a. {method}: ours"],
            (f"plain SFTTrainer, {best[0]}", best[1]),
            goals=(GOALS[f"a times, {method}"], GOALS[f"a alone, {method}"]),
        )


def nine_sources(lab: Lab) -> Iterator[MeasuredRatio]:
    """b. Training on all sources, against rows that share nothing."""
    ways = {"ours": True, "padded": False}
    found = lab.measure(
        {
            f"b. {method}: {way}": together(partial(train_own, lab.whole, "all", method, share=share))
            for method in ("lora", "full")
            for way, share in ways.items()
        }
    )
    for method in ("lora", "full"):
        yield from compared(
            f"b. nine sources, {method}: real tokens",
            "tokens/s",
            SPEED,
            found[f"b. {method}: ours"],
            ("ours, padded", found[f"b. {method}: padded"]),
            goals=(None, GOALS[f"b alone, {method}"]),
        )


def evaluation_sets(lab: Lab) -> Iterator[MeasuredRatio]:
    """c. The evaluation rows of the short sets, answered by a model that was tuned on them."""
    tuned = lab.short.run(script("answers.py", "tune", "--model", "tuned"), **WORKER_SETTINGS)
    say(f"tuned on {tuned.said['rows']} rows in {tuned.seconds:.1f} s")

    def answered(side: Side) -> Callable[[], Measured]:
        return together(lambda number: answer(lab.short, side, options=TEST_ONLY), RATE)

    found = lab.measure({f"c. {side.name}": answered(side) for side in (OURS, PLAIN)})
    same = same_answers(lab.short, PLAIN, strict=lab.precision == "fp32", options=TEST_ONLY)
    more = same["rows"] - same["equal"] - same["near_ties"]
    lab.notes.append(
        f"c: {same['rows']} items, at most 64 tokens each, batches of {lab.short.params.answer.batch_size}; "
        f"{same['equal']} answers are ours token by token, {same['near_ties']} differ at a near tie, "
        f"{more} by more."
    )
    mine, theirs = (found[f"c. {side.name}"] for side in (OURS, PLAIN))
    goals = (GOALS["c times"], GOALS["c alone"])
    yield from compared("c. evaluation set", "rows/s", RATE, mine, (PLAIN.name, theirs), goals=goals)


def whole_stage(lab: Lab) -> Iterator[MeasuredRatio]:
    """d. Stage explore, against one new process a run."""
    bench = lab.whole
    runs = [run for run in explore_runs(bench.params) if run.sources]
    measured = sides(bench, runs, threads=WORKERS, llamafactory=lab.arguments.llamafactory)
    ours, *others = measured
    found = lab.measure(measured)
    lab.notes.append(f"d: {', '.join(run.id for run in runs)}, LoRA; the others take {WORKERS} thread(s).")
    for name in others:
        mine, theirs = (Series(way, tuple(one.seconds for one in found[way])) for way in (ours, name))
        yield MeasuredRatio(f"d. stage explore, {len(runs)} runs", "s", mine, theirs, GOALS["d"])
        yield memory("d. stage explore", found[ours], (name, found[name]))


def longest_rows(lab: Lab) -> Iterator[MeasuredRatio]:
    """e. Memory of full tuning on rows of the greatest length."""
    (found,) = lab.measure({"e. memory": partial(train_own, lab.long, "single_finqa", "full")}).values()
    said = found[0].said
    lab.notes.append(f"e: {said['rows']} rows of {said['tokens'] / said['rows']:.0f} tokens.")
    yield memory(f"e. full, batches of 8 rows of {LONGEST} tokens", found, goal=GOALS["e"])


PARTS: dict[str, Callable[[Lab], Iterator[MeasuredRatio]]] = {
    "a": short_rows,
    "b": nine_sources,
    "c": evaluation_sets,
    "d": whole_stage,
    "e": longest_rows,
}


def main() -> None:
    options = parser(__doc__, repeats=1)
    options.add_argument("--parts", type=lambda given: given.split(","), default=list(PARTS), help="as a,c")
    options.add_argument("--precision", choices=["fp32", "bf16"], help="default: what is faster here")
    options.add_argument("--llamafactory", type=Path, metavar="FOLDER", help="part d, as of grid.py")
    arguments = options.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        options.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not os.environ.get(VARIABLE):
        raise SourceError("real rows are needed: no mirror folder is named", fix=f"export {VARIABLE}")
    with scratch() as folder:
        benchmark, failed = measured_parts(folder, arguments)
        finish(benchmark, arguments)
    if failed:
        raise failed[0]


def measured_parts(folder: Path, arguments: argparse.Namespace) -> tuple[Benchmark, list[RunError]]:
    """Measure part by part; one that fails is named, and the others go on."""
    precision = arguments.precision or ("bf16" if fast_bf16() else "fp32")
    lab = Lab(folder, SIZES[arguments.size], precision, arguments)
    found, failed, missing = list[MeasuredRatio](), list[RunError](), list[str]()
    for part in arguments.parts:
        try:
            found += PARTS[part](lab)
        except RunError as error:
            failed.append(error)
            missing.append(f"{part}, which failed ({error.what.strip().splitlines()[-1]})")
    left_out = [part for part in PARTS if part not in arguments.parts]
    only = f", part {', '.join(arguments.parts)}" if left_out else ""
    benchmark = Benchmark(
        # Some parts have a file of their own: they do not take the place of the whole.
        name="-".join(["real", *(arguments.parts if left_out else ())]),
        title=f"A real model: SmolLM2-135M-Instruct on real rows{only}",
        command=f"python benchmarks/real.py --parts {','.join(arguments.parts)} --precision {precision}"
        f" --repeats {arguments.repeats}" + (" --llamafactory FOLDER" if arguments.llamafactory else ""),
        comparisons=tuple(found),
        made_with=made_with(),
        notes=(*notes(precision, fast=fast_bf16()), *lab.notes),
        not_measured=(*missing, *(f"part {part}" for part in left_out)),
    )
    return benchmark, failed


def notes(precision: str, *, fast: bool) -> list[str]:
    """Return what holds for all parts."""
    lines = [
        f"Precision {precision}; {WORKERS} worker(s) of one thread side by side, rates summed. Batches of 8 "
        f"rows, one epoch, rows of at most {LONGEST} tokens; imports and loading left out but for d."
    ]
    if visible_gpus() or not fast:
        lines.append("The goals belong to two cores of a CPU with AVX512-BF16, which this machine has not.")
    if precision == "bf16" and not fast:
        lines.append("Plain training is in fp32, which is faster here.")
    return lines


if __name__ == "__main__":
    run_command(main)
