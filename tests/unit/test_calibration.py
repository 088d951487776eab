"""The rule of verdicts on simulated studies: false findings are rare, and the printed effect is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cocktail.calibration.figure import draw_rates
from cocktail.calibration.generator import (
    ACCURACY,
    CANDIDATES,
    SINGLE,
    Design,
    SimulatedStudy,
    ability_for,
    simulate,
)
from cocktail.calibration.rates import Rates, judge_studies
from cocktail.calibration.recorded import recorded_design
from cocktail.calibration.study import calibrate, held
from cocktail.calibration.table import rates_tables
from cocktail.errors import RecordError
from cocktail.records import digest_folder, read_json, write_json
from cocktail.report.table import to_markdown

RECORDED = Path(__file__).parents[2] / "reports/calibration"
SMALL = Design(items=120, seeds=3, seed_sd=3.0)


def studies(design: Design, *, num: int, effect: float = 0.0, seed: int = 1) -> list[SimulatedStudy]:
    return list(simulate(design, num_studies=num, effect=effect, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize(("effect", "seed_sd"), [(0.0, 3.0), (12.0, 1.0)])
def test_the_truth_is_what_was_asked_for(effect: float, seed_sd: float) -> None:
    made = studies(Design(items=400, seeds=5, seed_sd=seed_sd), num=200, effect=effect)
    treatment, control = (
        100 * np.array([getattr(study, arm).mean(axis=1) for study in made])
        for arm in ("treatment", "control")
    )
    assert control.mean() == pytest.approx(100 * ACCURACY, abs=0.8)
    assert (treatment - control).mean() == pytest.approx(effect, abs=0.8)
    # Over seeds a run's mean moves by seed_sd, by its luck on items, and by strong and weak clusters.
    luck = np.sqrt(seed_sd**2 + 100**2 * 0.2 / 400)
    assert luck * 0.8 < control.std(axis=1, ddof=1).mean() < luck * 1.4


def test_ability_is_the_inverse_of_the_mean_score() -> None:
    assert ability_for(0.5, 3.0) == pytest.approx(0, abs=1e-6)
    assert ability_for(0.65, 3.0) < ability_for(0.66, 3.0)


def test_seed_noise_has_heavy_tails() -> None:
    made = studies(Design(items=2000, seeds=20, seed_sd=5.0), num=60)
    scores = np.concatenate([study.control.mean(axis=1) - study.control.mean() for study in made])
    spread = np.median(np.abs(scores)) / 0.6745  # the SD, were it normal
    assert (np.abs(scores) > 3 * spread).mean() > 0.01  # normal: 0.0027


def test_the_mixture_is_picked_on_dev_and_trained_afresh() -> None:
    """The best explored score on test is luck; what was picked, trained afresh, shows none of it."""
    made = studies(replace(SMALL, seed_sd=0.0), num=300)
    explored = np.array([study.explored.mean(axis=1) for study in made])
    picked = np.array([study.explored[study.picked].mean() for study in made])
    assert np.mean(explored[:, :CANDIDATES].max(axis=1) - explored[:, SINGLE]) > 0.05
    assert np.mean(picked - explored[:, SINGLE]) == pytest.approx(0, abs=0.01)
    fresh = [study.treatment.mean() - study.control.mean() for study in made]
    assert np.mean(fresh) == pytest.approx(0, abs=0.01)


def test_tasks_share_runs_and_no_cluster() -> None:
    [study] = studies(Design(items=50, seeds=3, seed_sd=1.0, tasks=2), num=1)
    assert study.treatment.shape == study.control.shape == (3, 100)
    assert study.explored.shape == (CANDIDATES + 1, 100)
    first, second = set(study.clusters[:50]), set(study.clusters[50:])
    assert not first & second
    assert len(first) < 50 and len(second) < 50


@pytest.fixture(scope="module")
def null() -> Rates:
    return judge_studies(
        simulate(SMALL, num_studies=400, effect=0, rng=np.random.default_rng(2)), SMALL, ask_detectable=50
    )


def test_false_findings_are_rare_and_other_ways_have_more(null: Rates) -> None:
    assert null.shares["the rule"].get("supported", 0) <= 0.05
    assert null.shares["the rule"].get("contradicted", 0) <= 0.05
    assert null.shares["picked on test, one seed"]["supported"] > 0.15
    assert null.shares["no seed variance"]["supported"] > null.shares["the rule"].get("supported", 0)
    assert sum(null.shares["the rule"].values()) == pytest.approx(1)


def test_the_printed_detectable_effect_is_found(null: Rates) -> None:
    assert len(null.detectable) == 50
    effect = float(np.median(null.detectable))
    rates = judge_studies(
        simulate(SMALL, num_studies=200, effect=effect, rng=np.random.default_rng(3)), SMALL
    )
    assert rates.shares["the rule"]["supported"] > 0.8 - 3 * rates.standard_error("the rule", "supported")
    assert rates.detectable == ()


def test_equality_is_found_where_it_is_and_seldom_at_the_margin() -> None:
    design = Design(items=4000, seeds=5, seed_sd=0.1)
    shares = [
        judge_studies(
            simulate(design, num_studies=60, effect=effect, rng=np.random.default_rng(4)), design
        ).shares["the rule, equality claimed"]
        for effect in (0.0, 2.0)
    ]
    assert shares[0]["supported"] > 0.5
    assert shares[1].get("supported", 0) <= 0.05 + 0.06


MOST = [(0.05, 0.05, "yes"), (0.06, 0.05, "within error"), (0.08, 0.05, "no")]
LEAST = [(0.8, 0.8, "yes"), (0.79, 0.8, "within error"), (0.7, 0.8, "no")]


@pytest.mark.parametrize(("share", "bound", "answer"), [*MOST, *LEAST])
def test_a_bound_is_held_or_not(share: float, bound: float, answer: str) -> None:
    rates = Rates({"the rule": {"supported": share}}, num_studies=1000, detectable=(), num_clusters=1)
    assert held(rates, "the rule", "supported", bound) == answer


def test_one_command_writes_numbers_table_and_figure(tmp_path: Path) -> None:
    for name in ("one", "two"):
        result = calibrate(tmp_path / name, num_studies=40, seed=5, designs=[SMALL])
    assert digest_folder(tmp_path / "one") == digest_folder(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        "calibration.json",
        "calibration.png",
        "calibration.svg",
        "table.md",
    }
    assert result["command"] == "cocktail calibrate --studies 40 --seed 5"
    assert read_json(tmp_path / "one/calibration.json") == result
    table = (tmp_path / "one/table.md").read_text(encoding="utf-8")
    assert result["command"] in table and "40 simulated studies" in table
    named = calibrate(tmp_path / "named", num_studies=1, seed=5, designs=[SMALL], study="tiny")
    assert named["command"] == "cocktail calibrate --study tiny --studies 1 --seed 5"
    other = calibrate(tmp_path / "three", num_studies=40, seed=6, designs=[SMALL])
    assert other["rows"] != result["rows"]


def test_no_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="0 simulated studies"):
        calibrate(tmp_path, num_studies=0, seed=1)
    assert not list(tmp_path.iterdir())


def panels(result: dict[str, object]) -> Iterator[list[float]]:
    """The x values of the rule in both panels."""
    for ax in draw_rates(Figure().subplots(1, 2), result):
        [rule] = [bars for bars in ax.containers if bars.get_label() == "this project's rule"]
        yield list(rule.lines[0].get_xdata())


def test_the_recorded_table_and_figure_are_those_of_the_recorded_numbers() -> None:
    result = read_json(RECORDED / "calibration.json")
    shown = "\n".join(map(to_markdown, rates_tables(result)))
    assert (RECORDED / "table.md").read_text(encoding="utf-8") == shown
    for drawn, truth in zip(panels(result), ("no difference", "detectable difference"), strict=True):
        rows = [row for row in result["rows"] if (row["truth"], row["way"]) == (truth, "the rule")]
        assert drawn == [pytest.approx(100 * row["shares"]["supported"]) for row in rows]


def test_a_recorded_study_has_a_design_of_its_own() -> None:
    design = recorded_design(RECORDED.parent / "studies/tiny")
    assert (design.items, design.seeds, design.tasks, design.dev_items) == (120, 3, 2, 60)
    assert design.mean_cluster == 1
    arms = read_json(RECORDED.parent / "studies/tiny/comparison.json")["arms"]
    spread = [100 * arm["seed_sd"] for arm in arms if arm["stage"] == "confirm" and arm["n_seeds"] > 1]
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
