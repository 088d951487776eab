"""The Ray cluster that does the runs: the one that RAY_ADDRESS names, or one that lives as long as the stage.

Token authentication is on: who reaches a cluster without it can run code there.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cocktail.errors import RunError, first_line

ADDRESS, MODE, TOKEN = "RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
REACH = 10.0  # seconds until an address that does not answer is given up
HELP = "https://docs.ray.io/en/latest/ray-security/token-auth.html"


@contextmanager
def cluster() -> Iterator[Any]:
    """Yield ``ray``, connected to a cluster; leave it, and end one that was started here, afterwards.

    Raises:
        RunError: the address is of no use, nobody answers there, or authentication is off or fails.
    """
    address = check_address(os.environ)
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
