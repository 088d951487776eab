"""Model and dataset cards of a run, as Markdown with the Hub's front matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, ModelCard, ModelCardData
from markupsafe import Markup, escape

from cocktail.config import Params
from cocktail.files.records import write_text
from cocktail.report.markup import templates
from cocktail.report.provenance import data_note
from cocktail.report.run_facts import RunFacts
from cocktail.report.table import Table, to_markdown

ADAPTERS = ("lora", "qlora", "prompt_tuning")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def model_card(facts: RunFacts, *, params: Params, changed: Sequence[str]) -> str:
    """Return the model card of a run.

    Args:
        changed: where params depart from the study that they name.
    """
    method = facts.receipt["config"].get("method", "")
    data = ModelCardData(
        **_licence(facts),
        language="en",
        library_name="peft" if method in ADAPTERS else "transformers",
        pipeline_tag="text-generation",
        base_model=facts.config.repo,
        datasets=[source.repo for source in facts.sources if source.status == "original"] or None,
        tags=_tags(facts, method),
        model_name=f"{facts.model}, {facts.run}",
        eval_results=[
            EvalResult(
                task_type="text-generation",
                dataset_type=str(row["task"]),
                dataset_name=f"{row['task']} test of study {params.study.name}, n = {row['n']}",
                metric_type="accuracy",
                metric_name="strict accuracy (points)",
                metric_value=round(float(row["strict"]), 2),
            )
            for row in facts.scores.to_dict("records")
        ],
    )
    body = _body("model_card.md.j2", facts, params=params, changed=changed, method=method)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def dataset_card(facts: RunFacts, *, params: Params, changed: Sequence[str]) -> str:
    """Return the card of the mixture that a run was trained on."""
    rows = sum(source.kept for source in facts.sources)
    data = DatasetCardData(
        **_licence(facts),
        language="en",
        pretty_name=f"Training rows of {facts.run}",
        task_categories=["text-generation"],
        size_categories=next((name for limit, name in SIZES if rows < limit), "n>1M"),
        source_datasets=[source.repo for source in facts.sources if source.status == "original"] or None,
        tags=_tags(facts, ""),
    )
    body = _body("dataset_card.md.j2", facts, params=params, changed=changed, num_rows=rows)
    return str(DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def make_cards(facts: RunFacts, *, params: Params, changed: Sequence[str]) -> dict[str, str]:
    """Return the cards of a run by kind; a run that was not trained has no dataset."""
    cards = {"model": model_card(facts, params=params, changed=changed)}
    if facts.trained:
        cards["dataset"] = dataset_card(facts, params=params, changed=changed)
    return cards


def write_cards(cards: dict[str, str], out: Path) -> list[Path]:
    """Write each card as ``<kind>/README.md`` below ``out``; return the files."""
    return [write_text(out / kind / "README.md", text) for kind, text in cards.items()]


def _licence(facts: RunFacts) -> dict[str, Any]:
    """One licence for all only where everything inside is MIT and made here; else the card says each."""
    licences = {source.licence for source in facts.sources}
    if facts.config.kind == "scratch" and licences <= {"MIT"}:
        return {"license": "mit"}
    return {"license": "other", "license_name": "see-sources"}


def _tags(facts: RunFacts, method: str) -> list[str]:
    return ["cocktail", "finance", *filter(None, [method]), *(f"data:{status}" for status in facts.statuses)]


def _body(template: str, facts: RunFacts, **more: Any) -> str:
    found = templates().get_template(template)
    return found.render(
        facts=facts,
        note=_escaped(data_note(more["params"])),
        sources_table=_sources_table(facts),
        scores_table=_markdown(facts.scores, "Scores on test (points)"),
        non_commercial=[source for source in facts.sources if source.non_commercial],
        **more,
    )


def _escaped(text: str) -> Markup:
    """Escaped, but for the apostrophe: it opens nothing in Markdown, and is read as it stands."""
    return Markup(str(escape(text)).replace("&#39;", "'"))


def _sources_table(facts: RunFacts) -> Markup:
    rows = [asdict(source) | {"revision": source.revision[:12]} for source in facts.sources]
    names = {"name": "source", "repo": "repository", "kept": "trained on"}
    return _markdown(pd.DataFrame(rows, dtype=object).rename(columns=names), "Rows of each source")


def _markdown(frame: pd.DataFrame, title: str) -> Markup:
    """The table without its title and note; HTML in its texts is escaped, for Markdown would pass it on."""
    safe = frame.map(lambda value: str(_escaped(value)) if isinstance(value, str) else value)
    return Markup("\n".join(to_markdown(Table("card", title, "", safe)).splitlines()[4:]))
