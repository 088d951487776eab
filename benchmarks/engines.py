"""Engines: what it costs to hand runs out to a Ray cluster, and what a second node brings.

The cluster is simulated on this machine: a head without a core, and nodes of one core each. Runs that do
nothing show the engine's own cost, beside the local pool's with as many workers; runs that train, alike but
for their seeds, are made on one node and on two. Needs the extra ray, which is not in the lock.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from common import (
    HERE,
    Measured,
    alternate,
    child_environment,
    finish,
    made_with,
    measure,
    parser,
    scratch,
    script,
    stage,
)
from growth import runs_overrides
from workbench import Workbench, empty_workbench, make_workbench

from cocktail.errors import RunError
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.stage import run_command

EMPTY = {"small": 20, "full": 500}
TRAINED = {"small": 2, "full": 16}
NODES = 2
SCHEDULED, OVERHEAD, TWICE = Goal("at most", 60.0), Goal("at most", 0.5), Goal("at least", 1.7)
AUTHENTICATION = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def nodes(count: int) -> Iterator[str]:
    """Yield the address of a cluster of so many nodes with a core each."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()


def empty(folder: Path, engine: str, runs: int) -> Measured:
    """Do runs that do nothing, on two nodes or by two local workers."""
    place = folder / f"{engine}-{secrets.token_hex(4)}"
    words = ("--engine", engine, "--workers", str(NODES), "--runs", str(runs), "--folder", place)
    command = script("empty_runs.py", *words)
    place.mkdir(parents=True)
    environment = child_environment(store=place / "store")
    environment["PYTHONPATH"] += f"{os.pathsep}{HERE}"
    if engine == "local":
        return _whole(measure(command, cwd=place, env=environment))
    with nodes(NODES) as address:
        settings = {**AUTHENTICATION, "RAY_ADDRESS": address}
        return _whole(measure(command, cwd=place, env=environment | settings))


def trained(folder: Path, overrides: Sequence[str], count: int) -> Measured:
    """Run stage explore with an empty store on so many nodes."""
    bench = empty_workbench(folder, "smoke", [*overrides, "execute.engine=ray", f"execute.workers={count}"])
    with nodes(count) as address:
        return bench.run(
            explore(bench),
            store=f"store-{secrets.token_hex(4)}",
            RAY_ADDRESS=address,
            **AUTHENTICATION,
        )


def explore(bench: Workbench) -> list[str | Path]:
    """Return the command of stage explore."""
    return stage(
        "explore",
        *("--model", bench.model, "--prepared", bench.prepared, "--mixtures", bench.mixtures),
        *("--base", bench.base, "--studies", "reports/studies", "--locks", "reports/locks"),
        *("--out", "artifacts/answers"),
    )


def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--empty", type=int, help="runs that do nothing")
    options.add_argument("--trained", type=int, help="runs that train")
    arguments = options.parse_args()
    arguments.empty = arguments.empty or EMPTY[arguments.size]
    arguments.trained = arguments.trained or TRAINED[arguments.size]
    os.environ.update(AUTHENTICATION, RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Measure everything and return the result."""
    load, repeats = os.getloadavg()[0], arguments.repeats
    sides = {name: partial(empty, folder, name, arguments.empty) for name in ("ray", "local")}
    found = alternate(sides, repeats=repeats)
    overrides = runs_overrides(arguments.trained, arguments.trained)
    make_workbench(folder / "bench", "smoke", overrides)
    grown = alternate(
        {str(count): partial(trained, folder / "bench", overrides, count) for count in (1, NODES)},
        repeats=repeats,
    )
    runs = {count: tuple(one.seconds for one in grown[str(count)]) for count in (1, NODES)}
    return Benchmark(
        name="engines",
        title="Engines: runs handed out to a Ray cluster",
        command=f"python benchmarks/engines.py --repeats {repeats} --empty {arguments.empty} "
        f"--trained {arguments.trained}",
        comparisons=(
            *(_said(found, f"{arguments.empty} empty runs", key, goal) for key, goal in SAID.items()),
            MeasuredRatio(
                f"{arguments.trained} runs that train: one node against two",
                "s",
                Series("one node", runs[1]),
                Series("two nodes", runs[NODES]),
                goal=TWICE,
            ),
        ),
        made_with=made_with(),
        notes=(
            f"Nodes are simulated here, with one core each. The load average at the start was {load:.1f} "
            f"on {os.cpu_count()} cores: {BUSY if load > 1 else 'it did nothing else'}.",
            "Empty runs: from the stage's call to its return, connection, checks of the nodes and imports "
            "included; a run: the time between the first and the last end, a worker and run.",
        ),
        not_measured=("two machines, a network file system, a real Slurm queue",),
    )


BUSY = "other work shared them, so that figures are upper bounds, and a second node finds no core free"
SAID = {"seconds": SCHEDULED, "seconds_a_run": OVERHEAD}


def _said(found: dict[str, list[Measured]], name: str, key: str, goal: Goal) -> MeasuredRatio:
    """A figure of the drivers: its own goal is for Ray alone; the pool's stands among the facts."""
    ray, local = (tuple(float(one.said[key]) for one in found[side]) for side in ("ray", "local"))
    first = [float(one.said["first_after"]) for one in found["ray"]]
    return MeasuredRatio(
        f"{name}: {'all of it' if key == 'seconds' else 'a run'}",
        "s",
        Series("Ray, two nodes", ray),
        goal=goal,
        facts={"local pool, two workers": local, "first end after": first},
    )


def _whole(measured: Measured) -> Measured:
    """Refuse a measurement in which runs failed.

    Raises:
        RunError: some did.
    """
    if measured.said["failed"]:
        raise RunError(f"{measured.said['failed']} empty runs failed", where=sys.argv[0])
    return measured


if __name__ == "__main__":
    run_command(main)
