"""Tables, figures and plot data: three formats from the same rows, equal bytes for equal numbers.

``dvc plots show`` opens without a network.
"""

from __future__ import annotations

import csv
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT, finish_study, report_inputs, study_params
from folders import digest_folder
from matplotlib.figure import Figure

from cocktail.config import check_params
from cocktail.errors import CocktailError, ConfigError, DataError, RecordError
from cocktail.report.external import Published, published_table, read_published
from cocktail.report.figures import draw_bars, draw_heat_map, draw_losses
from cocktail.report.offline_plots import PAGE, write_offline_page
from cocktail.report.page.tables import shown_tables
from cocktail.report.provenance import data_note
from cocktail.report.study import report_study
from cocktail.report.table import (
    Table,
    csv_cell,
    export_tables,
    named_table,
    read_tables,
    to_latex,
    to_markdown,
    write_tables,
)

TABLES = (
    "main",
    "published",
    "contrasts",
    "effects",
    "transfer",
    "leave_one_out",
    "base",
    "scores",
    "winners_curse",
)
TABLES += (
    "verdicts",
    "verdict_rows",
    "label_agreement",
    "judge_agreement",
    "judge_scores",
    "mixtures",
    "runs",
    "data",
)
TABLES += ("budget", "advice", "advice_curve", "pretraining")
FIGURES = ("bars", "transfer", "leave_one_out", "loss", "winners_curse", "budget", "pretraining")
FIGURES += ("advice_curve",)


def table(**columns: list[object]) -> Table:
    return Table(name="t", title="A title", note="A note.", frame=pd.DataFrame(columns), hidden=("runs",))


def test_one_table_in_three_formats(tmp_path: Path) -> None:
    one = table(task=["a_b", "c|d"], points=[1.26, math.nan], runs=[["x", "y"], ["z"]])
    assert to_markdown(one).splitlines() == [
        "**A title**",
        "",
        "A note.",
        "",
        "| task | points |",
        "| --- | --- |",
        "| a_b | 1.3 |",
        "| c\\|d | – |",
    ]
    assert r"a\_b & 1.3 \\" in to_latex(one)
    write_tables(tmp_path, [one])
    export_tables(tmp_path, tmp_path)
    with (tmp_path / "t.csv").open(encoding="utf-8") as stream:
        assert list(csv.reader(stream))[1] == ["a_b", "1.26", "x y"]


def test_a_table_is_found_by_its_name(tmp_path: Path) -> None:
    one = table(task=["a"], points=[1.0], runs=[[]])
    write_tables(tmp_path, [one])
    assert to_markdown(named_table(tmp_path, "t")) == to_markdown(one)
    with pytest.raises(RecordError, match="no table 'u'; known: t"):
        named_table(tmp_path, "u")


def test_latex_escapes_what_it_would_read_as_commands() -> None:
    escaped = to_latex(table(runs=[[]], task=["50% of $5 & {more} #1 ~ ^ \\"]))
    assert r"50\% of \$5 \& \{more\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}" in escaped


HOSTILE = [
    "two\nlines | and\r\na bar",
    "a break at the end\n",
    "[click](https://example.org)",
    "![x](https://example.org/x.png)",
    "[x]: https://example.org",
    "[a][b]",
    "<script>alert(1)</script>",
    "<!-- cocktail:overview -->",
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "[1] first",
]
HARMLESS = ["[name](reports/studies/name/manifest.json)", "−8.4 [−13.5, −3.3]", "<0.001", "+0.6 [−2.5, +3.7]"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_shows_its_text_and_does_nothing(text: str, tmp_path: Path) -> None:
    one = table(task=[text, "next"], points=[1.0, 2.0], runs=[[], []])
    write_tables(tmp_path, [one])
    export_tables(tmp_path, tmp_path)
    *_, row, _ = (tmp_path / "README.md").read_text(encoding="utf-8").splitlines()
    assert row.count("|") - row.count("\\|") == 3
    assert not re.search(r"(?<!\\)<[a-z!]|\][(\[:]", row)
    assert shown_tables(tmp_path)["t"].rows[0].cells[0] == text
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
        cell = list(csv.reader(stream))[1][0]
    assert cell.removeprefix("'") == text and not cell.startswith(("=", "+", "-", "@"))
    latex = to_latex(one)
    assert "\\midrule\n[" not in latex and " \\\\\n[" not in latex
    plain = to_latex(table(task=["a", "b"], points=[1.0, 2.0], runs=[[], []]))
    assert len(latex.splitlines()) == len(plain.splitlines())


@pytest.mark.parametrize("text", HARMLESS)
def test_a_cell_of_ours_stays_as_it_is(text: str) -> None:
    assert f"| {text} | 1.0 |" in to_markdown(table(task=[text], points=[1.0], runs=[[]]))
    assert csv_cell(text) == text


def test_every_table_and_figure_is_there(finished_study: Path) -> None:
    reports = finished_study / "reports"
    assert {path.name for path in (reports / "tables").iterdir()} == {"README.md", "tables.json"}
    tables = read_tables(reports / "tables")
    assert set(tables) == set(TABLES)
    page = (reports / "tables/README.md").read_text(encoding="utf-8")
    assert page == "\n".join(map(to_markdown, tables.values()))
    figures = {f"{name}_phi3_smoke" for name in FIGURES}
    assert {path.stem for path in (reports / "figures").iterdir()} == figures
    assert {path.stem for path in (reports / "plots").glob("*.csv")} == {
        "bars",
        "transfer",
        "leave_one_out",
        "loss",
    }


@pytest.mark.slow
def test_the_same_numbers_give_the_same_bytes(finished_study: Path, tmp_path: Path) -> None:
    report_study(report_inputs(finished_study), tmp_path, params=study_params())
    for folder in ("tables", "figures", "plots"):
        assert digest_folder(tmp_path / folder) == digest_folder(finished_study / "reports" / folder), folder
    svg = (tmp_path / "figures/bars_phi3_smoke.svg").read_text(encoding="utf-8")
    assert not re.search(r"<dc:date>", svg)


def test_tables_say_which_study_they_show_and_lack_no_column(finished_study: Path) -> None:
    tables = read_tables(finished_study / "reports/tables")
    for table in tables.values():
        assert "Study smoke. Data: generated. Miniature models" in to_markdown(table), table.name
    main = tables["main"].frame
    assert main["task"].tolist() == ["fpb", "finqa", "convfinqa", "knowledge"]
    published = tables["published"].frame
    assert published["task"].tolist() == ["fpb", "fpb"]  # the one published task of this study
    row = published.iloc[0]
    assert row[["theirs: untuned", "theirs: single", "theirs: all"]].tolist() == [68.73, 85.64, 85.31]
    assert f"{row['ours: single']:.1f} ±" in main.loc[main["task"] == "fpb", "single"].item()
    assert published.iloc[1]["their model"] == "GPT-4o" and published.iloc[1]["theirs: single"] is None
    runs = tables["runs"].frame
    assert {"base", "all", "all-s101", "steps_fpb_as_all-s102"} <= set(runs["run"])
    runs = runs.set_index("run")
    assert runs.loc["all-s101", ["method", "trainable", "of"]].tolist() == ["full", 1000, 1000]
    assert runs.loc["base", "trainable"] == 0
    assert runs.loc["base", ["method", "of"]].tolist() == ["", ""]  # nothing was tuned
    shown = to_markdown(tables["runs"])
    assert " | full | 1000 | 1000 | " in shown and " | – | 0 | – | " in shown
    mixtures = tables["mixtures"].frame
    assert mixtures.loc[mixtures["run"] == "all", "fpb"].item() == "29/30"


def test_the_note_names_data_that_are_not_the_originals() -> None:
    raw = study_params().model_dump()
    raw["fetch"]["sources"]["fpb"]["status"] = "rebuilt"
    raw["fetch"]["sources"]["open_orca"]["status"] = "stand-in"
    note = data_note(check_params(raw, where="test"))
    assert "rebuilt: fpb; stand-in: open_orca" in note
    assert "method" not in note
    raw["train"]["method"] = "lora"
    assert data_note(check_params(raw, where="test")).startswith("Study smoke, method lora. ")


def test_published_numbers_need_a_source(tmp_path: Path) -> None:
    row = {
        "task": "fpb",
        "arm": "single",
        "model": "M",
        "metric": "F1",
        "value": 12.5,
        "source": "made up, p. 1",
    }
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump({"rows": [row]}), encoding="utf-8")
    assert read_published(path) == [Published(**row)]
    for broken in ({"rows": [{**row, "source": ""}]}, {"rows": [{**row, "value": 120.0}]}, {}, [1]):
        path.write_text(yaml.safe_dump(broken), encoding="utf-8")
        with pytest.raises(DataError, match="published numbers"):
            read_published(path)
    path.write_bytes(b"rows: [\xff")
    with pytest.raises(ConfigError, match="not YAML"):
        read_published(path)


def test_two_metrics_of_one_model_are_two_rows() -> None:
    row = {"task": "fpb", "arm": "single", "model": "M", "source": "made up, p. 1"}
    found = [
        Published(**row, metric=metric, value=value) for metric, value in (("F1", 1.0), ("accuracy", 2.0))
    ]
    arms = pd.DataFrame({"model": "m", "task": "fpb", "arm": ["single"], "accuracy_strict": [50.0]})
    shown = published_table(arms, found, note="n").frame
    assert shown["theirs: single"].tolist() == [1.0, 2.0] and shown["ours: single"].tolist() == [50.0] * 2
    assert published_table(arms, [], note="n").frame.empty


def test_published_rows_are_frozen() -> None:
    assert Published.model_config["frozen"]


def test_bars_draw_every_arm_and_the_blind_guess() -> None:
    arms = pd.DataFrame(
        {
            "task": ["a", "a", "b"],
            "arm": ["base", "single", "base"],
            "accuracy_strict": [20.0, 60.0, 30.0],
            "low": [-5.0, 50.0, 20.0],
            "high": [45.0, 70.0, 40.0],
            "guess": [33.0, 33.0, 50.0],
            "n_seeds": [1, 3, 1],
        }
    )
    ax = draw_bars(Figure().subplots(), arms)
    assert [bar.get_height() for bar in ax.patches[:2]] == [20, 30]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a\n3 seeds", "b\n1 seed"]
    assert ax.get_ylim() == (0, 100)


def test_heat_map_has_zero_in_the_middle_and_leaves_missing_cells_empty() -> None:
    cells = pd.DataFrame({"a": [60.0, -4.0], "b": [2.0, np.nan]}, index=["a", "b"])
    ax = draw_heat_map(Figure().subplots(), cells, columns="source")
    assert ax.images[0].get_clim() == (-4, 4)  # the source's own task does not set the scale
    assert [text.get_text() for text in ax.texts] == ["+60", "+2", "−4"]


def test_losses_are_drawn_over_the_share_of_steps() -> None:
    receipts = [{"run": "r", "steps": 4, "loss": [[1, 3.0], [2, 2.0], [4, 1.0]]}]
    line = draw_losses(Figure().subplots(), receipts).lines[0]
    assert line.get_xdata()[-1] == 1
    assert line.get_label() == "r (4 steps)"


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ("study.include=[single,without_finqa,all]", "study.targets=[fpb]", "study.tries=0"),
        ("study.include=[single,pair]", "study.targets=[]", "study.confirm_seeds=[]", "study.tries=0"),
    ],
)
def test_a_part_of_the_grid_is_reported_as_far_as_it_goes(overrides: tuple[str, ...], tmp_path: Path) -> None:
    finish_study(tmp_path, study_params("smoke", *overrides))
    figures = {path.stem for path in (tmp_path / "reports/figures").glob("*.svg")}
    has_pairs = "pair" in overrides[0]
    assert ("transfer_phi3_smoke" in figures) == has_pairs
    assert ("leave_one_out_phi3_smoke" in figures) == (not has_pairs)
    assert "bars_phi3_smoke" in figures
    assert len(read_tables(tmp_path / "reports/tables")) == len(TABLES)


SERVER = "cdn.jsdelivr.net"


def shown(root: Path) -> str:
    """What ``dvc plots show`` writes."""
    command = ["dvc", "plots", "show", "--out", "plots"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return (root / "plots/index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_library_is_in_the_page_and_nothing_is_asked_of_a_server(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    for name in ("dvc.yaml", "dvc.lock", ".dvc/config", ".dvc/.gitignore", "params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in (".dvc/plots", "reports/plots"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(PAGE.name))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert SERVER in shown(tmp_path)
    write_offline_page(tmp_path)
    page = shown(tmp_path)
    assert SERVER not in page
    assert page.count("window.vegaEmbed") == 1 and page.count("</script>") > 1
    assert 'vegaEmbed("#' in page or "vegaEmbed('#" in page
    left = subprocess.run(
        ["git", "status", "--short"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert PAGE.name not in left.stdout


def test_elsewhere_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CocktailError, match="Not inside a DVC repo"):
        write_offline_page(tmp_path)
