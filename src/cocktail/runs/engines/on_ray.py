"""Runs as tasks of Ray, a task a run with its GPUs.

Ray gives a task to another node when its node is lost; what that has left is a checkpoint and the system's
lock, which ends with its process.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from cocktail.config import ExecuteConfig
from cocktail.errors import RunError, first_line
from cocktail.life import GRACE
from cocktail.runs.engines.common_ground import CommonGround, check_here
from cocktail.runs.engines.node import Order, Post
from cocktail.runs.engines.ray_cluster import ADDRESS, task_needs
from cocktail.runs.rounds import Job, Outcome, Payload, Work, in_two_rounds

RETRIES = 3  # of a run whose node or worker was lost
CHECK = 300.0  # seconds in which a node starts a process and looks at what it needs


def run_on_ray(
    ray: Any,
    jobs: Sequence[Job[Payload]],
    work: Work[Payload],
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
    """Hold every node against the driver; one that is lost meanwhile is none, as long as another answers.

    Raises:
        RunError: a node differs, or none answers.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(num_cpus=0, max_retries=0)(check_here)
    asked = [
        check.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(ground)
        for node in able
    ]
    end = time.monotonic() + CHECK
    lost: list[Exception] = []
    for one in asked:
        try:
            one.future().result(timeout=max(end - time.monotonic(), 0.0))
        except TimeoutError:
            lost.append(TimeoutError(f"it has not answered for {CHECK:g} seconds"))
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, RunError):
                raise RunError(cause.what, where=cause.where, fix=cause.fix) from None
            raise _no_cocktail(error) from None
        except ray.exceptions.RayError as error:  # the cluster takes a moment to notice that a node died
            lost.append(error)
    if len(lost) == len(asked):
        raise _no_cocktail(lost[0])


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
