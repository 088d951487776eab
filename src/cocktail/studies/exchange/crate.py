"""A record as an RO-Crate: what it is, by which code, from which data, with which results.

https://w3id.org/ro/crate/1.1: one ``ro-crate-metadata.json`` beside the files, JSON-LD with the names of
schema.org. It is made of the record alone, whatever version wrote it, so that old records become crates
without a run; only the date is asked of git. Written by our own code: the library ``rocrate`` would be one
more package in every environment, for one JSON file, and a digest of the lock stands in each record.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cocktail.errors import RecordError
from cocktail.files.git import ask_git
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.report.side_by_side import machines_text
from cocktail.studies.exchange.crate_context import MIT, Entity, licences, models, sources, verdicts

METADATA = "ro-crate-metadata.json"
SPEC = "https://w3id.org/ro/crate/1.1"
# The term of the profile Workflow Run Crate; the context of 1.1 has none for a digest.
CONTEXT = [f"{SPEC}/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}]
PAPER = "https://doi.org/10.48550/arXiv.2410.01109"
WHAT = {
    "manifest.json": "Params, commit, libraries, hardware, digests of all outputs, time and memory",
    "claims.json": "A verdict on each claim of the paper, with the runs and items behind it",
    "claims.yaml": "The claims that were tested",
    "lock.json": "What was fixed before the first run: claims, rule, params",
    "numbers.json": "Every number that a review compares",
    "metrics.json": "The headline numbers",
    "effects.json": "Differences between arms, with intervals",
    "comparison.json": "The arms of every target",
    "items.parquet": "The outcome of every test item of every run: ids and codes, no text",
}
NAMED: tuple[Entity, ...] = (  # by every crate
    {"@id": "#authors", "@type": "Organization", "name": "The Cocktail authors"},
    {
        "@id": PAPER,
        "@type": "ScholarlyArticle",
        "name": "Mixing It Up: The Cocktail Effect of Multi-Task Fine-Tuning on LLM Performance – "
        "A Case Study in Finance",
        "identifier": "arXiv:2410.01109",
    },
)
FORMATS = {".parquet": "application/vnd.apache.parquet", ".yaml": "application/yaml", ".md": "text/markdown"}


def write_crate(record: Path) -> Path:
    """Write ``ro-crate-metadata.json`` into the folder of a record; return its path.

    Raises:
        RecordError: the folder holds no record.
    """
    write_json(record / METADATA, make_crate(record))
    return record / METADATA


def make_crate(record: Path) -> dict[str, Any]:
    """Return the crate of a record as JSON-LD; equal records give equal crates.

    Raises:
        RecordError: the folder holds no record.
    """
    if not (record / "manifest.json").is_file():
        raise RecordError("no record here", where=str(record), fix="make record")
    manifest = read_json(record / "manifest.json")
    shown = (path for path in sorted(record.rglob("*")) if path.is_file() and not path.name.startswith("."))
    files = [_file(record, path) for path in shown if path.name != METADATA]
    used, code = list(sources(manifest)), _code(manifest)
    bases, found = list(models(manifest)), list(verdicts(record))
    made = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Study {manifest['study']}: train, answer, score, judge",
        "instrument": _to(code),
        "object": [_to(one) for one in (*used, *bases)],
        "result": {"@id": "./"},
        "description": _made_by(manifest),
    }
    root = {**_root(record, manifest), "hasPart": [_to(one) for one in files], "mentions": _to(made)}
    root |= {"variableMeasured": [_to(one) for one in found]} if found else {}
    about = {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": SPEC}, "about": {"@id": "./"}}
    entities = [about, root, made, code, *files, *used, *bases, *found, *NAMED]
    entities += list(licences([root, *used, *bases]))
    return {"@context": CONTEXT, "@graph": entities}


def _to(entity: Mapping[str, Any]) -> dict[str, str]:
    return {"@id": str(entity["@id"])}


def _root(record: Path, manifest: Mapping[str, Any]) -> Entity:
    study, method = manifest["study"], manifest["params"]["train"]["method"]
    runs = manifest["runtime"]["runs"]
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Cocktail, study {study}, method {method}",
        "description": (
            f"Results of {runs} runs that check the cocktail effect of multi-task fine-tuning (arXiv "
            "2410.01109): verdicts, numbers, tables, figures, and the outcome of every test item as ids and "
            "codes. No text of a data set is in it."
        ),
        "datePublished": _date(record, manifest),
        "license": {"@id": MIT},
        "author": {"@id": "#authors"},
        "publisher": {"@id": "#authors"},
        "citation": {"@id": PAPER},
    }


def _date(record: Path, manifest: Mapping[str, Any]) -> str:
    """The day of the commit that the record names, else of the one that keeps it, else today."""
    questions = (
        ("show", "--no-patch", "--format=%cs", manifest["git"]["commit"], "--"),
        ("log", "-1", "--format=%cs", "--", "manifest.json"),
    )
    for question in questions:
        try:
            if answer := ask_git(record, *question):
                return answer
        except RecordError:  # no git, or a history that was cut
            continue
    return datetime.now(UTC).date().isoformat()


def _code(manifest: Mapping[str, Any]) -> Entity:
    commit, changed = manifest["git"]["commit"], manifest["git"]["changed"]
    note = f"{len(changed)} files differed from the commit: {', '.join(changed[:5])}" if changed else ""
    facts = {
        "@id": "#code",
        "@type": ["SoftwareSourceCode", "SoftwareApplication"],
        "name": "Cocktail",
        "version": commit,
        "identifier": commit,
        "programmingLanguage": f"Python {manifest['environment']['python']}",
        "license": {"@id": MIT},
        "softwareRequirements": f"requirements.lock, sha256 {manifest['digests']['requirements.lock']}",
    }
    return facts | ({"description": note} if note else {})


def _made_by(manifest: Mapping[str, Any]) -> str:
    time = manifest["runtime"]
    seconds = time["training_seconds"] + time["answering_seconds"]
    return f"{time['runs']} runs, {seconds / 3600:.2f} worker-hours, on {machines_text(manifest)}"


def _file(record: Path, path: Path) -> Entity:
    name = path.relative_to(record).as_posix()
    kind = FORMATS.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    facts = {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": kind,
        "contentSize": str(path.stat().st_size),
        "sha256": digest_file(path),
    }
    return facts | ({"description": WHAT[name]} if name in WHAT else {})
