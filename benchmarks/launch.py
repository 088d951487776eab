"""Run a command and write its seconds, peak memory and exit code: ``launch.py RESULT COMMAND...``.

A process of its own, and small: Linux counts the memory of the process that starts a command into the
command's own peak.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    result, *command = sys.argv[1:]
    started = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    facts = {
        "seconds": time.perf_counter() - started,
        "peak_bytes": usage.ru_maxrss * 1024,  # of the largest process in it; Linux counts in KiB
        "code": os.waitstatus_to_exitcode(status),
    }
    Path(result).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
