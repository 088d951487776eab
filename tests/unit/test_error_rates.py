"""How often the rule errs, in the sentences of docs/method.md, from rows written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cocktail.files.records import write_json
from cocktail.report.error_rates import DETECTABLE, NULL, RULE, error_rates


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
