"""A plan as text, for the terminal and for a file: the token budget first, every run last.

Between these are tables and sentences: what to know or to mend before a download, and what the plan's numbers
rest on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from cocktail.config import FetchConfig
from cocktail.report.table import Table, to_markdown
from cocktail.studies.planning.study import Plan
from cocktail.studies.planning.tables import budget_line, run_list, tables

WIDTH = 100


def plan_markdown(plan: Plan) -> str:
    """Return the whole plan as Markdown; equal plans give equal text on every machine."""
    parts = [
        f"# Plan of study {plan.params.study.name}",
        f"`cocktail plan {plan.command}`",
        budget_line(plan),
    ]
    parts += [to_markdown(table).strip() for table in tables(plan)]
    for title, bullets in _notes(plan):
        parts += [f"**{title}**", bullets]
    return "\n\n".join([*parts, to_markdown(run_list(plan))])


def print_plan(plan: Plan, console: Console) -> None:
    """Print the whole plan; the list of runs, which is long, comes last."""
    console.print(budget_line(plan), style="bold")
    for table in tables(plan):
        console.print(_rich(table))
    for title, bullets in _notes(plan):
        console.print(f"\n{title}", style="bold")
        console.print(bullets, highlight=False)
    console.print(_rich(run_list(plan)))


def _rich(table: Table) -> RichTable:
    shown = table.shown()
    found = RichTable(
        title=f"\n{table.title}",
        caption=table.note,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title_justify="left",
        caption_justify="left",
    )
    for name in shown.columns:
        longest = max(map(len, shown[name]))  # headers may fold, cells may not
        left = name in ("model", "stage", "kind", "source", "run")
        found.add_column(name, justify="left" if left else "right", min_width=longest, overflow="fold")
    for row in shown.to_numpy().tolist():
        found.add_row(*row)
    return found


def _notes(plan: Plan) -> Iterator[tuple[str, str]]:
    for title, lines in (("Before a download", checks(plan)), ("Assumptions", assumptions(plan))):
        yield title, "\n".join(f"- {line}" for line in lines)


def checks(plan: Plan) -> list[str]:
    """Return one line for each thing to know or to mend; the same on every machine."""
    return [*_pins(plan), *_gates(plan), *_short(plan), *_hardware(plan), *_claims(plan)]


def _claims(plan: Plan) -> Iterator[str]:
    for need, claims in plan.lacking.items():
        yield f"No {need}: not tested on all tasks are {', '.join(claims)}."


def _pins(plan: Plan) -> Iterator[str]:
    fetch, models = plan.params.fetch, plan.params.models
    used = dict.fromkeys((*plan.params.study.tasks, *plan.params.study.evaluations))
    backends = {name: fetch.backend_of(name) for name in used}
    outside = [name for name in used if backends[name] != "synthetic"]
    if not outside:
        yield "Sources: generated, nothing to pin."
    else:
        pins = dict.fromkeys("revision" if backends[name] == "hub" else "sha256" for name in outside)
        loose = [name for name in outside if not _pinned(fetch, name)]
        pinned = set(outside) - set(loose)
        yield f"Sources without a pin ({' or '.join(pins)}): {_list(loose)}; pinned: {_list(pinned)}."
    hub = [name for name, model in models.items() if model.kind == "hub"]
    if hub:
        loose = [name for name in hub if not models[name].revision]
        yield f"Models without a pin (revision): {_list(loose)}; pinned: {_list(set(hub) - set(loose))}."


def _pinned(fetch: FetchConfig, name: str) -> bool:
    source = fetch.sources[name]
    if fetch.backend_of(name) == "hub":
        return bool(source.revision)
    return all(file.sha256 for file in source.files)


def _gates(plan: Plan) -> Iterator[str]:
    models, fetch = plan.params.models, plan.params.fetch
    gated = [n for n, model in models.items() if model.kind == "hub" and plan.sizes.model(model).gated]
    hub = [name for name in fetch.sources if fetch.backend_of(name) == "hub"]
    gated += [name for name in hub if fetch.sources[name].gated]
    if gated:
        yield f"Gated: {_list(gated)}; accept the terms on the Hub's page and set HF_TOKEN."


def _short(plan: Plan) -> Iterator[str]:
    for name, asked in plan.asked.items():
        if plan.rows[name].train < asked:
            yield f"{name} is asked for {asked:,} rows and gives all its {plan.rows[name].train:,}."


def _hardware(plan: Plan) -> Iterator[str]:
    params, gpu = plan.params, plan.sizes.gpu
    on_gpu = [cost for cost in plan.costs if cost.gpu_bytes]
    for cost in on_gpu:
        several, needed = params.execute.gpus_per_run, ceil(cost.gpu_bytes / (gpu.memory_gigabytes * 1e9))
        state = f"{cost.model}: {cost.gpu_bytes / 1e9:.0f} GB of weights, gradients and AdamW states a run"
        room = f"{several} × {gpu.memory_gigabytes:g} GB"
        if needed > several:
            yield f"{state} are too much for {room}: set execute.gpus_per_run={needed} or more."
        else:
            yield f"{state} fit {room}; activations come on top."
    if on_gpu and params.train.precision == "bf16":
        yield "bf16 needs a GPU of compute capability 8.0 or newer."
    if on_gpu and params.train.precision == "fp32":
        yield "fp32: the hours are those of bf16, which a GPU computes many times faster."
    contexts = ", ".join(f"{name} {model.context:,}" for name, model in params.models.items())
    yield f"Rows of at most {params.train.max_length:,} tokens; context: {contexts}."


def _list(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def assumptions(plan: Plan) -> list[str]:
    """Return what the numbers rest on."""
    gpu, assumed = plan.sizes.gpu, plan.sizes.assumptions
    counted = (
        "Rows are counted in data/prepared."
        if plan.counted
        else "No data are there yet: rows are those of sizes.yaml without dev rows, and an upper bound: what "
        "cleaning and leakage take is not known."
    )
    on_gpu = any(cost.device == "GPU" for cost in plan.costs)
    lines = [counted, assumed.characters_a_token.says]
    if plan.params.train.packing:
        lines.append("Packed sequences are full.")
    if on_gpu:
        lines += [
            f"Hours are of one {gpu.name}, {gpu.peak_teraflops:g} TFLOP/s at its peak ({gpu.origin}).",
            "6 operations a parameter and token trained (adapters 4), 2 answered; attention and the second "
            "computation of activations are left out.",
            assumed.training_utilisation.says,
            assumed.answering_utilisation.says,
        ]
    if plan.rates:
        lines.append(
            f"Models from scratch: hours of one worker process on a CPU, {plan.rates.tokens:,.0f} tokens and "
            f"{plan.rates.answers:,.0f} answers a second, as measured with the miniature of study tiny "
            "(reports/benchmarks) and not scaled to other sizes."
        )
    lines += [
        assumed.answer_bytes.says,
        assumed.checkpoints.says,
        "Raw and prepared data are not in the disk.",
    ]
    if any(run.at_most for run in plan.runs):
        chosen = {run.id.removeprefix("chosen_"): run.at_most for run in plan.runs if run.kind == "chosen"}
        dearest = ", ".join(f"{target} {mixture}" for target, mixture in chosen.items())
        lines.append(
            "Confirmation is an upper bound, whatever dev chooses: each target has its dearest candidate, "
            f"and no two share one: {dearest}."
        )
    return lines
