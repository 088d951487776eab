"""What the numbers of a plan rest on, in the sentences that are printed with it."""

from __future__ import annotations

from cocktail.studies.planning.study import Plan


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
        lines.append(
            "Confirmation is an upper bound, whatever dev chooses: each target has its dearest candidate, "
            f"and no two share one: {_dearest(plan)}."
        )
    return lines


def _dearest(plan: Plan) -> str:
    chosen = {run.id.removeprefix("chosen_"): run.at_most for run in plan.runs if run.kind == "chosen"}
    return ", ".join(f"{target} {mixture}" for target, mixture in chosen.items())
