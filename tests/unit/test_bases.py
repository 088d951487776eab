"""Tables and figure of bases made from scratch, from receipts written by hand."""

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
from cocktail.report.pictures import write_figures
from cocktail.report.provenance import pretraining_table, read_bases
from cocktail.report.table import Table, to_markdown
from cocktail.studies.manifest import base_facts


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
