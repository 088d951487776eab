"""The README's first screen: the recorded studies side by side, from their records and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from cocktail.config import MixtureKind
from cocktail.report.methods import Record
from cocktail.report.side_by_side import (
    REBUILT_BY,
    ClaimLine,
    Told,
    claim_lines,
    cost_text,
    data_text,
    floor_text,
    models_text,
    standing_of,
)
from cocktail.report.table import MISSING

GROUPS = {  # what is said of a study -> the verdicts that it counts
    "Held": ("supported",),
    "Did not hold": ("contradicted", "negligible", "not supported"),
    "Undecided": ("under-powered",),
    "Not tested": ("not tested",),
}
RULE = (
    "Effects in points of accuracy on test, with {level} intervals over seeds and items. **Supported**: the "
    "interval lies above zero and reaches the margin; **contradicted**: the same below zero; "
    "negligible: beyond zero, but inside the margin; not supported: around zero, inside the margin; "
    "under-powered: the study cannot tell; not tested: nothing is said, neither for nor against (floor: "
    "nothing explored beats a blind guess). k of n tasks: as many were confirmed and can be tested. The "
    "whole rule: [Verdicts](#verdicts)."
)
MINIATURES = (
    "Models from scratch are miniatures: the method and each comparison are replicated with them, not the "
    "paper's numbers. "
)


def overview(records: Sequence[Record]) -> str:
    """Return what each study is and what it found, then one row a claim with one column a study.

    Args:
        records: of full fine-tuning, in the order of the columns.
    """
    claims = claim_lines(records)
    lines = [line for place, record in enumerate(records) for line in _study(record, claims, place)]
    if claims:
        levels = {f"{record.manifest['params']['compare']['confidence']:.0%}" for record in records}
        first = MINIATURES if any(map(_miniature, records)) else ""
        rule = RULE.format(level=" or ".join(sorted(levels)))
        lines += ["", *_table(records, claims), "", f"{first}{rule}"]
    return "\n".join([*lines, ""])


def _miniature(record: Record) -> bool:
    return any(model["kind"] == "scratch" for model in record.manifest["params"]["models"].values())


def _study(record: Record, claims: Sequence[ClaimLine], place: int) -> Iterator[str]:
    """One point of the list: what the study is, its tasks at floor, what held and what did not."""
    params, name = record.manifest["params"], record.folder.name
    seeds = f"explored with seed {params['study']['seed']}{_left_out(params['study']['include'])}"
    if params["study"]["confirm_seeds"]:
        seeds += f", confirmed with seeds {', '.join(map(str, params['study']['confirm_seeds']))}"
    if commit := REBUILT_BY.get(record.study):
        seeds += f"; this version cannot rebuild it, commit {commit} can"
    yield (
        f"- **[{name}](reports/studies/{name}/manifest.json)**: {data_text(params)}. "
        f"Models: {models_text(record.manifest)}. {cost_text(record.manifest)}; {seeds}.<br>"
    )
    yield f"  **At floor** (nothing is shown to beat a blind guess): {floor_text(record)}.<br>"
    yield "  " + " ".join(_findings(claims, place))


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


def _table(records: Sequence[Record], claims: Sequence[ClaimLine]) -> Iterator[str]:
    yield "| " + " | ".join(["claim", *(record.folder.name for record in records)]) + " |"
    yield "| --- " * (len(records) + 1) + "|"
    yield "| " + " | ".join(["tier, lock", *map(standing_of, records)]) + " |"
    for claim in claims:
        cells = ["<br>".join(map(_line, told)) or MISSING for told in claim.cells]
        shown = [f"{claim.number}. {claim.title}", *cells]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in shown) + " |"


def _line(told: Told) -> str:
    marked = f"**{told.verdict}**" if told.verdict in ("supported", "contradicted") else told.verdict
    sign = ": " if told.verdict == "not tested" else " "
    return (f"{told.who}: " if told.who else "") + f"{marked}{sign if told.text else ''}{told.text}"
