"""The HTML page: complete, escaped, self-contained, readable without eyes, the same bytes each time."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import ROOT, study_params
from claims_fixture import made_up_claims, verdict
from html_tree import Node, read_html

from cocktail.claims.reasons import EXPLORATORY
from cocktail.claims.rows import VerdictRow, study_verdicts
from cocktail.config import Params
from cocktail.config.compose import known_studies
from cocktail.errors import RecordError
from cocktail.files.records import read_json, write_json
from cocktail.report.markup import inline_svg, slug
from cocktail.report.page.forest import draw_forest
from cocktail.report.page.render import SENTENCES, write_page
from cocktail.report.page.sections import FROM_CLAIMS
from cocktail.report.page.tables import read_traces, shown_tables
from cocktail.report.table import Table, read_tables, write_tables
from cocktail.report.verdicts import effect_text
from cocktail.studies.record import record

PARAMS = study_params()
MODEL = "phi3_smoke"
CONFIGURED = ROOT / "conf/study"
EVIL = "<script>alert(1)</script>&\"'"
Render = Callable[..., Node]


@pytest.fixture
def reports(finished_study: Path, tmp_path: Path) -> Path:
    """Reports of the made-up study with made-up verdicts, to be changed."""
    shutil.copytree(finished_study / "reports", tmp_path / "reports")
    write_json(tmp_path / "reports/claims.json", made_up_claims("smoke", MODEL, PARAMS.study.evaluations))
    return tmp_path / "reports"


@pytest.fixture
def render(reports: Path) -> Render:
    def page(params: Params = PARAMS) -> Node:
        write_page(reports, reports / "report.html", configured=CONFIGURED, params=params)
        return read_html((reports / "report.html").read_text(encoding="utf-8"))

    return page


def texts(row: Node) -> list[str]:
    return [cell.text for cell in row.all("td", "th")]


def test_the_page_is_well_formed_with_headings_in_order(render: Render) -> None:
    page = render()
    ids = Counter(node.attributes["id"] for node in page.all() if "id" in node.attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert max(later - earlier for earlier, later in pairwise(levels)) == 1
    assert next(page.all("html")).attributes["lang"] == "en"
    assert next(page.all("a")).attributes == {"class": "skip", "href": "#content"}


def test_every_anchor_of_the_page_leads_somewhere(render: Render) -> None:
    page = render()
    ids = {node.attributes["id"] for node in page.all() if "id" in node.attributes}
    links = [value for node in page.all() if (value := node.attributes.get("href", "")).startswith("#")]
    clips = [node.attributes["clip-path"][4:-1] for node in page.all() if "clip-path" in node.attributes]
    names = [name for node in page.all() for name in node.attributes.get("aria-labelledby", "").split()]
    assert links and clips and names
    assert {one.removeprefix("#") for one in (*links, *clips)} | set(names) <= ids


def test_every_figure_has_a_text_alternative(render: Render, reports: Path) -> None:
    page = render()
    assert list(page.all("img")) == []
    pictures = list(page.all("svg"))
    figures = list((reports / "figures").glob("*.svg"))
    assert len(pictures) == len(figures) + 6  # a plot of all claims, and of each but the untested
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        named = [page.by_id(name) for name in picture.attributes["aria-labelledby"].split()]
        assert [node.tag for node in named] == ["title", "desc"]
        assert all(len(node.text) > 10 for node in named)
    transfer = next(page.by_id("transfer").all("title"))  # a figure stands in its own section
    assert transfer.text == f"What a pair changes against the single task, model {MODEL}"
    plot = next(node for node in pictures if node.attributes["aria-labelledby"].startswith("forest-verdicts"))
    assert "Made up, supported: +6.5 [+3.2, +9.8], supported" in next(plot.all("desc")).text


def test_nothing_is_loaded_and_nothing_runs(render: Render) -> None:
    page = render()
    policy = next(n for n in page.all("meta") if n.attributes.get("http-equiv"))
    assert policy.attributes["content"].startswith("default-src 'none'")
    assert list(page.all("script", "iframe", "object", "embed", "base", "form")) == []
    for node in page.all():
        assert "src" not in node.attributes and not any(name.startswith("on") for name in node.attributes)
        href = node.attributes.get("href", "#")
        allowed = ("#", "data:") if node.tag in ("image", "link") else ("#",)
        assert href.startswith(allowed), node
        assert not re.search(r"url\((?!#)", node.attributes.get("style", ""))
    assert len(list(page.all("style"))) == 1  # a figure's own style would hold for the whole page
    assert not re.search(r"@import|url\(", next(page.all("style")).text)


def test_the_verdict_table_is_that_of_claims_json(render: Render, reports: Path) -> None:
    """What was not tested comes last, folded."""
    stated = read_json(reports / "claims.json")["claims"]
    claims = sorted(stated, key=lambda claim: claim["verdicts"][0]["verdict"] == "not tested")
    assert claims != stated
    page = render()
    rows = verdict_rows(page)
    folded = page.by_id("table-verdicts").all("details")
    assert [len(verdict_rows(one)) for one in folded] == [1]
    assert len(rows) == len(claims) == 6
    for shown, claim in zip(rows, claims, strict=True):
        head = claim["verdicts"][0]
        cells = texts(shown)
        assert cells[0] == f"{claim['number']}. {claim['title']}"
        row = VerdictRow.model_validate(head)
        assert cells[1][2:] == row.verdict + (f": {row.reason}" if row.reason else "")
        measured = head["effect"] is not None
        assert cells[2] == (effect_text(row) if measured else "–")
        assert cells[4:7] == (["0.012", "120 / 60 / 3", "5.5"] if measured else ["–", "–", "–"])
    assert texts(rows[0])[2:4] == ["+6.5 [+3.2, +9.8]", f"macro, strict, {MODEL}"]
    assert texts(rows[4])[7] == f"{len(claims[4]['verdicts'])} under-powered"


@pytest.mark.slow
def test_the_page_opens_with_the_answer(render: Render, reports: Path) -> None:
    page = render()
    assert next(page.all("h1")).text == "Does a cocktail of tasks make a better model? Study smoke"
    claims = read_json(reports / "claims.json")["claims"]
    told = page.by_id("answer").text
    tested = [claim for claim in claims if claim["verdicts"][0]["verdict"] != "not tested"]
    assert told.startswith(
        f"Headline statements: {len(claims)}, of which {len(tested)} could be tested. Held: "
    )
    for claim in claims:
        assert (claim["title"] in told) == (claim in tested)
        section = page.by_id(f"claim-{claim['id']}")
        (sentence, *_) = [node.text for node in section.all("p")]
        assert sentence.startswith(SENTENCES[claim["verdicts"][0]["verdict"]].partition("{")[0])
        assert (claim in tested) == ("Source, numbers, runs" not in section.text)


def test_the_page_of_one_task_opens_with_that_task(render: Render, reports: Path) -> None:
    page = render(study_params("smoke", "study.targets=[fpb]"))
    claims = read_json(reports / "claims.json")["claims"]
    rows = [
        (claim["title"], row["verdict"])
        for claim in claims
        for row in claim["verdicts"]
        if (row["scope"], row["reading"]) == ("fpb", "strict")
    ]
    tested = [title for title, verdict in rows if verdict != "not tested"]
    assert next(page.all("h1")).text == "Which tasks help fpb? Study smoke"
    told = page.by_id("answer").text
    assert told.startswith(f"Comparisons of fpb: {len(rows)}, of which {len(tested)} could be tested.")
    assert tested and all(title in told for title in tested)
    first = next(page.by_id("content").all("section"))
    assert first.attributes["id"] == "task"
    assert len([row for row in page.by_id("table-task").all("tr") if list(row.all("td"))]) == len(rows)


def test_the_page_explains_its_signs_and_its_words(render: Render) -> None:
    page = render()
    notes = [node.text for node in page.by_id("verdicts").all("p")]
    assert notes == [
        "An effect is the first side of a title minus the second: to the right of zero the first is better."
    ]
    assert "#glossary" in [link.attributes["href"] for link in next(page.all("nav")).all("a")]
    terms = [one.text for one in page.by_id("glossary").all("dt")]
    words = {word for term in terms for word in term.split(", ")}
    header = {node.text for node in next(page.by_id("table-verdicts").all("thead")).all("th")}
    assert {"adjusted p", "detectable", "n"} <= header & words
    assert {"chosen mixture", "floor", "locked", "macro", "margin", "steps matched", "size matched"} <= words
    assert len(list(page.by_id("glossary").all("dd"))) == len(terms)


def verdict_rows(page: Node) -> list[Node]:
    """The rows of the tables of verdicts, without their heads."""
    table = page if page.tag == "details" else page.by_id("table-verdicts")
    return [row for row in table.all("tr") if not list(row.all("th"))[1:]]


def page_rows(page: Node, name: str) -> list[Node]:
    return list(page.by_id(name).all("tr"))


def test_two_models_have_a_verdict_each(render: Render, reports: Path) -> None:
    claims = read_json(reports / "claims.json")
    extra = verdict(
        "macro",
        model="other",
        effect=1.0,
        verdict="under-powered",
        interval="these weights",
        headline=True,
    )
    claims["claims"][1]["verdicts"].append(extra)
    write_json(reports / "claims.json", claims)
    page = render()
    rows = [texts(row) for row in verdict_rows(page)]
    assert [row[3] for row in rows[1:4]] == [f"macro, strict, {one}" for one in (MODEL, "other", MODEL)]
    assert rows[2][2] == "+1.0 [−2.2, +4.2] (these weights)"
    plot = page.by_id("forest-verdicts-desc").text
    assert "Made up, contradicted (other): +1.0" in plot and f"Made up, supported ({MODEL}): " in plot
    section = page.by_id("claim-made_up_2").text
    assert "contradicted (macro, strict (phi3_smoke))" in section
    assert "under-powered (macro, strict (other))" in section


def test_reasons_that_are_the_same_are_told_once(render: Render, reports: Path) -> None:
    claims = read_json(reports / "claims.json")
    for row in claims["claims"][5]["verdicts"]:
        row |= {"verdict": "not tested", "reasons": [EXPLORATORY.model_dump()]}
    write_json(reports / "claims.json", claims)
    listed = [item.text for item in render().by_id("not-run").all("li")]
    assert listed == [
        f"Made up, not tested: seeds (macro, strict ({MODEL}))",
        "Made up, many rows: seeds: exploratory (24 rows)",
    ]


def test_each_claim_shows_all_its_rows_with_their_runs(render: Render, reports: Path) -> None:
    page = render()
    for claim in read_json(reports / "claims.json")["claims"]:
        section = page.by_id(f"claim-{claim['id']}")
        assert claim["statement"] in section.text and claim["contradicted_by"] in section.text
        _, *rows = section.all("tr")
        assert [texts(row)[0] for row in rows] == [row["scope"] for row in claim["verdicts"]]
        for row, expected in zip(rows, claim["verdicts"], strict=True):
            runs = [*expected["treatment_runs"], *expected["control_runs"]]
            assert [a.attributes["href"] for a in row.all("a")] == [f"#run:{MODEL}:{run}" for run in runs]
    runs = page_rows(page, "table-runs")
    assert texts(page.by_id(f"run:{MODEL}:all-s101"))[1] == "all-s101"
    assert len(runs) - 1 == len(read_tables(reports / "tables")["runs"].frame)


def test_a_row_that_was_not_tested_stands_under_what_was_not_run(render: Render) -> None:
    text = render().by_id("not-run").text
    assert f"Made up, not tested: seeds (macro, strict ({MODEL}))" in text
    assert f"without a record: {', '.join(known_studies(ROOT / 'conf'))}." in text


def test_every_written_table_is_shown_as_it_was_written(render: Render, reports: Path) -> None:
    page = render()
    written = {name: one for name, one in shown_tables(reports / "tables").items() if name not in FROM_CLAIMS}
    assert {"main", "contrasts", "scores", "runs", "data"} <= set(written)
    for table in written.values():
        rows = page_rows(page, f"table-{table.name}")[1:]
        shown = [tuple(texts(row)[: len(table.columns)]) for row in rows]
        assert shown == [row.cells for row in table.rows], table.name
        assert table.note in page.by_id(f"caption-{table.name}").text
        assert "Study smoke." in table.note


def test_a_cell_leads_to_its_runs_and_items(render: Render, reports: Path) -> None:
    page = render()
    comparison = read_json(reports / "comparison.json")
    arm = next(
        row
        for row in comparison["arms"]
        if (row["task"], row["stage"], row["arm"]) == ("fpb", "confirm", "single")
    )
    expected = f"{', '.join(arm['runs'])}; {arm['n_items']} items, {arm['n_clusters']} clusters"
    row = next(row for row in page_rows(page, "table-main") if texts(row)[0] == "fpb")
    header = texts(page_rows(page, "table-main")[0])
    assert list(row.all("td", "th"))[header.index("single")].attributes["title"] == expected
    cell = next(one for one in page_rows(page, "table-transfer")[1].all("td") if "title" in one.attributes)
    assert re.fullmatch(r"pair_\w+ minus single_fpb; 60 items, 30 clusters", cell.attributes["title"])
    assert "pair_fpb_finqa minus single_fpb; 60 items in 30 clusters" in page.by_id("table-transfer").text
    scores = page.by_id("table-scores")
    assert any("all-s101" in link.attributes["href"] for link in scores.all("a"))


def test_explored_runs_do_not_stand_in_for_confirmed_ones() -> None:
    arms = [
        {"model": MODEL, "task": task, "stage": stage, "arm": arm, "runs": [f"{arm}-{stage}"]}
        | {"n_items": 60, "n_clusters": 30}
        for task, stage, arm in (
            ("fpb", "explore", "base"),
            ("fpb", "explore", "single"),
            ("fpb", "explore", "all"),
            ("fpb", "confirm", "single"),
            ("finqa", "explore", "all"),
        )
    ]
    traces = read_traces({"arms": arms, "transfer": [], "leave_one_out": []}, {"rows": []})
    assert {(task, column): trace.runs for (_, _, task, column), trace in traces.items()} == {
        ("fpb", "base"): ("base-explore",),
        ("fpb", "single"): ("single-confirm",),
        ("finqa", "all"): ("all-explore",),
    }


def test_what_comes_from_data_is_escaped(render: Render, reports: Path) -> None:
    claims = read_json(reports / "claims.json")
    claims["note"] = claims["claims"][0]["title"] = claims["claims"][0]["verdicts"][0]["scope"] = EVIL
    claims["claims"][0]["id"] = claims["claims"][0]["verdicts"][0]["treatment_runs"][0] = EVIL
    write_json(reports / "claims.json", claims)
    frame = pd.DataFrame({"task": [EVIL], EVIL: [EVIL], "runs": [[EVIL]]})
    evil = Table(name="evil", title=EVIL, note=EVIL, frame=frame, hidden=("runs",))
    write_tables(reports / "tables", [*read_tables(reports / "tables").values(), evil])
    (reports / "figures/evil_phi3_smoke.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="alert(1)">'
        "<script>alert(1)</script>"
        '<g onclick="alert(1)"><foreignObject><b>x</b></foreignObject><text>&lt;script&gt;</text>'
        '<image href="https://example.org/x.png"/><rect style="fill: url(https://example.org)"/></g></svg>',
        encoding="utf-8",
    )
    page = render()
    test_nothing_is_loaded_and_nothing_runs(lambda: page)
    test_every_anchor_of_the_page_leads_somewhere(lambda: page)
    assert "alert" not in "".join(
        node.text for node in page.all("svg", "b") if "evil" in str(node.attributes)
    )
    assert texts(page_rows(page, "table-evil")[1])[:2] == [EVIL, EVIL]
    assert EVIL in page.by_id("caption-evil").text and EVIL in page.by_id("caption-verdicts").text
    assert page.by_id("more").text.startswith("Further tables and figures")


def test_what_is_missing_is_named(render: Render, reports: Path) -> None:
    for gone in ("figures", "tables"):
        shutil.rmtree(reports / gone)
    (reports / "claims.json").unlink()
    page = render()
    assert "Not in this report: verdicts (claims.json)." in page.by_id("verdicts").text
    assert "Not in this report: table data." in page.by_id("data").text
    assert "Not in this report: figure transfer." in page.by_id("transfer").text
    assert "Not in this report: figure budget." in page.by_id("budget").text
    assert "No study is recorded yet." in page.by_id("cost").text


def test_results_that_must_be_there_are_asked_for(render: Render, reports: Path) -> None:
    comparison = read_json(reports / "comparison.json")
    write_json(reports / "comparison.json", {**comparison, "study": "tiny"})
    with pytest.raises(RecordError, match="reports are of study 'tiny'"):
        render()
    (reports / "comparison.json").unlink()
    with pytest.raises(RecordError, match="a result file is missing"):
        render()


def broken(claims: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**claims, "claims": [{**claims["claims"][0], **changes}]}


def test_broken_verdicts_are_refused(tmp_path: Path) -> None:
    claims = made_up_claims("smoke", MODEL, ["fpb", "finqa"])
    path = tmp_path / "claims.json"
    row = {**verdict("fpb", model=MODEL, effect=1.0, verdict="supported"), "verdict": "proven"}
    for wrong, place in (
        (broken(claims, verdicts=None), "claims.0.verdicts"),
        (broken(claims, verdicts=[row]), "claims.0.verdicts.0.verdict"),
        (broken(claims, margin="2"), "claims.0.margin"),
        ({**claims, "lock": {"state": "perhaps"}}, "lock.state"),
        ([], ""),
    ):
        write_json(path, wrong)
        with pytest.raises(RecordError, match=re.escape(f"not the verdicts of a study ({place}: ")):
            study_verdicts(path, study="smoke")
    write_json(path, broken(claims, verdicts=[]))
    # no model of the study is tuned: no rows, and nothing is broken
    assert study_verdicts(path, study="smoke").claims[0].headlines() == []
    write_json(path, claims)
    with pytest.raises(RecordError, match="verdicts are of study 'smoke'"):
        study_verdicts(path, study="tiny")


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(render: Render, reports: Path) -> None:
    render()
    first = (reports / "report.html").read_bytes()
    render()
    assert (reports / "report.html").read_bytes() == first


@pytest.mark.slow
def test_recorded_studies_show_hardware_and_cost(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    shutil.copytree(finished_study, tmp_path / "clone")
    reports = tmp_path / "clone/reports"
    record(reports, PARAMS)
    write_page(reports, tmp_path / "report.html", configured=CONFIGURED, params=PARAMS)
    page = read_html((tmp_path / "report.html").read_text(encoding="utf-8"))
    manifest = read_json(reports / "studies/smoke/manifest.json")
    text = page.by_id("cost").text
    assert f"{manifest['hardware']['cores']} cores of" in text
    assert f"runs {manifest['runtime']['runs']}, of which 0 with times" in text
    assert manifest["git"]["commit"][:12] in text
    others = [name for name in known_studies(ROOT / "conf") if name != "smoke"]
    assert f"without a record: {', '.join(others)}." in page.by_id("not-run").text
    del manifest["runtime"]["runs"]
    write_json(reports / "studies/smoke/manifest.json", manifest)
    with pytest.raises(RecordError, match="the manifest lacks 'runs'"):
        write_page(reports, tmp_path / "report.html", configured=CONFIGURED, params=PARAMS)


@pytest.mark.slow
def test_recorded_studies_stand_side_by_side(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    shutil.copytree(finished_study, tmp_path / "clone")
    reports = tmp_path / "clone/reports"
    kept = record(reports, PARAMS)
    shutil.copytree(kept, other := kept.with_name("other"))
    manifest = read_json(other / "manifest.json")
    manifest["params"]["study"]["name"] = "proxy"
    manifest["params"]["train"]["method"] = "lora"  # its only record: it stands for the study
    manifest["params"]["fetch"]["sources"]["fpb"]["status"] = "partial"
    manifest["runtime"]["gpu_hours"] = 1.5
    write_json(other / "manifest.json", manifest)
    claims = read_json(other / "claims.json")
    claims["claims"] = claims["claims"][1:]
    claims |= {"tier": "paper", "lock": {"state": "locked", "date": "2030-01-31", "commit": "c" * 40}}
    claims["claims"][0]["verdicts"][0] |= {
        "verdict": "contradicted",
        "reasons": [{"code": "power", "detail": "made up"}],
    }
    write_json(other / "claims.json", claims)
    write_page(reports, reports / "report.html", configured=CONFIGURED, params=PARAMS)
    page = read_html((reports / "report.html").read_text(encoding="utf-8"))
    head, stands, first, second, *_ = (texts(row) for row in page_rows(page, "table-findings"))
    assert head == ["claim", "other", "smoke"]
    assert stands == ["tier, rule, lock", "paper, rule 2, locked 2030-01-31", "miniature, rule 2, not locked"]
    assert first[1] == "–" and first[2] != "–"  # the other study does not know the first claim
    assert "contradicted: " in second[1] and "made up" in second[1] and "made up" not in second[2]
    facts = {row[0]: row[1:] for row in map(texts, page_rows(page, "table-cost"))}
    assert facts["what"] == ["other", "smoke"]
    assert facts["tier, rule, lock"] == stands[1:]
    assert facts["data"][1] == "generated data" and "partial: fpb" in facts["data"][0]
    assert facts["GPU-hours"] == ["1.50", "–"]
    assert all("from scratch on 2 million tokens" in one for one in facts["models"])


@pytest.mark.slow
def test_the_verdicts_say_their_tier_rule_and_lock(render: Render, reports: Path) -> None:
    standing = "Tier miniature; rule 2; not locked (made up)."
    assert standing in render().by_id("caption-verdicts").text
    assert "is not locked" in render().by_id("claims").text
    lock = {"state": "locked", "reason": "", "digest": "1", "commit": "c" * 40, "date": "2030-01-31"}
    claims = read_json(reports / "claims.json") | {"tier": "proxy", "rule": 7, "lock": lock}
    write_json(reports / "claims.json", claims)
    standing = "Tier proxy; rule 7; locked 2030-01-31 at commit cccccccccccc."
    assert standing in render().by_id("caption-verdicts").text
    assert "were locked before these runs" in render().by_id("claims").text
    write_json(reports / "claims.json", claims | {"tier": "real"})
    with pytest.raises(RecordError, match="tier"):
        render()


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "model": ["m", "m"],
            "task": ["a|b", "c"],
            "points": [-1.25, None],
            "runs": [["x", "y"], []],
        }
    )
    table = Table(name="t", title="A title", note="A note.", frame=frame, hidden=("runs",), digits=2)
    write_tables(tmp_path, [table])
    shown = shown_tables(tmp_path)["t"]
    assert (shown.title, shown.note, shown.model) == ("A title", "A note.", "m")
    assert shown.columns == ("task", "points")
    assert [row.cells for row in shown.rows] == [("a|b", "−1.25"), ("c", "–")]
    assert [dict(row.more) for row in shown.rows] == [{"runs": "x y"}, {"runs": ""}]
    assert [shown.numeric(place) for place in range(2)] == [False, True]


def test_a_forest_puts_effects_where_they_belong() -> None:
    rows = [
        verdict("a", model=MODEL, effect=5.0, verdict="supported"),
        verdict("b", model=MODEL, effect=-5.0, verdict="contradicted", low=None, high=None),
        verdict("c", model=MODEL, effect=None, verdict="not tested"),
    ]
    plot = draw_forest([(row["scope"], VerdictRow.model_validate(row), 2.0) for row in rows])
    assert plot is not None
    assert plot.left_out == 1 and [mark.label for mark in plot.marks] == ["a", "b"]
    right, left = plot.marks
    assert right.interval is not None and left.interval is None
    assert right.interval[0] + right.interval[1] == pytest.approx(2 * right.effect, abs=0.02)
    assert right.effect - plot.zero == pytest.approx(plot.zero - left.effect, abs=0.02)
    assert right.margin is not None
    assert right.margin[1] - plot.zero == pytest.approx((right.effect - plot.zero) * 2 / 5, abs=0.02)
    assert (left.effect, "−5") in plot.ticks and (right.effect, "5") in plot.ticks
    assert draw_forest([("c", VerdictRow.model_validate(rows[2]), None)]) is None


def test_two_figures_share_no_id(tmp_path: Path) -> None:
    path = tmp_path / "f.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<defs><style>*{color:red}</style><path id="a"/></defs>'
        '<use xlink:href="#a" clip-path="url(#a)"/></svg>',
        encoding="utf-8",
    )
    svg = str(inline_svg(path, prefix="one", title="<T>", description="D"))
    assert '<path id="one-a" />' in svg and '<use clip-path="url(#one-a)" href="#one-a" />' in svg
    assert "style" not in svg and '<title id="one-title">&lt;T&gt;</title>' in svg
    for text in ("<svg", "<html/>"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RecordError, match="not readable as SVG"):
            inline_svg(path, prefix="one", title="T", description="D")


def test_nothing_in_a_figure_acts_in_whatever_case_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "f.svg"
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink"><g ONCLICK="a()"/>'
        '<use HREF="https://example.org"/><use x:HREF="javascript:a()"/>'
        '<rect STYLE="fill:URL(//example.org)"/>'
        '<rect style="fill:u\\72l(//example.org)"/><SCRIPT>a()</SCRIPT><a href="#b"><set/></a></svg>',
        encoding="utf-8",
    )
    svg = str(inline_svg(path, prefix="one", title="T", description="D")).lower()
    assert not re.search(r"onclick|href|url|72l|script|example", svg)


def test_ids_tell_apart_what_differs() -> None:
    names = [slug("a b"), slug("a", "b"), slug("a_b"), slug("a:b"), slug("a--b"), slug("ä"), slug("ae")]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.:~-]+", name, flags=re.ASCII) for name in names)
