"""Processes as they come and go: one that has just ended has no children and no command line."""

from __future__ import annotations

import psutil


def relatives(process: psutil.Process) -> list[psutil.Process]:
    """The process and all that descend from it; none where it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def line_of(process: psutil.Process) -> str:
    """Its command line; empty where it has ended, also where its parent has not waited for it yet."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # ZombieProcess is one of these
        return ""
