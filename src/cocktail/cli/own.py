"""A task of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cocktail.cli.command import command, option


@command(
    option("name", help="small letters, digits and _: of the task and its study"),
    option("--data", required=True, help="a .csv, .jsonl or .parquet file, or ORG/NAME of the Hub"),
    option("--test", type=Path, help="a file of test rows; default: a fifth of the clusters"),
    option("--text", default="", help="the column of the text; default: the longest"),
    option("--label", default="", help="the column of the label; default: one with few values"),
    option(
        "--cluster",
        default="",
        help="a column of what rows share that stand or fall together; default: equal texts",
    ),
    option("--names", default="", help='of labels: "0=hawkish,1=dovish,2=neutral"'),
    option("--instruction", default="", help="the question; default: which label fits"),
    option("--model", default="phi3_smoke", help="a file in conf/model, as smollm2_135m"),
    option("--source", default="synthetic", help="of the partners: a file in conf/source"),
    option("--partners", default="fpb,twitter_sa,open_orca", help="other tasks that are mixed"),
    option("--cap", type=int, default=0, help="rows that each gives; default: 160, of real models 40"),
    option("--licence", default="not stated", help="of the data"),
)
def new_task(arguments: argparse.Namespace) -> None:
    """From a file of one's own: task, source, golden file, study; shows prompts, counts and cost."""
    from cocktail.studies.new_task.columns import parse_names
    from cocktail.studies.new_task.make import make_task
    from cocktail.studies.new_task.read import read_given
    from cocktail.studies.new_task.show import tell
    from cocktail.studies.new_task.texts import Wanted

    wanted = Wanted(
        name=arguments.name,
        model=arguments.model,
        source=arguments.source,
        partners=tuple(filter(None, arguments.partners.split(","))),
        cap=arguments.cap,
        instruction=arguments.instruction,
        licence=arguments.licence,
    )
    asked = {name: getattr(arguments, name) for name in ("text", "label", "cluster")}
    given, names = read_given(arguments.data, arguments.test), parse_names(arguments.names)
    ask = _ask_for_name if sys.stdin.isatty() else None
    print(tell(Path(), make_task(Path(), given, wanted, asked=asked, names=names, ask=ask)))


def _ask_for_name(value: str) -> str:
    return input(f"what is label {value} called? ").strip()
