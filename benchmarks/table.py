"""The table of all results: ``python benchmarks/table.py`` writes reports/benchmarks/table.md."""

from __future__ import annotations

from common import RESULTS

from cocktail.files.records import fresh_file
from cocktail.report.benchmarks import render_benchmarks


def main() -> None:
    with fresh_file(RESULTS / "table.md") as draft:
        draft.write_text(render_benchmarks(RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
