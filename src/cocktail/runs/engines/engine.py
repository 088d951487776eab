"""The one door to all engines: jobs in, the reasons of those that failed out.

An engine hands runs out; that none is made twice, and none published half, is the run store's doing, on
whatever machine they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cocktail.config import ExecuteConfig
from cocktail.errors import RunError
from cocktail.files.store import Store
from cocktail.runs import pool
from cocktail.runs.engines.common_ground import common_ground
from cocktail.runs.rounds import Job, Payload, Work

MINUTE = 60.0  # seconds
# ray 2.59: local clusters have token authentication; earlier than 2.52 there is none.
LIBRARIES = {"ray": ("ray", (2, 59)), "slurm": ("submitit", (1, 5))}


def run_jobs(
    jobs: Sequence[Job[Payload]],
    work: Work[Payload],
    *,
    settings: ExecuteConfig,
    label: str,
    store: Store,
    files: Sequence[Path],
) -> dict[str, str]:
    """Do all jobs and return the reasons of those that failed, by name; the others go on.

    Args:
        label: what the progress bar says.
        store: where the work keeps what it makes; every machine must see it.
        files: files of base and prepared data, which every machine must see as they are here.

    Raises:
        RunError: the engine is not installed, is not reached, or has no machine that can do the work.
    """
    if not jobs:
        return {}
    silence = MINUTE * settings.silence_minutes
    if settings.engine == "local":
        return pool.run_jobs(
            jobs,
            work,
            workers=settings.workers,
            label=label,
            gpus_per_worker=settings.gpus_per_run,
            silence=silence,
        )
    check_installed(settings.engine)
    if settings.engine == "ray":
        from cocktail.runs.engines.on_ray import run_on_ray
        from cocktail.runs.engines.ray_cluster import cluster

        with cluster() as ray, common_ground(store, files) as ground:
            return run_on_ray(ray, jobs, work, settings=settings, label=label, ground=ground)
    from cocktail.runs.engines.on_slurm import cancel_left, run_on_slurm

    with common_ground(store, files, left=cancel_left) as ground:
        return run_on_slurm(jobs, work, settings=settings, label=label, ground=ground)


def check_installed(engine: str) -> None:
    """Refuse an engine whose library is missing or too old.

    Raises:
        RunError: it is.
    """
    library, least = LIBRARIES[engine]
    wanted, fix = ".".join(map(str, least)), f"pip install -e '.[{engine}]', on every machine"
    try:
        found = version(library)
    except PackageNotFoundError:
        raise RunError(
            f"execute.engine is {engine}, and {library} is not installed", where="params.yaml", fix=fix
        ) from None
    if tuple(int(part) for part in found.split(".")[:2]) < least:
        raise RunError(f"{library} {found} is too old: {wanted} is the first that will do", fix=fix)
