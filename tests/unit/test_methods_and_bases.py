"""Tables of methods and of bases made from scratch, and the bases' figure.

From records and receipts written by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers_fixture import base_receipt, study_params
from matplotlib.figure import Figure
from matplotlib.text import Text

from cocktail.errors import RecordError
from cocktail.files.records import read_json, write_json
from cocktail.files.store import Store, write_runtime
from cocktail.report.figures import draw_pretraining
from cocktail.report.methods import methods_block, methods_table, ordered_studies, read_studies
from cocktail.report.pictures import write_figures
from cocktail.report.provenance import pretraining_table, read_bases
from cocktail.report.table import Table, to_markdown
from cocktail.studies.manifest import base_facts

FULL = {"fpb": (0.8, 0.6), "finqa": (0.4, 0.2)}
LORA = {"fpb": (0.75, 0.5), "finqa": (0.25, 0.25)}


def keep(
    studies: Path,
    folder: str,
    *,
    study: str,
    method: str,
    shares: dict[str, tuple[float | None, float]],
    trainable: int | None = None,
) -> None:
    """Write what a record holds of its explored arms; ``shares``: of single and all, by task."""
    params = {"study": {"name": study, "seed": 42}, "train": {"method": method}}
    parameters = {} if trainable is None else {"parameters": {"m": {"trainable": trainable, "total": 1000}}}
    arms = [
        {"model": "m", "task": task, "stage": stage, "arm": arm, "accuracy_strict": share}
        for task, pair in {**shares, "gsm8k": (0.1, 0.1)}.items()  # a general task: no part of the mean
        for stage, arm, share in (
            ("explore", "single", pair[0]),
            ("explore", "all", pair[1]),
            ("explore", "base", 0.01),
            ("confirm", "single", 0.99),
        )
        if share is not None
    ]
    write_json(studies / folder / "manifest.json", {"params": params, **parameters})
    write_json(studies / folder / "comparison.json", {"arms": arms})


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two studies, one with three methods, and a folder whose name only looks like a method of it."""
    keep(tmp_path, "tiny", study="tiny", method="full", shares=FULL)
    keep(tmp_path, "tiny-lora", study="tiny", method="lora", shares=LORA, trainable=50)
    keep(tmp_path, "tiny-prompt_tuning", study="tiny", method="prompt_tuning", shares=LORA, trainable=8)
    keep(tmp_path, "tiny-two", study="tiny-two", method="full", shares=FULL, trainable=1000)
    return tmp_path


def test_the_table_by_hand(studies: Path) -> None:
    assert methods_block(read_studies(studies)["tiny"]).splitlines() == [
        "**Methods: accuracy on test (strict, points) of the single task / of all sources**",
        "",
        "Study tiny, seed 42: exploratory. trainable: tuned parameters; mean: over the tasks shown.",
        "",
        "| model | method | trainable | fpb | finqa | mean | record |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| m | full | – | 80.0 / 60.0 | 40.0 / 20.0 | 60.0 / 40.0 | [tiny](tiny/manifest.json) |",
        "| m | lora | 50 | 75.0 / 50.0 | 25.0 / 25.0 | 50.0 / 37.5 | [tiny-lora](tiny-lora/manifest.json) |",
        "| m | prompt_tuning | 8 | 75.0 / 50.0 | 25.0 / 25.0 | 50.0 / 37.5 "
        "| [tiny-prompt_tuning](tiny-prompt_tuning/manifest.json) |",
    ]


def test_records_belong_to_the_study_of_their_params(studies: Path) -> None:
    found = read_studies(studies)
    assert {study: [one.folder.name for one in records] for study, records in found.items()} == {
        "tiny": ["tiny", "tiny-lora", "tiny-prompt_tuning"],
        "tiny-two": ["tiny-two"],
    }
    assert methods_block(found["tiny-two"]) == ""
    assert read_studies(studies / "none") == {}
    (studies / "README.md").write_text("no record", encoding="utf-8")
    assert read_studies(studies).keys() == found.keys()


def test_documents_show_first_what_says_most_about_the_paper(studies: Path) -> None:
    for name in ("paper", "another", "proxy"):
        keep(studies, name, study=name, method="full", shares=FULL)
    assert list(ordered_studies(studies)) == ["paper", "proxy", "tiny", "another", "tiny-two"]


def test_a_task_that_was_not_run_leaves_a_dash_and_no_mean(studies: Path) -> None:
    keep(
        studies, "tiny-lora", study="tiny", method="lora", shares={"fpb": (0.75, 0.5), "finqa": (None, 0.25)}
    )
    keep(studies, "tiny-prompt_tuning", study="tiny", method="prompt_tuning", shares={"fpb": (0.7, 0.5)})
    frame = methods_table(read_studies(studies)["tiny"]).frame.set_index("method")
    assert frame.loc["full", "mean"] == "60.0 / 40.0"
    assert frame.loc["lora", ["finqa", "mean"]].tolist() == ["– / 25.0", "– / 37.5"]
    assert frame.loc["prompt_tuning", ["finqa", "mean"]].tolist() == ["–", "–"]


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    """Two bases from scratch, one of the Hub, one behind an endpoint."""
    short = base_receipt("scratch")
    short["pretraining"] = {"tokens": 640, "steps": 5, "loss": [[1, 7.0], [5, 6.5]]}
    write_json(tmp_path / "long/base.json", base_receipt("scratch"))
    write_json(tmp_path / "short/base.json", short)
    write_json(tmp_path / "hub/base.json", base_receipt("hub"))
    write_json(tmp_path / "far/base.json", base_receipt("endpoint"))
    return tmp_path


def cells(table: Table) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in to_markdown(table).splitlines() if line[:1] == "|"]


def test_one_row_a_base(bases: Path) -> None:
    found = read_bases(bases, ["long", "hub", "short", "far"])
    assert list(found) == ["long", "short"]
    header, _, *rows = cells(pretraining_table(found, note="Study x."))
    assert header == ["model", "parameters", "vocabulary", "text", "steps", "last loss", "copied"]
    assert rows == [
        ["long", "1000", "300", "2000000", "400", "4.25", "0.50, 0.75"],
        ["short", "1000", "300", "640", "5", "6.50", "0.50, 0.75"],
    ]


def test_a_base_that_is_not_there_is_named(bases: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_bases(bases, ["long", "lost"])
    assert str(caught.value.where).endswith("lost/base.json")


def test_a_study_without_bases_from_scratch_has_an_empty_table() -> None:
    assert pretraining_table({}, note="n").frame.empty


def test_the_loss_is_drawn_over_tokens() -> None:
    pretraining: Any = base_receipt("scratch")["pretraining"]
    ax = draw_pretraining(Figure().subplots(), pretraining)
    [line] = (np.asarray(one.get_xydata()).tolist() for one in ax.lines)
    assert line == [[0.005, 8.0], [0.5, 6.0], [1.0, 5.0], [2.0, 4.25]]  # millions of tokens, nats


def test_only_bases_from_scratch_have_a_figure(finished_study: Path, tmp_path: Path) -> None:
    figures = finished_study / "reports/figures"
    assert (figures / "pretraining_phi3_smoke.svg").is_file()
    comparison = read_json(finished_study / "reports/comparison.json")
    write_figures(tmp_path, comparison, [], {}, note="n")
    assert not list(tmp_path.glob("pretraining*")) and list(tmp_path.glob("bars*"))


def test_a_long_note_is_not_cut_off(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(
        "cocktail.report.pictures.save_figure", lambda _, name, figure: drawn.update({name: figure})
    )
    comparison = read_json(finished_study / "reports/comparison.json")
    note = "Study of words. " + "Data of many sources, each with its status. " * 6
    write_figures(tmp_path, comparison, [], {}, note=note)
    assert drawn
    for figure in drawn.values():
        figure.draw_without_rendering()
        [told] = [text for text in figure.findobj(Text) if text.get_text().startswith("Study of words.")]
        assert told.get_window_extent().x1 < figure.bbox.x1


def test_a_record_says_what_each_base_is_and_how_long_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = study_params("smoke", "model=[phi3_smoke,gpt_4o]")
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    for model in params.models:
        write_json(tmp_path / model / "base.json", base_receipt(params.model(model).kind))
    found = base_facts(tmp_path, params)
    assert found == {
        "phi3_smoke": {"kind": "scratch", "parameters": 1000, "tokens": 2_000_000, "seconds": None},
        "gpt_4o": {"kind": "endpoint", "parameters": None, "tokens": None, "seconds": None},
    }
    key = read_json(tmp_path / "phi3_smoke/base.json")["identity"]
    with Store(tmp_path / "store").publish("bases", key) as entry:
        write_runtime(entry, {"seconds": 71.26})
    assert base_facts(tmp_path, params)["phi3_smoke"]["seconds"] == 71.3
