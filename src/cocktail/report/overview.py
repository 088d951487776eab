"""The README's first screen: the recorded studies in short, from their records and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cocktail.claims.draft import SOME
from cocktail.files.text import pipe_table
from cocktail.report.methods import FULL, Record
from cocktail.report.side_by_side import (
    ClaimLine,
    Told,
    claim_lines,
    cost_text,
    data_kind,
    floor_text,
    models_text,
    standing_of,
    tunes,
    verdicts_of,
)
from cocktail.report.table import MISSING

GROUPS = {  # what is said of a study -> the verdicts that it counts
    "Held": ("supported",),
    "Did not hold": ("contradicted", "negligible", "not supported"),
    "Undecided": ("under-powered",),
    "Not tested": ("not tested",),
}
NAMED = ("supported", "contradicted")  # of these verdicts a reader asks which claims they are on
RESULTS = "reports/studies/README.md"
MINIATURES = (
    "Models from scratch are miniatures: they try out the method and say nothing about the paper's models; "
    "verdicts changed each time a base did (reports/LOG.md)."
)
UNIT = (
    "Effects in points of accuracy on test, first arm minus second, with {level} intervals over seeds and "
    f"items. Reasons, adjusted p, items and seeds: [results in full]({RESULTS}). Status of data (rebuilt, "
    "partial, stand-in): [docs/real-data.md](docs/real-data.md#sources)."
)


def outcome(records: Sequence[Record]) -> str:
    """Return what came out: verdicts on means over tasks, counted study by study; what gains on some task."""
    columns = list(filter(tunes, records))
    claims = claim_lines(columns)
    told = [f"**{one.folder.name}** {_counts(claims, place)}" for place, one in enumerate(columns)]
    models = [model for one in records for model in one.manifest["params"]["models"].values()]
    small = f" {MINIATURES}" if any(model["kind"] == "scratch" for model in models) else ""
    some = [  # the claims that hold for at least one task
        f"{record.folder.name}, claim {claim.number}"
        for record in columns
        for claim in verdicts_of(record).claims
        if any((row.scope, row.verdict) == (SOME, "supported") for row in claim.verdicts)
    ]
    named = "; ".join(dict.fromkeys(some))
    letter = f" At least one task gains, the claim to the letter (“not always”): {named}." if some else ""
    return f"What came out, counted in verdicts on means over tasks: {'; '.join(told)}.{letter}{small}\n"


def overview(records: Sequence[Record], running: Sequence[str] = ()) -> str:
    """Return one row a claim with verdict, effect and interval by study, then one line a study.

    Args:
        records: one a study, in the order of the columns; one that tunes nothing has a line only.
        running: the lines of studies that are not recorded yet.
    """
    columns = list(filter(tunes, records))
    claims, lines = claim_lines(columns), []
    if claims:
        unit = UNIT.format(level=levels(columns))
        lines = [*claims_table(columns, claims, lambda told: told.effect), "", unit, ""]
    return "\n".join([*lines, *map(_study, records), *running, ""])


def levels(records: Sequence[Record]) -> str:
    """Return the levels of confidence of studies."""
    found = {f"{record.manifest['params']['compare']['confidence']:.0%}" for record in records}
    return " or ".join(sorted(found))


def claims_table(
    records: Sequence[Record], claims: Sequence[ClaimLine], text: Callable[[Told], str]
) -> Iterator[str]:
    """Yield a table of one row a claim, one column a study; ``text`` returns what follows a verdict."""
    rows = [["tier, rule, lock", *map(standing_of, records)]]
    for claim in claims:
        cells = ["<br>".join(_line(one, text(one)) for one in told) or MISSING for told in claim.cells]
        rows.append([f"{claim.number}. {claim.title}", *cells])
    yield from pipe_table(["claim", *(record.folder.name for record in records)], rows)


def _line(told: Told, text: str) -> str:
    """Verdicts for or against a claim stand out."""
    marked = f"**{told.verdict}**" if told.verdict in NAMED else told.verdict
    sign = ": " if told.verdict == "not tested" else " "
    return (f"{told.who}: " if told.who else "") + marked + (f"{sign}{text}" if text else "")


def _counts(claims: Sequence[ClaimLine], place: int) -> str:
    found: dict[str, list[int]] = {verdict: [] for verdicts in GROUPS.values() for verdict in verdicts}
    for claim in claims:
        for told in claim.cells[place]:
            found[told.verdict].append(claim.number)
    return ", ".join(
        f"{len(numbers) or 'none'} {verdict}{_of(numbers) if verdict in NAMED else ''}"
        for verdict, numbers in found.items()
        if numbers or verdict == "supported"
    )


def _of(numbers: Sequence[int]) -> str:
    distinct = [str(number) for number in dict.fromkeys(numbers)]
    return f" (claim{'s' if len(distinct) > 1 else ''} {', '.join(distinct)})" if distinct else ""


def _study(record: Record) -> str:
    """What a study is, in one line."""
    manifest = record.manifest
    facts = [
        *([f"method {record.method}"] if record.method != FULL else []),
        data_kind(manifest["params"]),
        models_text(manifest, pretraining=False),
        cost_text(manifest),
        *([f"at the floor: {floor_text(record)}"] if tunes(record) else []),
    ]
    return f"- **[{record.folder.name}]({RESULTS}#study-{record.study})**: {'; '.join(facts)}."
