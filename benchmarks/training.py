"""Training: real tokens a second of ours against TRL's SFTTrainer with its defaults, on short finance rows.

Real tokens are those of the rows, padding left out, times the epochs; the seconds are those of ``train()``
alone, without imports and loading. On a GPU the model has the shape of Phi-3-mini with random weights, and
ours is also measured with other kinds of attention, unpacked, compiled and with Liger kernels; on CPU it is
the study's miniature.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common import MEBIBYTE, STUDIES, Measured, alternate, finish, made_with, parser, scratch, script
from workbench import Workbench, make_workbench, plain_command

from cocktail.data.grid import Run, explore_runs
from cocktail.errors import RunError
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.stage import run_command
from cocktail.training.environment import WORKER_SETTINGS, device_name, visible_gpus

SPEED, ALL_CORES = "tokens_per_second", "plain SFTTrainer on all cores"
NO_GPU = "the shape of Phi-3-mini on a GPU, to which the goals belong"
METHODS = {"small": ("full",), "full": ("full", "lora")}
RUN = "pair_fpb_twitter_sa"
SHORT_ROWS = ["study.tasks=[fpb,twitter_sa]", "study.evaluations=[fpb]", "study.targets=[fpb]"]
ON_H100 = {
    "times plain": Goal("at least", 3.0),
    "share, full": Goal("at least", 0.45),
    "tokens/s, lora": Goal("at least", 27_000.0),
}
# What is varied: the study's recipe; on a GPU the paper's, and other kinds of speed.
ON_GPU = [
    *(f"fetch.world.{task}_train=8000" for task in ("fpb", "twitter_sa")),
    *(f"mix.caps.{task}=8000" for task in ("fpb", "twitter_sa")),
    *("train.epochs.pair=1.0", "train.learning_rate=3e-6", "train.precision=bf16", "train.packing=true"),
    "train.max_length=4096",
]


@dataclass(frozen=True)
class Variant:
    """One way of ours to train; ``changes`` of the section train."""

    name: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)


def variants(*, on_gpu: bool) -> list[Variant]:
    """Return the study's own recipe for both methods, and what else this machine can show."""
    own = [Variant("full", "full"), Variant("lora", "lora")]
    if not on_gpu:
        return own
    kinds = ["sdpa", "flex_attention", *(["flash_attention_2"] if find_spec("flash_attn") else [])]
    others: dict[str, dict[str, Any]] = {
        "not packed": {"packing": False},
        **{f"attention {kind}": {"attention": kind} for kind in kinds},
        "compiled": {"compile": True},
        **({"Liger": {"liger": True}} if find_spec("liger_kernel") else {}),
    }
    return own + [
        Variant(f"{method}, {name}", method, changes)
        for method in ("full", "lora")
        for name, changes in others.items()
    ]


def tried(train: Callable[[], Measured]) -> Measured | RunError:
    """Return an error instead of raising it: a card that is too small for one side shows the others."""
    try:
        return train()
    except RunError as error:
        return error


def train_own(bench: Workbench, variant: Variant) -> Measured:
    command = script(
        "own.py",
        *("--run", RUN, "--workdir", bench.folder / "own"),
        *("--train", json.dumps({"method": variant.method, **variant.changes})),
    )
    return bench.run(command, **WORKER_SETTINGS)


def train_plain(bench: Workbench, run: Run, method: str, *, threads: int | None) -> Measured:
    """Train with TRL's defaults; ``threads`` None: as many as torch takes."""
    rows, out = bench.folder / "rows.jsonl", bench.folder / "plain"
    command = plain_command(bench, run, rows=rows, out=out, method=method)
    return bench.run(command, **({"OMP_NUM_THREADS": str(threads)} if threads else {}))


def main() -> None:
    arguments = parser(__doc__, repeats=3).parse_args()
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Measure all sides in turn and return the result."""
    on_gpu = bool(visible_gpus())
    study = STUDIES[arguments.size]
    bench = make_workbench(folder, study, overrides(study, on_gpu=on_gpu), large=on_gpu)
    run = next(run for run in explore_runs(bench.params) if run.id == RUN)
    mixture = bench.mixtures / f"{RUN}.json"
    mixing = ("mix", "--mixture", mixture, "--prepared", bench.prepared, "--out", folder / "rows.jsonl")
    bench.run(script("plain.py", *mixing))
    methods = METHODS[arguments.size]
    ours = [one for one in variants(on_gpu=on_gpu) if one.method in methods]
    sides: dict[str, Callable[[], Measured]] = {one.name: partial(train_own, bench, one) for one in ours}
    for method in methods:
        sides[f"plain {method}"] = partial(train_plain, bench, run, method, threads=None if on_gpu else 1)
    if not on_gpu and arguments.size == "full":
        sides[ALL_CORES] = partial(train_plain, bench, run, "full", threads=None)
    results = alternate(
        {name: partial(tried, side) for name, side in sides.items()}, repeats=arguments.repeats
    )
    found, failed = sorted_out(results)
    return Benchmark(
        name="training",
        title="Training: real tokens a second",
        command=f"python benchmarks/training.py --repeats {arguments.repeats}",
        comparisons=tuple(
            comparisons([one for one in ours if {one.name, f"plain {one.method}"} <= found.keys()], found)
        ),
        made_with=made_with(),
        notes=notes(study, on_gpu=on_gpu),
        not_measured=(*failed, *([] if on_gpu else [NO_GPU])),
    )


def sorted_out(
    results: Mapping[str, Sequence[Measured | RunError]],
) -> tuple[dict[str, list[Measured]], list[str]]:
    """Return the sides that were measured, and those that failed with the last line of the reason.

    Raises:
        RunError: the study's own recipe failed: then there is nothing to compare.
    """
    found = {name: [one for one in side if isinstance(one, Measured)] for name, side in results.items()}
    errors = {name: [one for one in side if isinstance(one, RunError)] for name, side in results.items()}
    if errors["full"]:
        raise errors["full"][0]
    whole = {name: side for name, side in found.items() if not errors[name]}
    reasons = {name: side[0].what.strip().splitlines()[-1] for name, side in errors.items() if side}
    return whole, [f"{name} ({reason})" for name, reason in reasons.items()]


def overrides(study: str, *, on_gpu: bool) -> list[str]:
    """Return the study's changes: two tasks of short rows, and on a GPU the paper's recipe."""
    model = "phi3_smoke" if study == "smoke" else "phi3_tiny"
    large = [*ON_GPU, f"models.{model}.context=4096"] if on_gpu else []
    return [*SHORT_ROWS, "study.tries=0", f"study.include=[{RUN}]", *large]


def comparisons(ours: Sequence[Variant], found: Mapping[str, Sequence[Measured]]) -> list[MeasuredRatio]:
    """Return tokens a second and memory of every variant against plain, and the shares of the ceiling."""
    goals = ON_H100 if "H100" in device_name() else {}
    rows = [
        row for one in ours for row in _of_variant(one, found[one.name], found[f"plain {one.method}"], goals)
    ]
    if ALL_CORES in found:
        speed = series("ours", found["full"], SPEED)
        rows.append(
            MeasuredRatio("full: real tokens", "tokens/s", speed, series(ALL_CORES, found[ALL_CORES], SPEED))
        )
    return rows


def _of_variant(
    one: Variant, mine: Sequence[Measured], plain: Sequence[Measured], goals: Mapping[str, Goal]
) -> list[MeasuredRatio]:
    share, speed = series("ours", mine, "share_of_ceiling"), series("ours", mine, SPEED)
    other = series("plain SFTTrainer", plain, SPEED)
    facts = {"ours": dict(mine[-1].said), "other": dict(plain[-1].said)}
    goal = None if one.changes else goals.get("times plain")
    rows = [
        MeasuredRatio(f"{one.name}: real tokens", "tokens/s", speed, other, goal, facts),
        MeasuredRatio(f"{one.name}: share of the ceiling", "", share, goal=goals.get(f"share, {one.name}")),
        MeasuredRatio(
            f"{one.name}: peak memory",
            "MiB",
            Series("ours", peaks(mine)),
            Series("plain SFTTrainer", peaks(plain)),
        ),
    ]
    alone = goals.get(f"tokens/s, {one.name}")
    return (
        [*rows, MeasuredRatio(f"{one.name}: real tokens, alone", "tokens/s", speed, goal=alone)]
        if alone
        else rows
    )


def series(what: str, measured: Sequence[Measured], key: str) -> Series:
    return Series(what, tuple(float(one.said[key]) for one in measured))


def peaks(measured: Sequence[Measured]) -> tuple[float, ...]:
    """Memory of the GPU where there is one, else of the process."""
    return tuple((one.said["gpu_bytes"] or one.peak_bytes) / MEBIBYTE for one in measured)


def notes(study: str, *, on_gpu: bool) -> tuple[str, ...]:
    shape = "Phi-3-mini's shape, random weights" if on_gpu else f"the miniature of study {study}"
    ceiling = "The ceiling is the best rate of square matrix products, measured beside each run of ours."
    same = "Both: same rows, batch size, learning rate, epochs, longest row; imports and loading left out."
    packed = "A batch of ours holds packed sequences, one of plain holds rows." if on_gpu else ""
    threads = "" if on_gpu else "One thread each, as a worker of the executor has, but for the last row."
    return tuple(filter(None, (f"Rows of fpb and twitter_sa; {shape}.", same, packed, threads, ceiling)))


if __name__ == "__main__":
    run_command(main)
