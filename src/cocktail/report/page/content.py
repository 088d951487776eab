"""All that the page shows, gathered from ``reports/``: what is missing is named, not passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cocktail.claims.rows import ClaimVerdicts, VerdictRow, Verdicts, study_verdicts
from cocktail.config import Params
from cocktail.errors import RecordError
from cocktail.files.records import read_json
from cocktail.report.markup import Picture, inline_svg, slug
from cocktail.report.methods import ordered_studies
from cocktail.report.page import sections
from cocktail.report.page.studies import Findings, findings, recorded
from cocktail.report.page.tables import Key, ShownTable, Trace, read_traces, shown_tables
from cocktail.report.provenance import data_note


@dataclass(frozen=True)
class Filled:
    """A section with what was found for it; ``missing`` names what was not."""

    section: sections.Section
    pictures: tuple[Picture, ...]
    tables: tuple[ShownTable, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The content of the page.

    Attributes:
        note: study, data, and whether its models are miniatures.
        runs: (model, run) of every run in the table of runs, where a link can lead.
        rest: tables and figures that no section names.
        studies: the facts of each recorded study, by folder.
        unrecorded: configured studies without a record.
    """

    params: Params
    note: str
    claims: Verdicts | None
    results: tuple[Filled, ...]
    sources: tuple[Filled, ...]
    rest: Filled
    traces: Mapping[Key, Trace]
    runs: frozenset[tuple[str, str]]
    studies: Mapping[str, Mapping[str, str]]
    findings: Findings
    unrecorded: Sequence[str]

    @property
    def task(self) -> str:
        """The one task that the study asks about, as a study of one's own does; of several: ""."""
        target, *more = self.params.study.targets or [""]
        return "" if more or not self.claims or not self.claims.of_task(target) else target

    @property
    def miniature(self) -> bool:
        """Whether a model of the study was made from scratch."""
        return any(model.kind == "scratch" for model in self.params.models.values())

    def untested(self) -> list[tuple[ClaimVerdicts, str, list[VerdictRow]]]:
        """Return the rows of claims that were not tested, together where the reason is the same."""
        found: dict[tuple[str, str], tuple[ClaimVerdicts, str, list[VerdictRow]]] = {}
        for claim in self.claims.claims if self.claims else []:
            for row in claim.verdicts:
                if row.verdict == "not tested":
                    found.setdefault((claim.id, row.reason), (claim, row.reason, []))[2].append(row)
        return list(found.values())


def gather(reports: Path, *, configured: Path, params: Params) -> Page:
    """Read all that the page shows.

    Args:
        reports: folder of tables, figures, studies, comparison.json, effects.json and claims.json.
        configured: conf/study, what could be run.

    Raises:
        RecordError: comparison.json or effects.json is missing, or a file is broken or of another study.
    """
    comparison = read_json(reports / "comparison.json")
    if comparison["study"] != params.study.name:
        raise RecordError(
            f"reports are of study {comparison['study']!r}, params of {params.study.name!r}", fix="dvc repro"
        )
    verdicts, tables = reports / "claims.json", shown_tables(reports / "tables")
    pictures = _pictures(reports / "figures", list(params.models))
    studies = ordered_studies(reports / "studies")
    named = (*sections.RESULTS, *sections.SOURCES)
    used_tables = {name for section in named for name in section.tables}
    used_figures = {name for section in named for name in section.figures}
    rest = sections.Section(
        "more",
        "Further tables and figures",
        "What the study wrote beside the above.",
        tables=tuple(name for name in tables if name not in used_tables | sections.FROM_CLAIMS),
        figures=tuple(dict.fromkeys(one.name for one in pictures if one.name not in used_figures)),
    )
    return Page(
        params=params,
        note=data_note(params),
        claims=study_verdicts(verdicts, study=params.study.name) if verdicts.is_file() else None,
        results=tuple(_fill(section, tables, pictures) for section in sections.RESULTS),
        sources=tuple(_fill(section, tables, pictures) for section in sections.SOURCES),
        rest=_fill(rest, tables, pictures),
        traces=read_traces(comparison, read_json(reports / "effects.json")),
        runs=_known_runs(tables.get("runs")),
        studies=recorded(studies),
        findings=findings(studies),
        unrecorded=[path.stem for path in sorted(configured.glob("*.yaml")) if path.stem not in studies],
    )


def _fill(section: sections.Section, tables: Mapping[str, ShownTable], pictures: Iterable[Picture]) -> Filled:
    mine = [one for name in section.figures for one in pictures if one.name == name]
    missing = [f"figure {name}" for name in section.figures if name not in {one.name for one in mine}]
    missing += [f"table {name}" for name in section.tables if name not in tables]
    found = tuple(tables[name] for name in section.tables if name in tables)
    return Filled(section=section, pictures=tuple(mine), tables=found, missing=tuple(missing))


def _pictures(folder: Path, models: Sequence[str]) -> list[Picture]:
    """Every SVG of the folder; the file's name ends with the model, if it is of one."""
    found = []
    for path in sorted(folder.glob("*.svg")):
        # the longest model first: of "tiny" and "phi3_tiny" both may end the name
        ends = (model for model in sorted(models, key=len, reverse=True) if path.stem.endswith(f"_{model}"))
        model = next(ends, "")
        name = path.stem.removesuffix(f"_{model}") if model else path.stem
        caption = sections.FIGURES.get(name) or sections.Caption(
            name.replace("_", " "), f"Figure {path.stem}; its numbers stand in the tables of this page."
        )
        title = f"{caption.title}, model {model}" if model else caption.title
        svg = inline_svg(path, prefix=slug("fig", path.stem), title=title, description=caption.description)
        found.append(Picture(name=name, title=title, svg=svg))
    return found


def _known_runs(table: ShownTable | None) -> frozenset[tuple[str, str]]:
    if table is None:
        return frozenset()
    return frozenset((table.model_of(row), table.cell(row, "run")) for row in table.rows)
