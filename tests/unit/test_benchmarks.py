"""The benchmarks: how they measure, what a result says, and that every script still runs."""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cocktail.errors import RecordError, RunError
from cocktail.files.records import write_json
from cocktail.report.benchmarks import (
    FILE,
    Benchmark,
    Goal,
    MeasuredRatio,
    Series,
    keep_benchmark,
    number,
    read_benchmark,
    render_benchmarks,
)
from cocktail.report.readme import speed_lines

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
SCRIPTS = ("grid", "training", "answering", "overhead", "growth")
HARDWARE = {"gpus": [], "cores": 2, "cpu": "A CPU"}
FASTER = MeasuredRatio(
    "rows",
    "s",
    Series("ours", (3.0, 1.0, 2.0)),
    Series("plain", (8.0, 10.0, 9.0)),
    goal=Goal("at most", 0.4),
    facts={"rows": 5},
)
SLOWER = replace(FASTER, ours=Series("ours", (4.0, 4.0, 4.0)))
ALONE = MeasuredRatio("speed", "tokens/s", Series("ours", (26_999.0,)), goal=Goal("at least", 27_000.0))
RESULT = Benchmark(
    name="grid",
    title="A grid",
    command="python benchmarks/grid.py",
    comparisons=(FASTER, SLOWER, ALONE),
    made_with={"hardware": HARDWARE, "versions": {}, "date": "2026-01-02"},
    notes=("What is inside.",),
    not_measured=("a GPU",),
)


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The scripts' shared module; their folder is on the path as when one of them runs."""
    return script(monkeypatch, "common")


def script(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return __import__(name)


def test_ratio_and_goal_follow_from_the_medians() -> None:
    assert (FASTER.ours.median, FASTER.ratio, FASTER.met) == (2.0, 2 / 9, True)
    assert (SLOWER.ratio, SLOWER.met) == (4 / 9, False)
    assert (ALONE.ratio, ALONE.met) == (None, False)
    assert replace(ALONE, ours=Series("ours", (27_000.0,))).met is True
    assert replace(FASTER, goal=None).met is None


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    keep_benchmark(tmp_path, RESULT)
    assert read_benchmark(tmp_path, "grid") == RESULT


@pytest.mark.parametrize("key, value", [("ratio", 0.1), ("met", False)])
def test_a_number_that_does_not_follow_from_the_measured_ones_is_refused(
    tmp_path: Path, key: str, value: Any
) -> None:
    record = json.loads(json.dumps(RESULT.as_record()))
    record["comparisons"][0][key] = value
    write_json(tmp_path / FILE, {"grid": record})
    with pytest.raises(RecordError) as error:
        read_benchmark(tmp_path, "grid")
    assert error.value.where == str(tmp_path / FILE)
    assert error.value.fix == RESULT.command


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / FILE, {"grid": {"name": "grid"}})
    with pytest.raises(RecordError, match="no benchmark result"):
        read_benchmark(tmp_path, "grid")


def test_the_table_shows_medians_ranges_ratio_goal_and_hardware(tmp_path: Path) -> None:
    keep_benchmark(tmp_path, RESULT)
    lines = render_benchmarks(tmp_path).splitlines()
    assert lines[0] == "**A grid**"
    assert lines[2] == (
        "`python benchmarks/grid.py`, 2026-01-02, 2 cores of A CPU. Medians [smallest, largest]. "
        "What is inside. Not measured: a GPU."
    )
    assert lines[4] == "| measured | ours | compared with | ratio | goal | met |"
    assert lines[6:9] == [
        "| rows | 2 s [1, 3] | plain: 9 s [8, 10] | 0.222 | ≤ 0.4 | yes |",
        "| rows | 4 s [4, 4] | plain: 9 s [8, 10] | 0.444 | ≤ 0.4 | **no** |",
        "| speed | 26,999 tokens/s | – | – | ≥ 27,000 | **no** |",
    ]


def test_a_result_takes_the_place_of_its_benchmarks_last_and_of_no_other(tmp_path: Path) -> None:
    for one in (RESULT, replace(RESULT, name="growth"), replace(RESULT, title="Anew")):
        keep_benchmark(tmp_path, one)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert read_benchmark(tmp_path, "grid").title == "Anew"
    assert read_benchmark(tmp_path, "growth").title == RESULT.title
    with pytest.raises(RecordError, match="no result of benchmark 'real'"):
        read_benchmark(tmp_path, "real")


def test_results_that_are_broken_are_not_written_over(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"grid": {"name": "growth"}}'):
        (tmp_path / FILE).write_text(content, encoding="utf-8")
        with pytest.raises(RecordError):
            keep_benchmark(tmp_path, RESULT)
        assert (tmp_path / FILE).read_text(encoding="utf-8") == content


def test_benchmarks_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("training", "answering"):
        keep_benchmark(tmp_path, replace(RESULT, name=name, title=name))
    assert re.findall(r"^\*\*(.*)\*\*$", render_benchmarks(tmp_path), re.MULTILINE) == [
        "answering",
        "training",
    ]


def test_the_readme_quotes_one_benchmark_and_every_goal_that_was_missed(tmp_path: Path) -> None:
    keep_benchmark(tmp_path, RESULT)
    other = replace(RESULT, name="growth", title="Growth", comparisons=(FASTER, replace(FASTER, goal=None)))
    keep_benchmark(tmp_path, other)
    assert speed_lines(tmp_path).splitlines() == [
        "- A grid (rows): 2 s [1, 3]; plain: 9 s [8, 10].",
        "- Goals met: 2 of 4. Missed: A grid: rows 0.444 times plain (≤ 0.4), "
        "speed 26,999 tokens/s (≥ 27,000).",
    ]
    write_json(tmp_path / FILE, {"growth": other.as_record()})
    assert speed_lines(tmp_path) == "- Goals met: 1 of 1. Missed: none.\n"


def test_without_results_the_table_says_so(tmp_path: Path) -> None:
    assert render_benchmarks(tmp_path) == speed_lines(tmp_path) == "No benchmark is recorded yet.\n"


@pytest.mark.parametrize(
    "value, shown", [(0.2222, "0.222"), (12.345, "12.3"), (26_999.4, "26,999"), (0.0, "0")]
)
def test_numbers_show_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_recorded_table_is_made_of_the_recorded_results() -> None:
    folder = ROOT / "reports/benchmarks"
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert table == render_benchmarks(folder), "run: python benchmarks/table.py"


def test_sides_are_measured_in_turn(common: Any) -> None:
    order: list[str] = []

    def side(name: str) -> Any:
        return lambda: order.append(name) or len(order)

    found = common.alternate({"a": side("a"), "b": side("b")}, repeats=3)
    assert order == ["a", "b"] * 3
    assert found == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_a_command_is_measured_with_its_own_time_and_memory(common: Any, tmp_path: Path) -> None:
    """Also where the measuring process is larger than the command, as this one may be."""
    ballast = bytearray(300 << 20)
    code = "import time; x = bytearray({} << 20); time.sleep({}); print('{{\"rows\": 5}}')"
    small, large = (
        common.measure([sys.executable, "-c", code.format(*given)], cwd=tmp_path, env=dict(os.environ))
        for given in ((1, 0.0), (150, 0.4))
    )
    assert len(ballast) == 300 << 20
    assert small.peak_bytes < 100 << 20 < 150 << 20 < large.peak_bytes < 250 << 20
    assert small.seconds < large.seconds and 0.4 <= large.seconds < 5
    assert large.said == {"rows": 5}


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(common: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no rows')"]
    with pytest.raises(RunError, match="no rows") as error:
        common.measure(command, cwd=tmp_path, env=dict(os.environ))
    assert error.value.where == " ".join(command)


def test_growth_continues_the_straight_line(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = script(monkeypatch, "growth")
    sizes = (1, 2, 4, 8)
    assert growth.line_at_largest(sizes, [1 + 3 * size for size in sizes]) == 25
    measured = {
        size: [growth.Measured(1 + power, 100 * size, {}, "")] for size in sizes for power in (size**2,)
    }
    assert growth.linear("x", measured).met is False
    assert growth.flat("x", measured, growth.FLAT).met is False
    straight = {size: [growth.Measured(1.0 + size, 100, {}, "")] for size in sizes}
    assert growth.linear("x", straight).met is True
    assert growth.flat("x", straight, growth.FLAT).met is True


def test_a_side_that_fails_is_named_and_the_others_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    training = script(monkeypatch, "training")
    measured = training.Measured(1.0, 1, {}, "")

    def fails() -> Any:
        raise RunError("it ended with 1:\nOutOfMemoryError: 80 GiB\n")

    results = {"full": [training.tried(lambda: measured)], "compiled": [measured, training.tried(fails)]}
    assert training.sorted_out(results) == (
        {"full": [measured]},
        ["compiled (OutOfMemoryError: 80 GiB)"],
    )
    with pytest.raises(RunError, match="80 GiB"):
        training.sorted_out({"full": [training.tried(fails)]})


@pytest.mark.parametrize("ran, fails", [(["compare", "report"], False), (["explore@a"], True), ([], True)])
def test_an_experiment_of_cheap_stages_is_told_from_its_stages_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ran: list[str], fails: bool
) -> None:
    overhead = script(monkeypatch, "overhead")
    clone = overhead.Clone(tmp_path)
    commands: list[tuple[str, ...]] = []

    def run(self: Any, *command: str) -> Any:
        commands.append(command)
        return overhead.Measured(1.0, 1, {}, "".join(f"Running stage '{name}':\n> x\n" for name in ran))

    monkeypatch.setattr(overhead.Clone, "run", run)
    lock = {"stages": {name: {"cmd": f"python {name}.py"} for name in ("compare", "report", "score")}}
    write_json(tmp_path / "dvc.lock", lock)
    seen: list[str] = []
    if fails:
        with pytest.raises(RunError):
            overhead.experiment(clone, iter([0.9]), seen)
        return
    overhead.experiment(clone, iter([0.9]), seen)
    overhead.stages_alone(clone, seen)
    assert "compare.confidence=0.900" in commands[0]
    assert commands[1] == ("sh", "-ec", "python compare.py\npython report.py")


def test_more_models_are_copies_with_other_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import shutil

    from cocktail.config.compose import compose

    overhead = script(monkeypatch, "overhead")
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    overhead.add_models(tmp_path / "conf", 4)
    models = compose(tmp_path / "conf", "smoke")["models"]
    assert list(models) == ["phi3_smoke", *(f"phi3_smoke_{number}" for number in (2, 3, 4))]
    assert len({model["pretrain"]["seed"] for model in models.values()}) == 4
    assert len({model["hidden"] for model in models.values()}) == 1


def test_the_grids_runs_keep_its_proportions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    grid = script(monkeypatch, "grid")
    runs = grid.chosen_runs(tmp_path, "tiny", every=grid.EVERY["full"])
    assert Counter(run.kind for run in runs) == {"single": 1, "pair": 8, "without": 1, "all": 1}
    assert len(grid.chosen_runs(tmp_path, "tiny", every=1)) == 55


def test_a_difference_of_answers_is_told_by_the_scores_where_they_part(
    monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    import torch
    from tiny_model import tiny_model

    answers = script(monkeypatch, "answers")
    model = tiny_model(tokenizer, spread=4.0).eval()
    prompt, stop = [7, 8, 9], 5
    with torch.inference_mode():
        scores = model(input_ids=torch.tensor([[*prompt, 11]])).logits[0, -1]
    expected = abs(float(scores[12] - scores[stop]))
    assert answers.gap(model, prompt, [11, 12], [11], stop=stop) == pytest.approx(expected, abs=1e-6)
    assert expected > answers.NEAR["torch.float32"]


def test_processes_side_by_side_count_as_one(common: Any) -> None:
    """They run at the same time: each waits here for the other."""
    meeting = threading.Barrier(2, timeout=10)

    def run(number: int) -> Any:
        meeting.wait()
        return common.Measured(1.0 + number, 10 * (number + 1), {"speed": 3.0 + number, "rows": 4}, "")

    found = common.side_by_side(run, 2, rate="speed")
    assert (found.seconds, found.peak_bytes) == (2.0, 20)
    assert found.said == {"speed": 7.0, "rows": 4, "processes": 2}


def test_a_real_model_is_compared_with_the_faster_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = script(monkeypatch, "lab")
    one, two, mine = (
        [lab.Measured(1.0, 3 * 10**9, {"tokens_per_second": speed}, "")] for speed in (50.0, 80.0, 400.0)
    )
    best, other = lab.by_speed({"one": one, "two": two})
    assert (best[0], other[0]) == ("two", "one")
    goals = (Goal("at least", 3.5), Goal("at least", 1000.0))
    times, alone, memory = lab.compared("a: tokens", "tokens/s", lab.SPEED, mine, best, goals=goals)
    assert (times.ratio, times.met) == (5.0, True)
    assert (alone.other, alone.met) == (None, False)
    assert (memory.name, memory.unit, memory.ours.median) == ("a: peak memory of a worker", "GB", 3.0)


def test_a_real_model_trains_on_the_papers_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = script(monkeypatch, "lab")
    caps = lab.paper_caps(lab.SIZES["full"].part)
    assert caps["headline"] == 8 and caps["fpb"] == 4 and caps["finqa"] == 2
    assert set(lab.paper_caps(10**6).values()) == {1}


@pytest.mark.parametrize(
    "precision, fast, lines", [("bf16", True, 1), ("fp32", True, 1), ("fp32", False, 2), ("bf16", False, 3)]
)
def test_the_goals_of_a_real_model_say_what_they_belong_to(
    monkeypatch: pytest.MonkeyPatch, precision: str, fast: bool, lines: int
) -> None:
    real = script(monkeypatch, "real")
    monkeypatch.setattr(real, "visible_gpus", list)
    said = real.notes(precision, fast=fast)
    assert len(said) == lines and f"Precision {precision}" in said[0]
    assert any("AVX512-BF16" in line for line in said) is not fast


def test_a_part_that_fails_is_named_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = script(monkeypatch, "real")

    def fails(lab: Any) -> Any:
        raise RunError("it ended with 1:\nno rows")

    monkeypatch.setattr(real, "PARTS", {"a": lambda lab: [ALONE], "b": fails, "c": fails})
    options = argparse.Namespace(
        size="small", parts=["a", "b"], precision="fp32", repeats=1, llamafactory=None
    )
    result, failed = real.measured_parts(tmp_path, options)
    assert result.comparisons == (ALONE,)
    assert result.not_measured == ("b, which failed (no rows)", "part c")
    assert [error.what for error in failed] == ["it ended with 1:\nno rows"]


def test_without_real_rows_the_benchmark_says_what_is_needed(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COCKTAIL_MIRROR"}
    command = [sys.executable, FOLDER / "real.py", "--size", "small"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "COCKTAIL_MIRROR" in ended.stderr and "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Made once: its base serves all scripts."""
    with pytest.MonkeyPatch.context() as patch:
        made = script(patch, "workbench").make_workbench(tmp_path_factory.mktemp("bench"), "smoke")
    assert (made.base / "model.safetensors").is_file()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "overhead"])
def test_a_script_runs_in_its_smallest_form(
    name: str, tmp_path: Path, workbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = script(monkeypatch, "workbench")
    make = module.make_workbench

    def with_base(*given: Any, large: bool = False) -> Any:
        return make(*given, large=large, base_of=None if large else workbench)

    monkeypatch.setattr(module, "make_workbench", with_base)
    path = str(FOLDER / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [path, "--size", "small", "--repeats", "1", "--out", str(tmp_path)])
    runpy.run_path(path, run_name="__main__")
    result = read_benchmark(tmp_path, name)
    assert result.comparisons
    assert all(value > 0 for one in result.comparisons for value in one.ours.values)
    assert result.made_with["hardware"]["cores"] == os.cpu_count()
    assert result.command.startswith(f"python benchmarks/{name}.py")


def test_make_bench_runs_every_benchmark() -> None:
    made = subprocess.run(
        ["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"for name in (.*?); do", made)[1].split() == list(SCRIPTS)  # type: ignore[index]
    assert all((FOLDER / f"{name}.py").is_file() for name in SCRIPTS)
