"""The plan of a study: composed, checked, counted; nothing is downloaded and nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cocktail.claims.arms import lacking
from cocktail.claims.schema import read_claims
from cocktail.config import Params, check_params
from cocktail.config.compose import compose
from cocktail.data.mixture import source_sizes
from cocktail.studies.planning.cost import Cost, Rates, model_costs, read_rates
from cocktail.studies.planning.facts import SIZES, Sizes, read_sizes
from cocktail.studies.planning.rows import SourceRows, prepared_data, source_rows
from cocktail.studies.planning.runs import PlannedRun, planned_runs

CLAIMS = Path("data/reference/claims.yaml")
GRID = ("single", "pair", "without", "all")


@dataclass(frozen=True)
class Plan:
    """A study before it runs.

    Attributes:
        command: the words after ``cocktail plan``.
        counted: whether rows were counted in prepared data, and not expected.
        rows: of each task.
        asked: rows that each source is asked for in every mixture it is in.
        runs: of each tuned model.
        costs: of each model.
        lacking: what the study has not, and the claims that need it.
    """

    command: str
    params: Params
    sizes: Sizes
    counted: bool
    rows: Mapping[str, SourceRows]
    asked: Mapping[str, int]
    runs: Sequence[PlannedRun]
    costs: Sequence[Cost]
    rates: Rates | None
    lacking: Mapping[str, Sequence[str]]

    @property
    def once(self) -> float:
        """T: the tokens of all sources of the study read once, each with the rows it gives a mixture."""
        rows, asked = self.rows, self.asked
        return sum(min(asked[name], rows[name].train) * rows[name].tokens for name in self.params.study.tasks)

    @property
    def disk_bytes(self) -> float:
        return sum(cost.disk_bytes for cost in self.costs)

    def share(self, *kinds: str, stage: str = "explore") -> float:
        """Return the tokens of runs of these kinds (none: of all) in multiples of T."""
        chosen = [run for run in self.runs if run.stage == stage and (not kinds or run.kind in kinds)]
        return sum(run.tokens * run.seeds for run in chosen) / self.once


def plan_study(conf: Path, study: str, overrides: Sequence[str] = (), *, root: Path) -> Plan:
    """Plan a study.

    Args:
        conf: the configuration groups.
        root: of the repository: its reference data and benchmarks, and prepared data if there are any.

    Raises:
        ConfigError: no such study, a broken override, a broken rule.
        DataError: a size that the plan needs is not known.
    """
    composed = compose(conf, study, overrides)
    params = check_params(composed, where=f"{conf} with study={study}", root=root)
    sizes, prepared = read_sizes(root / SIZES), prepared_data(composed, root=root)
    rows = source_rows(params, sizes, prepared=prepared)
    runs = planned_runs(params, rows)
    scratch = any(model.kind == "scratch" for model in params.models.values())
    rates = read_rates(root / "reports/benchmarks") if scratch else None
    return Plan(
        command=" ".join([study, *overrides]),
        params=params,
        sizes=sizes,
        counted=prepared is not None,
        rows=rows,
        asked=source_sizes(params, {name: source.train for name, source in rows.items()}),
        runs=runs,
        costs=model_costs(params, runs, sizes=sizes, rates=rates),
        rates=rates,
        lacking=lacking(read_claims(root / CLAIMS), params),
    )
