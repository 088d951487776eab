"""``cocktail simulate``: the rule's error rates over several designs, as JSON, tables and figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from cocktail.errors import RecordError
from cocktail.files.records import write_json, write_text
from cocktail.report.table import to_markdown
from cocktail.studies.simulation.agreement import compared
from cocktail.studies.simulation.designs import DESIGNS, Design
from cocktail.studies.simulation.figure import write_figure
from cocktail.studies.simulation.generator import CANDIDATES
from cocktail.studies.simulation.rates import CONFIDENCE, MARGIN
from cocktail.studies.simulation.rows import RateRow, design_rows, studies_of
from cocktail.studies.simulation.table import all_tables


def simulate_designs(
    out: Path,
    *,
    num_studies: int,
    seed: int,
    designs: Sequence[Design] = DESIGNS,
    study: str = "",
    records: Sequence[Path] = (),
    processes: int = 1,
) -> dict[str, Any]:
    """Write simulation.json, table.md, and simulation.svg into ``out``; return the JSON.

    Args:
        study: the recorded study that the design is of; "": none.
        records: recorded studies whose effects are computed by a second road, too.
        processes: among which the designs are dealt out; the numbers do not depend on it.

    Raises:
        RecordError: there are no studies to simulate, or a record lacks answers.
    """
    if num_studies < 1:
        raise RecordError(f"{num_studies} simulated studies tell nothing", fix="--studies 1000")
    named = f" --study {study}" if study else ""
    agreement = compared(records)
    rows: dict[int, list[RateRow]] = {}
    sizes = [studies_of(design, num_studies) for design in designs]
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulated studies", total=sum(sizes))
        for place, found in _all_rows(designs, num_studies, seed, processes):
            rows[place] = found
            bar.advance(task, sizes[place])
    result = {
        "command": f"cocktail simulate{named} --studies {num_studies} --seed {seed}",
        "seed": seed,
        "studies": num_studies,
        "candidates": CANDIDATES,
        "confidence": CONFIDENCE,
        "margin": MARGIN,
        "rows": [row for place in sorted(rows) for row in rows[place]],
        "agreement": agreement,
    }
    write_json(out / "simulation.json", result)
    write_text(out / "table.md", "\n".join(map(to_markdown, all_tables(result))))
    write_figure(out, result)
    return result


def _all_rows(
    designs: Sequence[Design], num_studies: int, seed: int, processes: int
) -> Iterator[tuple[int, list[RateRow]]]:
    """Yield the rows of each design with its place, as they are made; each design has its own stream."""
    streams = np.random.SeedSequence(seed).spawn(len(designs))
    if processes == 1 or len(designs) == 1:
        for place, (design, stream) in enumerate(zip(designs, streams, strict=True)):
            yield place, design_rows(design, num_studies, stream)
        return
    largest_first = sorted(
        range(len(designs)), key=lambda place: -designs[place].tasks * designs[place].items
    )
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        asked = {
            pool.submit(design_rows, designs[place], num_studies, streams[place]): place
            for place in largest_first
        }
        for made in as_completed(asked):
            yield asked[made], made.result()
