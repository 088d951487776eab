"""Runs as tasks of Ray: on the cluster that RAY_ADDRESS names, or one that lives as long as the stage.

A task is a run with its GPUs. Ray gives it to another node when its node is lost; what it has left is a
checkpoint and the system's lock, which ends with its process. Token authentication is on: who reaches a
cluster without it can run code there.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any

from cocktail.config import ExecuteConfig
from cocktail.errors import RunError, first_line
from cocktail.life import GRACE
from cocktail.runs.engines.common_ground import CommonGround, check_here
from cocktail.runs.engines.node import Order, Post
from cocktail.runs.rounds import Job, Outcome, Payload, in_two_rounds

ADDRESS, MODE, TOKEN, TOKEN_PATH = "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
RETRIES = 3  # of a run whose node or worker was lost
REACH = 10.0  # seconds until an address that does not answer is given up
CHECK = 300.0  # seconds in which a node starts a process and looks at what it needs
HELP = "https://docs.ray.io/en/latest/ray-security/token-auth.html"


@contextmanager
def cluster(environment: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Yield ``ray``, connected to a cluster; leave it, and end one that was started here, afterwards.

    Raises:
        RunError: the address is of no use, nobody answers there, or authentication is off or fails.
    """
    address = check_address(os.environ if environment is None else environment)
    os.environ.setdefault(MODE, "token")
    if address is None:
        os.environ.setdefault(TOKEN, secrets.token_hex(32))  # of a cluster that lives as long as this stage
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15 else: any other work would go first
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # reads its settings of authentication as it is imported

    told = signal.getsignal(signal.SIGTERM)
    try:
        started: dict[str, Any] = {} if address else {"include_dashboard": False}
        ray.init(address=address or "local", configure_logging=False, **started)
    except Exception as error:  # Ray tells it by many types
        raise RunError(
            f"no Ray cluster at {address or 'this machine'} takes this stage ({first_line(error)})",
            where=ADDRESS if address else "execute.engine",
            fix=f"start one (docs/scale.md), with the same token on every machine: {HELP}",
        ) from None
    signal.signal(signal.SIGTERM, told)  # Ray takes it, and would end the stage before its runs have saved
    try:
        yield ray
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, told)


def check_address(environment: Mapping[str, str]) -> str | None:
    """Return the address of the cluster to join, None if one is to be started here.

    Raises:
        RunError: authentication is switched off, the address is of Ray's client, or nobody answers there.
    """
    if environment.get(MODE, "token") == "disabled":
        raise RunError(
            "token authentication of Ray is switched off: who reaches the cluster could run code there",
            where=MODE,
            fix=f"unset {MODE}, and give every machine the same token: {HELP}",
        )
    address = environment.get(ADDRESS) or None
    if address is None or address in ("auto", "local"):
        return None if address == "local" else address
    host, _, port = address.rpartition(":")
    if "/" in host or not host or not port.isdigit():
        raise RunError(
            f"not the address of a cluster's head: {address!r}",
            where=ADDRESS,
            fix=f"{ADDRESS}=host:6379 or auto, on a machine that has joined the cluster (ray start)",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
    except OSError as error:
        raise RunError(
            f"no Ray cluster answers at {address} ({error.strerror or error})",
            where=ADDRESS,
            fix=f"start its head (docs/scale.md), or unset {ADDRESS}: one is started here then",
        ) from None
    return address


def task_needs(nodes: Sequence[Mapping[str, Any]], gpus_per_run: int) -> tuple[dict[str, float], list[str]]:
    """Return what a run asks of a node, and the ids of the nodes that have it.

    Where one node has GPUs, runs are made on GPUs; where none has, one run takes one core.

    Args:
        nodes: as ``ray.nodes()`` lists them.

    Raises:
        RunError: no node has enough.
    """
    living = [node for node in nodes if node["Alive"]]
    most = max((node["Resources"].get("GPU", 0.0) for node in living), default=0.0)
    if 0 < most < gpus_per_run:
        raise RunError(
            f"execute.gpus_per_run is {gpus_per_run}, but no node of the cluster has more than {most:g} GPUs",
            fix="a smaller execute.gpus_per_run",
        )
    needs = {"num_gpus": float(gpus_per_run), "num_cpus": 0.0} if most else {"num_cpus": 1.0}
    what, least = ("GPU", gpus_per_run) if most else ("CPU", 1)
    able = [node["NodeID"] for node in living if node["Resources"].get(what, 0.0) >= least]
    if not able:
        raise RunError(
            f"none of the cluster's {len(living)} nodes has a GPU or a free core for runs",
            where=ADDRESS,
            fix="ray start --address=HEAD:6379 on a machine that is to do runs",
        )
    return needs, able


def run_on_ray(
    ray: Any,
    jobs: Sequence[Job[Payload]],
    work: Callable[[Payload, bool], None],
    *,
    settings: ExecuteConfig,
    label: str,
    ground: CommonGround,
) -> dict[str, str]:
    """Do all jobs on the cluster; see :func:`cocktail.runs.engines.engine.run_jobs`.

    Raises:
        RunError: a node lacks what the driver has, or none has the GPUs of a run.
    """
    needs, able = task_needs(ray.nodes(), settings.gpus_per_run)
    _check_nodes(ray, able, ground)
    print(f"{label}: {len(able)} nodes of a Ray cluster", file=sys.stderr)
    task = ray.remote(max_retries=RETRIES, **needs)(do_here)
    under_way: dict[Any, Job[Payload]] = {}
    # Who waits within Ray hears no signal but Ctrl-C, so its futures tell this queue.
    ended: SimpleQueue[tuple[Any, Future[Outcome]]] = SimpleQueue()
    most = settings.workers or len(jobs)

    def hand_out(ordered: Sequence[Job[Payload]], wait: bool) -> Iterator[tuple[Job[Payload], Outcome]]:
        left = deque(ordered)
        while left or under_way:
            while left and len(under_way) < most:
                job = left.popleft()
                order = Order(job, work, wait, 60 * settings.silence_minutes, ground)
                ref = task.remote(order)
                under_way[ref] = job
                ref.future().add_done_callback(partial(_tell, ended, ref))
            ref, future = ended.get()
            yield under_way.pop(ref), _outcome(ray, future)

    try:
        return in_two_rounds(jobs, hand_out, label=label)
    except BaseException:
        _give_back(ray, list(under_way))
        raise


def do_here(order: Order[Payload]) -> Outcome:
    """On a node: do one job, in a worker process that stays for the next one."""
    import ray

    # Ray tells a task by it; a node that a script started in the background would not hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gpus = tuple(ray.get_runtime_context().get_accelerator_ids().get("GPU", ()))
    if _posts and (_posts[0].gpus, _posts[0].silence) != (gpus, order.silence):
        _posts.pop().leave()
    if not _posts:
        _posts.append(Post(gpus, order.silence))
    try:
        return _posts[0].do(order)
    except KeyboardInterrupt:  # the driver does not want it any more
        _posts.pop().leave()
        return "stopped"


_posts: list[Post] = []  # of this process of Ray, which does one task at a time; one at most


def _check_nodes(ray: Any, able: Sequence[str], ground: CommonGround) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(num_cpus=0, max_retries=0)(check_here)
    asked = [
        check.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(ground)
        for node in able
    ]
    end = time.monotonic() + CHECK
    try:
        for one in asked:
            one.future().result(timeout=max(end - time.monotonic(), 0.0))
    except TimeoutError as error:
        raise _no_cocktail(TimeoutError(f"it has not answered for {CHECK:g} seconds")) from error
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, RunError):
            raise RunError(cause.what, where=cause.where, fix=cause.fix) from None
        raise _no_cocktail(error) from None
    except ray.exceptions.RayError as error:
        raise _no_cocktail(error) from None


def _no_cocktail(error: Exception) -> RunError:
    return RunError(
        f"a node of the cluster cannot do runs ({_last_line(error)})",
        where=ADDRESS,
        fix="the same commit of cocktail and requirements.lock, installed on every machine",
    )


def _tell(ended: SimpleQueue[tuple[Any, Future[Outcome]]], ref: Any, future: Future[Outcome]) -> None:
    ended.put((ref, future))


def _outcome(ray: Any, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except ray.exceptions.RayTaskError as error:
        return f"{type(error.cause).__name__}: {error.cause}"
    except ray.exceptions.RayError as error:
        return str(
            RunError(
                f"its node or process was lost more than {RETRIES} times ({first_line(error)})",
                fix="the same command again goes on from the last checkpoint",
            )
        )


def _give_back(ray: Any, under_way: Sequence[Any]) -> None:
    """Take back what has not begun, and let what has begun save; what does not end in time is ended."""
    for ref in under_way:
        ray.cancel(ref)
    _, left = ray.wait(list(under_way), num_returns=len(under_way), timeout=GRACE) if under_way else ([], [])
    for ref in left:
        ray.cancel(ref, force=True)


def _last_line(error: Exception) -> str:
    """A RayTaskError begins with where it was raised, and ends with what it says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
