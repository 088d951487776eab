"""The rule of verdicts on simulated studies: false findings are rare, and the printed effect is found.

How often the rule errs is said in the sentences of docs/method.md, here from rows written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import digest_folder
from matplotlib.figure import Figure
from scipy import stats

from cocktail.errors import RecordError
from cocktail.files.records import read_json, write_json
from cocktail.report.error_rates import DETECTABLE, NULL, RULE, error_rates
from cocktail.report.table import to_markdown
from cocktail.studies.simulation.ability import ACCURACY, ability_for
from cocktail.studies.simulation.designs import DESIGNS, Design, recorded_design
from cocktail.studies.simulation.figure import draw_rates
from cocktail.studies.simulation.generator import CANDIDATES, SINGLE, SimulatedStudy, simulate
from cocktail.studies.simulation.rates import ErrorRates, Way, effect_of, judge_studies
from cocktail.studies.simulation.rows import design_rows, held, studies_of
from cocktail.studies.simulation.study import _all_rows, simulate_designs
from cocktail.studies.simulation.table import MADE_WITH, all_tables

RECORDED = Path(__file__).parents[2] / "reports/simulation"
RESULT = {
    "command": "cocktail simulate",
    "studies": 4,
    "candidates": CANDIDATES,
    "confidence": 0.95,
    "margin": 2.0,
    "agreement": [],
}
SMALL = Design(items=120, seeds=3, seed_sd=3.0)


def studies(
    design: Design, *, num: int, effect: float = 0.0, seed: int = 1, explored: bool = False
) -> list[SimulatedStudy]:
    rng = np.random.default_rng(seed)
    return list(simulate(design, num_studies=num, effect=effect, rng=rng, explored=explored))


def means(made: list[SimulatedStudy], arm: str) -> np.ndarray:
    """Mean scores in points, shape (studies, tasks, seeds)."""
    return 100 * np.array([getattr(study, arm).mean(axis=2) for study in made])


@pytest.mark.parametrize(
    ("effect", "design"),
    [
        (0.0, Design(items=400, seeds=5, seed_sd=3.0)),
        (12.0, Design(items=400, seeds=5, seed_sd=1.0)),
        (0.0, Design(items=400, seeds=5, seed_sd=3.0, tasks=2, correlation=0.4, over_tasks=0.3)),
        (5.0, Design(items=400, seeds=5, seed_sd=1.0, collapse=0.2)),
        (0.0, Design(items=400, seeds=5, seed_sd=1.0, collapse=0.2)),
    ],
)
def test_the_truth_is_what_was_asked_for(effect: float, design: Design) -> None:
    made = studies(design, num=200, effect=effect)
    treatment, control = means(made, "treatment"), means(made, "control")
    assert control.mean() == pytest.approx(100 * ACCURACY, abs=0.8)
    assert (treatment - control).mean() == pytest.approx(effect, abs=0.8)
    # Over seeds a run's mean moves by seed_sd, by its luck on items, and by strong and weak clusters.
    luck = np.sqrt(design.seed_sd**2 + 100**2 * 0.2 / 400)
    assert luck * 0.8 < control.std(axis=2, ddof=1).mean() < luck * 1.4


def test_a_gain_without_room_above_the_single_lowers_the_single() -> None:
    design = Design(items=400, seeds=3, seed_sd=1.0)
    made = studies(design, num=40, effect=50)
    gain = means(made, "treatment").mean() - means(made, "control").mean()
    assert gain == pytest.approx(50, abs=2)
    assert means(made, "control").mean() == pytest.approx(45, abs=2)
    with pytest.raises(RecordError, match="no room"):
        studies(design, num=1, effect=95)


def test_ability_is_the_inverse_of_the_mean_score() -> None:
    assert ability_for(0.5, 3.0) == pytest.approx(0, abs=1e-6)
    assert ability_for(0.65, 3.0) < ability_for(0.66, 3.0)


def test_seed_noise_has_heavy_tails() -> None:
    made = studies(Design(items=2000, seeds=20, seed_sd=5.0), num=60)
    scores = np.concatenate([study.control.mean(axis=(0, 2)) - study.control.mean() for study in made])
    spread = np.median(np.abs(scores)) / 0.6745  # the SD, were it normal
    assert (np.abs(scores) > 3 * spread).mean() > 0.01  # normal: 0.0027


def seed_noise(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Both arms' ranks of scores over seeds: heavy tails make plain correlations wander."""
    made = studies(design, num=40)
    found = []
    for arm in ("treatment", "control"):
        scores = means(made, arm)
        found.append((scores - np.median(scores, axis=2, keepdims=True)).swapaxes(0, 1).reshape(2, -1))
    return found[0], found[1]


def test_runs_have_in_common_what_the_design_says() -> None:
    alone = Design(items=1000, seeds=20, seed_sd=6.0, tasks=2)
    ours, theirs = seed_noise(alone)
    assert abs(stats.spearmanr(ours[0], theirs[0])[0]) < 0.12
    assert abs(stats.spearmanr(ours[0], ours[1])[0]) < 0.12
    ours, theirs = seed_noise(replace(alone, correlation=0.4, over_tasks=0.3))
    assert 0.25 < stats.spearmanr(ours[0], theirs[0])[0] < 0.5
    assert 0.15 < stats.spearmanr(ours[0], ours[1])[0] < 0.42
    assert abs(stats.spearmanr(theirs[0], theirs[1])[0]) < 0.12


def test_one_run_in_five_collapses_by_ten_points() -> None:
    made = studies(Design(items=3000, seeds=10, seed_sd=0.2, collapse=0.2), num=40)
    treatment, control = (means(made, arm).ravel() for arm in ("treatment", "control"))
    low = treatment < control.mean() - 3  # ten below the others is eight below the control
    assert low.mean() == pytest.approx(0.2, abs=0.07)
    assert treatment[~low].mean() - treatment[low].mean() == pytest.approx(10, abs=1)
    assert not (control < control.mean() - 6).any()


def test_the_mixture_is_picked_on_dev_and_trained_afresh() -> None:
    """The best explored score on test is luck; what was picked, trained afresh, shows none of it."""
    made = studies(replace(SMALL, seed_sd=0.0), num=300, explored=True)
    explored = np.array([study.explored[0].mean(axis=1) for study in made])
    picked = np.array([study.explored[0, study.picked[0]].mean() for study in made])
    assert np.mean(explored[:, :CANDIDATES].max(axis=1) - explored[:, SINGLE]) > 0.05
    assert np.mean(picked - explored[:, SINGLE]) == pytest.approx(0, abs=0.01)
    fresh = [study.treatment.mean() - study.control.mean() for study in made]
    assert np.mean(fresh) == pytest.approx(0, abs=0.01)


def test_each_task_has_its_own_mixture_and_no_cluster_of_another() -> None:
    made = studies(Design(items=50, seeds=3, seed_sd=1.0, tasks=2), num=20, explored=True)
    assert made[0].treatment.shape == made[0].control.shape == (2, 3, 50)
    assert made[0].explored.shape == (2, CANDIDATES + 1, 50)
    assert studies(Design(items=50, seeds=3, seed_sd=1.0), num=1)[0].explored.shape == (1, 0, 50)
    first, second = (set(ids) for ids in made[0].clusters)
    assert not first & second
    assert len(first) < 50 and len(second) < 50
    assert any(study.picked[0] != study.picked[1] for study in made)


NULL_WAYS: tuple[Way, ...] = ("the rule", "seeds unpaired", "no seed variance", "picked on test, one seed")


@pytest.fixture(scope="module")
def null() -> ErrorRates:
    made = simulate(SMALL, num_studies=400, effect=0, rng=np.random.default_rng(2), explored=True)
    return judge_studies(made, SMALL, ways=NULL_WAYS, ask_detectable=50)


def test_false_findings_are_rare_and_other_ways_have_more(null: ErrorRates) -> None:
    assert null.shares["the rule"].get("supported", 0) <= 0.05
    assert null.shares["the rule"].get("contradicted", 0) <= 0.05
    assert null.shares["picked on test, one seed"]["supported"] > 0.15
    assert null.shares["no seed variance"]["supported"] > null.shares["the rule"].get("supported", 0)
    assert sum(null.shares["the rule"].values()) == pytest.approx(1)


def test_the_printed_detectable_effect_is_found(null: ErrorRates) -> None:
    assert len(null.detectable) == 50
    effect = float(np.median(null.detectable))
    rates = judge_studies(
        simulate(SMALL, num_studies=200, effect=effect, rng=np.random.default_rng(3)),
        SMALL,
        ways=["the rule"],
    )
    assert rates.shares["the rule"]["supported"] > 0.8 - 3 * rates.standard_error("the rule", "supported")
    assert rates.detectable == ()


def test_pairing_the_seeds_finds_more_where_both_arms_share_their_noise() -> None:
    design = Design(items=200, seeds=3, seed_sd=5.0, tasks=5, correlation=0.8)
    rates = judge_studies(studies(design, num=150, effect=5.0), design, ways=["the rule", "seeds unpaired"])
    assert rates.shares["the rule"]["supported"] > rates.shares["seeds unpaired"]["supported"] + 0.1


def test_a_run_that_answers_all_tasks_is_left_unpaired() -> None:
    own = Design(items=100, seeds=3, seed_sd=5.0, tasks=3, over_tasks=1.0)
    [study] = studies(own, num=1)
    paired, kept = (effect_of(study, design, "the rule") for design in (own, replace(own, one_mixture=True)))
    assert kept.estimate == paired.estimate
    assert kept.se != paired.se and kept.df != paired.df
    unpaired = effect_of(study, own, "seeds unpaired")
    sums = [arm.mean(axis=(0, 2), dtype=np.float64) for arm in (study.treatment, study.control)]
    seeds = sum(scores.var(ddof=1) / 3 for scores in sums)
    assert unpaired.seed_share * unpaired.se**2 == pytest.approx(seeds)


def test_no_gain_is_found_where_there_is_none_and_seldom_at_the_margin() -> None:
    design = Design(items=4000, seeds=5, seed_sd=0.1)
    way: Way = "the rule, no gain claimed"
    shares = [
        judge_studies(studies(design, num=60, effect=effect, seed=4), design, ways=[way]).shares[way]
        for effect in (0.0, 2.0)
    ]
    assert shares[0]["supported"] > 0.5
    assert shares[1].get("supported", 0) <= 0.05 + 0.06


MOST = [(0.05, 0.05, "yes"), (0.06, 0.05, "within error"), (0.08, 0.05, "no")]
LEAST = [(0.8, 0.8, "yes"), (0.79, 0.8, "within error"), (0.7, 0.8, "no")]


@pytest.mark.parametrize(("share", "bound", "answer"), [*MOST, *LEAST])
def test_a_bound_is_held_or_not(share: float, bound: float, answer: str) -> None:
    rates = ErrorRates({"the rule": {"supported": share}}, num_studies=1000, detectable=(), num_clusters=1)
    assert held(rates, "the rule", "supported", bound) == answer


@pytest.mark.slow
def test_one_command_writes_numbers_table_and_figure(tmp_path: Path) -> None:
    for name in ("one", "two"):
        result = simulate_designs(tmp_path / name, num_studies=12, seed=5, designs=[SMALL])
    assert digest_folder(tmp_path / "one") == digest_folder(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "simulation.json",
        "simulation.svg",
        "table.md",
    }
    assert result["command"] == "cocktail simulate --studies 12 --seed 5"
    assert read_json(tmp_path / "one/simulation.json") == result
    assert result["agreement"] == []
    table = (tmp_path / "one/table.md").read_text(encoding="utf-8")
    assert result["command"] in table and "12 simulated studies" in table
    named = simulate_designs(tmp_path / "named", num_studies=1, seed=5, designs=[SMALL], study="tiny")
    assert named["command"] == "cocktail simulate --study tiny --studies 1 --seed 5"
    other = simulate_designs(tmp_path / "three", num_studies=12, seed=6, designs=[SMALL])
    assert other["rows"] != result["rows"]


@pytest.mark.slow
def test_the_numbers_do_not_hang_on_the_number_of_processes() -> None:
    designs = [replace(SMALL, tasks=tasks) for tasks in (1, 2)]
    alone, dealt_out = (dict(_all_rows(designs, 4, seed=7, processes=processes)) for processes in (1, 2))
    assert alone == dealt_out
    assert alone[0] != alone[1]


def test_one_task_that_collapses_is_printed_and_not_held_to_a_bound() -> None:
    [stream] = np.random.SeedSequence(1).spawn(1)
    rows = [
        row
        for tasks in (1, 2)
        for row in design_rows(Design(60, 3, 1.0, tasks=tasks, collapse=0.2), 4, stream)
    ]
    assert {bool(row["bounds"]) for row in rows if row["tasks"] == 1} == {False}
    bounded = {(row["truth"], row["way"]): row["bounds"] for row in rows if row["tasks"] == 2}
    assert bounded["no difference", "the rule"] == {"supported": 0.05, "contradicted": 0.05}
    assert bounded["detectable difference", "the rule"] == {"supported": 0.8}
    held_to = all_tables({**RESULT, "rows": rows})[0].frame
    assert held_to["held"][0] == "not held to"
    assert "(≤ 5)" not in held_to["false supported"][0] and "(≤ 5)" in held_to["false supported"][1]


def test_null_studies_are_more_where_the_rate_is_near_its_bound() -> None:
    [stream] = np.random.SeedSequence(1).spawn(1)
    design = Design(60, 3, 1.0, tasks=2, null_times=4)
    rows = design_rows(design, 4, stream)
    told = {(row["truth"], row["way"]): row["studies"] for row in rows}
    assert told["no difference", "the rule"] == 16
    assert told["detectable difference", "the rule"] == 4
    assert ("no difference", "picked on test, one seed") not in told
    assert studies_of(design, 4) == sum({truth: num for (truth, _), num in told.items()}.values())
    assert "–" in to_markdown(all_tables({**RESULT, "rows": rows})[2])


def test_the_designs_are_those_that_the_rule_is_held_to() -> None:
    plain = [design for design in DESIGNS if not (design.over_tasks or design.collapse)]
    asked = {(design.tasks, design.seeds, design.correlation) for design in plain if design.items == 500}
    assert asked == {(tasks, seeds, r) for tasks in (1, 3, 7) for seeds in (3, 5) for r in (0.0, 0.4)}
    assert {(design.tasks, design.seeds) for design in DESIGNS if design.collapse == 0.2} == {
        (tasks, seeds) for tasks in (1, 3, 7) for seeds in (3, 5)
    }
    assert [design.tasks for design in DESIGNS if design.null_times > 1] == [3, 3]
    assert any(design.one_mixture for design in DESIGNS)
    assert {design.dev_items for design in DESIGNS} == {150}


def test_no_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="0 simulated studies"):
        simulate_designs(tmp_path, num_studies=0, seed=1)
    assert not list(tmp_path.iterdir())


def panels(result: dict[str, object]) -> Iterator[list[float]]:
    """The x values of the rule in both panels."""
    axes = Figure().subplots(1, 2)
    draw_rates(axes, result)
    for ax in axes:
        [rule] = [bars for bars in ax.containers if bars.get_label() == "this project's rule"]
        yield list(rule.lines[0].get_xdata())


def test_the_recorded_table_and_figure_are_those_of_the_recorded_numbers() -> None:
    result = read_json(RECORDED / "simulation.json")
    shown = "\n".join(map(to_markdown, all_tables(result)))
    assert (RECORDED / "table.md").read_text(encoding="utf-8") == shown
    for drawn, truth in zip(panels(result), ("no difference", "detectable difference"), strict=True):
        rows = [row for row in result["rows"] if (row["truth"], row["way"]) == (truth, "the rule")]
        assert drawn == [pytest.approx(100 * row["shares"]["supported"]) for row in rows]


def test_the_recorded_rates_are_those_that_are_asked_of_the_rule() -> None:
    """All bounds are held but that which docs/method.md names: three tasks and seeds, runs that collapse."""
    rows = read_json(RECORDED / "simulation.json")["rows"]
    assert len({tuple(row[name] for name in MADE_WITH) for row in rows}) == len(DESIGNS)
    broken = {
        (row["tasks"], row["seeds"], row["collapse"], row["truth"], verdict)
        for row in rows
        for verdict, answer in row["held"].items()
        if answer != "yes"
    }
    assert broken == {(3, 3, 0.2, "no difference", "supported")}


def test_a_recorded_study_has_a_design_of_its_own() -> None:
    record = RECORDED.parent / "studies/tiny"
    arms = [
        arm
        for arm in read_json(record / "comparison.json")["arms"]
        if arm["stage"] == "confirm" and arm["n_seeds"] > 1
    ]
    items = {arm["task"]: arm["n_items"] for arm in arms}
    clusters = {arm["task"]: arm["n_clusters"] for arm in arms}
    spread = [100 * arm["seed_sd"] for arm in arms]
    design = recorded_design(record)
    assert (design.seeds, design.tasks, design.dev_items) == (3, len(items), 120)
    assert design.items == round(sum(items.values()) / len(items))
    assert min(items[t] / clusters[t] for t in items) <= design.mean_cluster
    assert design.mean_cluster <= max(items[t] / clusters[t] for t in items)
    assert min(spread) < design.seed_sd < max(spread)


def test_only_confirmed_arms_make_a_design(tmp_path: Path) -> None:
    arm = {
        "task": "fpb",
        "stage": "confirm",
        "n_items": 100,
        "n_clusters": 100,
        "n_seeds": 3,
        "seed_sd": 0.03,
    }
    arms = [
        arm,
        arm | {"seed_sd": 0.04},
        arm | {"task": "headline", "n_items": 201, "n_clusters": 67, "seed_sd": 0.0},
        arm | {"stage": "explore", "n_seeds": 1, "seed_sd": None},
        arm | {"task": "finqa", "n_seeds": 1, "seed_sd": None},
    ]
    write_json(tmp_path / "comparison.json", {"arms": arms})
    write_json(tmp_path / "manifest.json", {"params": {"prepare": {"dev_rows": 40}}})
    expected = round(100 * ((0.03**2 + 0.04**2) / 3) ** 0.5, 2)
    assert recorded_design(tmp_path) == Design(150, 3, expected, tasks=2, mean_cluster=2, dev_items=40)
    write_json(tmp_path / "comparison.json", {"arms": arms[3:]})
    with pytest.raises(RecordError):
        recorded_design(tmp_path)


def row(
    truth: str, share: float, against: float = 0.01, *, way: str = RULE, held: str = "yes", **design: Any
) -> dict[str, Any]:
    """One row; ``held`` "": its number has no bound."""
    bounds = {"supported": 0.05} if held else {}
    shown = {
        "truth": truth,
        "way": way,
        "shares": {"supported": share, "contradicted": against},
        "bounds": bounds,
    }
    return {"tasks": 3, "seeds": 3, "collapse": 0.0, **shown, "held": {"supported": held}, **design}


ROWS = [
    *(row(NULL, 0.0064), row(NULL, 0.045, 0.036), row(NULL, 0.05, held="within error")),
    *(row(NULL, 0.064, held="no", collapse=0.2), row(NULL, 0.9, way="seeds unpaired")),
    *(row(NULL, 0.068, held="", tasks=1), row(NULL, 0.089, held="", tasks=1, seeds=5)),
    *(row(DETECTABLE, 0.814), row(DETECTABLE, 0.97), row(DETECTABLE, 0.1, held="")),
]


def said(tmp_path: Path, rows: list[dict[str, Any]]) -> list[str]:
    write_json(tmp_path / "simulation.json", {"rows": rows})
    return error_rates(tmp_path / "simulation.json").splitlines()


def test_the_sentences_by_hand(tmp_path: Path) -> None:
    assert said(tmp_path, ROWS) == [
        "Where nothing differs, a headline comes out “supported” in 0.6 to 5.0 % of simulated studies "
        "(bound: 5 %), “contradicted” in 1.0 to 3.6 %.",
        "The bound is missed by one design (tasks: 3; seeds: 3; share of runs that collapse: 0.2): "
        "“supported” in 6.4 %.",
        "Held to no bound (tasks: 1; seeds: 3 or 5): “supported” in 6.8 to 8.9 %.",
        "The printed detectable effect is found in 81.4 to 97.0 %.",
    ]


def test_where_all_bounds_are_held_nothing_is_missed(tmp_path: Path) -> None:
    assert said(tmp_path, [row(NULL, 0.02), row(DETECTABLE, 0.8)]) == [
        "Where nothing differs, a headline comes out “supported” in 2.0 % of simulated studies (bound: 5 %), "
        "“contradicted” in 1.0 %.",
        "The printed detectable effect is found in 80.0 %.",
    ]
