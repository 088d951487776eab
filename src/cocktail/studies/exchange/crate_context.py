"""What a crate names beside its files: data with licence and digest, base models, verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cocktail.claims.rows import read_verdicts

MIT = "https://spdx.org/licenses/MIT"
LICENCES = {
    "MIT": MIT,
    "CC BY 3.0": "https://spdx.org/licenses/CC-BY-3.0",
    "CC BY-NC 4.0": "https://spdx.org/licenses/CC-BY-NC-4.0",
    "CC BY-NC-SA 3.0": "https://spdx.org/licenses/CC-BY-NC-SA-3.0",
    "Apache-2.0": "https://spdx.org/licenses/Apache-2.0",
}
Entity = dict[str, Any]


def sources(manifest: Mapping[str, Any]) -> Iterator[Entity]:
    """The sources that the study used, each with licence, revision and the digests of its files."""
    params, outputs = manifest["params"], manifest["digests"]["outputs"]
    used = [*params["study"]["tasks"], *params["study"]["evaluations"], params["prepare"].get("filler_from")]
    for name in dict.fromkeys(one for one in used if one in params["fetch"]["sources"]):
        source = params["fetch"]["sources"][name]
        generated = source["status"] == "generated"
        digests = [f"{one['path']}: sha256 {one['sha256']}" for one in source["files"] if one.get("sha256")]
        digest = "; ".join(digests) or f"data/raw of the study: md5 {outputs.get('data/raw', 'not kept')}"
        made = f", made by the code in the layout of {source['repo']}" if generated else ""
        yield {
            "@id": f"#data-{name}",
            "@type": "Dataset",
            "name": name,
            "description": f"Status {source['status']}{made}. {digest}",
            "identifier": name if generated else source["repo"] or name,
            "license": _licence(source["licence"]),
            **({"url": f"https://huggingface.co/datasets/{source['repo']}"} if _is_repo(source) else {}),
            **({"version": source["revision"]} if source.get("revision") else {}),
        }


def _is_repo(source: Mapping[str, Any]) -> bool:
    """Whether the rows are those of the Hub's repository, or a part of them."""
    on_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", source["repo"] or "") and source.get("backend") != "folder"
    return bool(on_hub) and source["status"] in ("original", "partial")


def models(manifest: Mapping[str, Any]) -> Iterator[Entity]:
    for name, model in manifest["params"]["models"].items():
        scratch = model["kind"] == "scratch"
        base = manifest["digests"]["outputs"].get(f"artifacts/base/{name}", "not kept")
        yield {
            "@id": f"#model-{name}",
            "@type": "CreativeWork",
            "name": name,
            "description": f"Base model, {model['kind']}; its folder: md5 {base}",
            "license": {"@id": MIT} if scratch else _licence(model.get("licence") or "its own"),
            **({"identifier": model["repo"]} if model.get("repo") else {}),
        }


def verdicts(record: Path) -> Iterator[Entity]:
    """The first headline of each claim; a claim of which nothing was tuned has none."""
    for claim in read_verdicts(record / "claims.json").claims:
        if not claim.headlines():
            continue
        head = claim.headlines()[0]
        measured = ""
        if head.effect is not None:
            measured = f"effect {head.effect:+.2f} points [{head.low:+.2f}, {head.high:+.2f}]; "
        yield {
            "@id": f"#verdict-{claim.id}",
            "@type": "PropertyValue",
            "name": f"{claim.number}. {claim.title}",
            "value": head.verdict,
            "description": f"{measured}{head.model}, {head.on}, {head.reading}. {claim.statement}",
        }


def _licence(text: str) -> dict[str, str]:
    """A licence that has an address by it, another by its words."""
    return {"@id": LICENCES.get(text) or "#licence-" + re.sub(r"\W+", "-", text.lower()).strip("-")}


def licences(entities: list[Entity]) -> Iterator[Entity]:
    names = {address: name for name, address in LICENCES.items()}
    for address in sorted({entity["license"]["@id"] for entity in entities}):
        words = address.removeprefix("#licence-").replace("-", " ")
        yield {"@id": address, "@type": "CreativeWork", "name": names.get(address, words)}
