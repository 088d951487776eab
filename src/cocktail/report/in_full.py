"""reports/studies/README.md: the recorded studies in full, from their records and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from cocktail.config import MixtureKind
from cocktail.report.methods import FULL, Record, methods_block, ordered_studies
from cocktail.report.overview import GROUPS, claims_table, levels
from cocktail.report.side_by_side import (
    ClaimLine,
    claim_lines,
    cost_text,
    data_text,
    floor_text,
    models_text,
    tunes,
    verdicts_of,
)
from cocktail.report.table import read_tables, to_markdown
from cocktail.report.verdicts import verdict_tables

HEAD = """# Recorded studies

Written by `cocktail readme` from the records beside it, one folder a study and method. How a verdict is
reached, and what its words mean: [docs/method.md](../../docs/method.md). What was tried in which order, and
what failed: [reports/LOG.md](../LOG.md).
"""
NONE = "No study is recorded yet.\n"
FLOOR = "nothing explored is shown to beat a blind guess"
UNTUNED = "Its models are untuned: no claim is tested."
RULE = (
    "Effects in points of accuracy on test, with {level} intervals over seeds and items. k of n tasks: as "
    "many were confirmed and can be tested. floor: nothing explored beats a blind guess. A claim that a "
    "study does not know has a dash."
)


def render_results(studies: Path) -> str:
    """Return the document: all studies side by side, with reasons; then each study with its tables."""
    found = ordered_studies(studies)
    records = [group[0] for group in found.values() if tunes(group[0])]
    lines = [HEAD]
    if claims := claim_lines(records):
        lines += claims_table(records, claims, lambda told: told.text)
        lines += [f"\n{RULE.format(level=levels(records))}\n"]
    lines += [_study(name, group, claims, records) for name, group in found.items()] or [NONE]
    return "\n".join(lines)


def _study(name: str, group: Sequence[Record], claims: Sequence[ClaimLine], columns: Sequence[Record]) -> str:
    """The leading record with its tables, folded; then, where there are other methods, all side by side."""
    place = columns.index(group[0]) if group[0] in columns else None
    methods = filter(None, [methods_block(group)])
    return "\n".join([f"## Study {name}", "", _full(group[0], claims, place), *methods])


def _full(record: Record, claims: Sequence[ClaimLine], place: int | None) -> str:
    """What a study is and found; ``place``: its column of the claims, None: it tunes nothing."""
    folder, here = record.folder, record.folder.name
    tables = read_tables(folder / "tables")
    if place is None:
        found, verdicts, shown, what = [UNTUNED, ""], list[str](), ["base"], "accuracy"
    else:
        floor = f"**At floor** ({FLOOR}): {floor_text(record)}."
        found = [floor, "", " ".join(_findings(claims, place)), ""]
        verdicts = [to_markdown(verdict_tables(verdicts_of(record))[0])]
        shown, what = ["main", "contrasts"], "every claim, accuracy, contrasts"
    lines = [
        _description(record),
        "",
        f"{cost_text(record.manifest)}. "
        f"All tables: [tables]({here}/tables); how it was made: [manifest]({here}/manifest.json).",
        "",
        *found,
        *_figures(folder),
        f"<details><summary>Tables of study {here}: {what}</summary>",
        "",
        *verdicts,
        *(to_markdown(tables[name]) for name in shown if name in tables),
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _description(record: Record) -> str:
    params = record.manifest["params"]
    data = data_text(params)
    method = "" if record.method == FULL else f" Fine-tuned with method {record.method}."
    seeds = f"Explored with seed {params['study']['seed']}{_left_out(params['study']['include'])}"
    if params["study"]["confirm_seeds"]:
        seeds += f", confirmed with seeds {', '.join(map(str, params['study']['confirm_seeds']))}"
    return f"{data[0].upper()}{data[1:]}. Models: {models_text(record.manifest)}. {seeds}.{method}"


def _left_out(include: Sequence[str]) -> str:
    """The kinds of mixtures that are not in a study's grid: its chosen mixture is the best of fewer."""
    missing = [kind for kind in get_args(MixtureKind) if kind not in include]
    return f" (not in its grid: {', '.join(missing)})" if missing else ""


def _findings(claims: Sequence[ClaimLine], place: int) -> Iterator[str]:
    """What held, did not or is undecided, by title; what was not tested, by number as far as it can be."""
    whole = _untested_numbers(claims, place)
    for group, verdicts in GROUPS.items():
        named = []
        for claim in claims:
            found = [told for told in claim.cells[place] if told.verdict in verdicts]
            where = [told.who for told in found] if len(claim.cells[place]) > len(found) else []
            notes = [*dict.fromkeys(told.verdict for told in found if told.verdict == "contradicted"), *where]
            note = f" ({', '.join(notes)})" if notes else ""
            named += [f"{claim.title}{note}"] if found and claim.number not in whole else []
        if group == "Not tested" and whole:
            named.insert(0, f"claim{'s' if len(whole) > 1 else ''} {', '.join(map(str, whole))}")
        if named or group in ("Held", "Did not hold"):
            yield f"**{group}**: {'; '.join(named) or 'none'}."


def _untested_numbers(claims: Sequence[ClaimLine], place: int) -> list[int]:
    """The paper's claims of which no statement was tested with any model."""
    told = [(claim.number, one.verdict) for claim in claims for one in claim.cells[place]]
    tested = {number for number, verdict in told if verdict not in GROUPS["Not tested"]}
    return [number for number in dict.fromkeys(number for number, _ in told) if number not in tested]


def _figures(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "figures").glob("bars_*.svg")):
        what = "Accuracy of base, single task and mixtures per task"
        yield f"![{what}]({folder.name}/figures/{path.name})\n"
