"""A Ray cluster of simulated nodes on this machine: a head without a core, and nodes of one core each.

It lives in a process of its own, for Ray reads its settings of authentication once, as it is imported. As a
script it prints the address of the head; each line of stdin names processes, and the node that has one of
them as its raylet is ended outright.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

TOKEN = "0123456789abcdef" * 4  # of clusters that live as long as a test
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 else: on a machine with other work a test takes minutes
}


class Nodes:
    """The cluster, from the process that asked for it."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process = process
        address = json.loads(self._answer())["address"]
        self.environment = {**environment, "RAY_ADDRESS": address}

    def kill(self, worker: int) -> None:
        """End the node of a worker's process, with all its processes, without a warning."""
        assert self._process.stdin
        parents = [process.pid for process in psutil.Process(worker).parents()]
        self._process.stdin.write(f"{json.dumps(parents)}\n")
        self._process.stdin.flush()
        assert json.loads(self._answer()) == {"ended": 1}

    def _answer(self) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return line
        raise AssertionError("the cluster is gone")


@contextmanager
def ray_nodes(count: int, **settings: str) -> Iterator[Nodes]:
    """Yield a cluster of so many nodes; ``settings`` are environment variables of them and of drivers."""
    environment = {**os.environ, **SETTINGS, **settings}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, __file__, str(count)]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Nodes(process, environment)
    finally:
        process.communicate()  # the end of stdin ends the cluster


def main() -> None:
    from ray.cluster_utils import Cluster

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as where a script starts a node in the background
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]))]
    print(json.dumps({"address": cluster.address}), flush=True)
    for line in sys.stdin:
        hit = [node for node in nodes if node.all_processes["raylet"][0].process.pid in json.loads(line)]
        for node in hit:
            cluster.remove_node(node, allow_graceful=False)
        print(json.dumps({"ended": len(hit)}), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
