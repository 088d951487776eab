"""Overhead: what DVC costs around a finished study, and when a change re-runs cheap stages only.

In a temporary clone the study smoke runs to its end. Then: a repro with nothing to do, status, metrics diff,
and an experiment that changes the intervals' confidence, so that nothing is trained again. Of the
experiment's time the stages' own, measured by running their commands alone, is told apart. Once with one
model, once with four (the same shape, other seeds).
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from common import (
    ROOT,
    Measured,
    alternate,
    child_environment,
    finish,
    made_with,
    measure,
    parser,
    say,
    scratch,
)

from cocktail.errors import RunError
from cocktail.files.records import fresh_file
from cocktail.report.benchmarks import Benchmark, MeasuredRatio, Series
from cocktail.stage import run_command

MODELS = {"small": (1,), "full": (1, 4)}
MODEL = "phi3_smoke"
HEAVY = ("fetch", "prepare", "mix", "base", "explore", "confirm")  # no confidence is read there
NO_OP, STATUS, DIFF = "repro with nothing to do", "status", "metrics diff"
EXPERIMENT, STAGES_ALONE = "exp run of a changed confidence", "its stages alone"
AUTHOR = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Clone:
    """A clone of the repository's last commit, with a run store of its own."""

    root: Path

    def run(self, *command: str) -> Measured:
        env = child_environment(store=self.root / ".store", **AUTHOR) | {"PYTHONPATH": "src"}
        return measure(command, cwd=self.root, env=env)


def finished_clone(folder: Path, *, models: int) -> Clone:
    """Return a clone in which the study smoke has run with so many models, and is committed."""
    folder.mkdir(parents=True)
    clone = Clone(folder)
    clone.run("git", "clone", "--quiet", str(ROOT), ".")
    add_models(folder / "conf", models)
    clone.run("cocktail", "params", "smoke")
    say(f"study smoke with {models} model(s) runs to its end")
    clone.run("dvc", "repro")
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "results")
    return clone


def add_models(conf: Path, models: int) -> None:
    """Give the study smoke more models: copies of its own with other seeds."""
    own = (conf / f"model/{MODEL}.yaml").read_text(encoding="utf-8")
    names = [MODEL, *(f"{MODEL}_{number}" for number in range(2, models + 1))]
    for seed, name in enumerate(names[1:], start=100):
        copy = re.sub(r"seed: \d+", f"seed: {seed}", own.replace(f"  {MODEL}:", f"  {name}:"))
        _write(conf / f"model/{name}.yaml", copy)
    study = conf / "study/smoke.yaml"
    text = study.read_text(encoding="utf-8")
    if f"[{MODEL}]" not in text:
        raise RunError(f"the study does not list [{MODEL}]", where=str(study))
    _write(study, text.replace(f"[{MODEL}]", f"[{', '.join(names)}]"))


def experiment(clone: Clone, confidences: Iterator[float], ran: list[str]) -> Measured:
    """Run an experiment with a confidence that was not seen before; DVC would remember it.

    Args:
        ran: receives the names of the stages that ran.

    Raises:
        RunError: none ran, or one that trains.
    """
    settings = ("--set-param", "study=smoke", "--set-param", f"compare.confidence={next(confidences):.3f}")
    measured = clone.run("dvc", "exp", "run", *settings)
    ran[:] = re.findall(r"Running stage '([^']+)'", measured.output)
    heavy = [name for name in ran if name.partition("@")[0] in HEAVY]
    if heavy or not ran:
        raise RunError(f"a changed confidence ran {', '.join(heavy) or 'nothing'}", where="dvc exp run")
    return measured


def stages_alone(clone: Clone, ran: Sequence[str]) -> Measured:
    """Run the commands of the stages that ran, without DVC."""
    lock = yaml.safe_load((clone.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return clone.run("sh", "-ec", "\n".join(lock[name]["cmd"] for name in ran))


def main() -> None:
    arguments = parser(__doc__, repeats=5).parse_args()
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Measure every command with each number of models, and return the result."""
    found: dict[int, dict[str, tuple[float, ...]]] = {}
    ran: list[str] = []
    for models in MODELS[arguments.size]:
        clone = finished_clone(folder / f"models-{models}", models=models)
        unseen = (0.9 + step / 1000 for step in itertools.count())
        sides: dict[str, Callable[[], Measured]] = {
            NO_OP: partial(clone.run, "dvc", "repro"),
            STATUS: partial(clone.run, "dvc", "status"),
            DIFF: partial(clone.run, "dvc", "metrics", "diff", "HEAD"),
        }
        later: dict[str, Callable[[], Measured]] = {
            EXPERIMENT: partial(experiment, clone, unseen, ran),
            STAGES_ALONE: partial(stages_alone, clone, ran),
        }
        measured = alternate(sides, repeats=arguments.repeats) | alternate(later, repeats=arguments.repeats)
        found[models] = {name: tuple(one.seconds for one in values) for name, values in measured.items()}
    return Benchmark(
        name="overhead",
        title="Overhead: DVC around a finished study",
        command=f"python benchmarks/overhead.py --repeats {arguments.repeats}",
        comparisons=tuple(comparisons(found)),
        made_with=made_with(),
        notes=(
            f"Study smoke in a temporary clone. The experiment runs {', '.join(ran)} again; "
            "metrics diff compares with the last commit.",
        ),
    )


def comparisons(found: dict[int, dict[str, tuple[float, ...]]]) -> list[MeasuredRatio]:
    """Return each command alone, the experiment against its stages, and more models against one."""
    rows = []
    for models, seconds in found.items():
        label = f"{models} model{'s' if models > 1 else ''}"
        for name in (NO_OP, STATUS, DIFF, EXPERIMENT):
            other = Series("1 model", found[1][name]) if models > 1 else None
            rows.append(MeasuredRatio(f"{name}, {label}", "s", Series(label, seconds[name]), other))
        alone = Series(STAGES_ALONE, seconds[STAGES_ALONE])
        rows.append(MeasuredRatio(f"{EXPERIMENT}, {label}", "s", Series(label, seconds[EXPERIMENT]), alone))
    return rows


def _write(path: Path, text: str) -> None:
    with fresh_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
