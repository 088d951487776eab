"""``evaluate.Metric`` modules of the package.

They load without a network by their path, ``evaluate.load(metric_path("label_scores"))``, and can be made
directly from their class. Evaluate's loader parses imports line by line: no "import a, b".
"""

from pathlib import Path


def metric_path(name: str) -> str:
    """Return the path that ``evaluate.load`` takes for one of the modules of this folder."""
    return str(Path(__file__).parent / f"{name}.py")
