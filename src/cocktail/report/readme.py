"""The README's generated block: recorded studies only, so that a variant in the work tree changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

from cocktail.errors import RecordError
from cocktail.records import read_json

START, END = "<!-- cocktail:results -->", "<!-- /cocktail:results -->"
ORDER = ("paper", "small", "tiny", "smoke")  # the largest first; others after them, by name


def render_readme(text: str, studies: Path) -> str:
    """Return the README with its block rendered from the folders in ``studies``.

    Raises:
        RecordError: the README lacks the block's marks.
    """
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise RecordError(f"the README needs one {START} and one {END} after it", where="README.md")
    names = [path.name for path in studies.iterdir()] if studies.is_dir() else []
    rank = {name: place for place, name in enumerate(ORDER)}
    ordered = sorted(names, key=lambda name: (rank.get(name, len(ORDER)), name))
    body = "\n".join(_study(studies / name) for name in ordered) or "No study is recorded yet.\n"
    return re.sub(f"{START}.*{END}", lambda _: f"{START}\n\n{body}\n{END}", text, flags=re.DOTALL)


def _study(folder: Path) -> str:
    manifest = read_json(folder / "manifest.json")
    runtime, hardware = manifest["runtime"], manifest["hardware"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['cores']} cores of {hardware['cpu']}"
    hours = (runtime["training_seconds"] + runtime["answering_seconds"]) / 3600
    here = f"reports/studies/{folder.name}"
    figures = sorted(path.name for path in (folder / "figures").glob("bars_*.svg"))
    lines = [
        f"### Study {folder.name}",
        "",
        f"{runtime['runs']} runs, {hours:.2f} worker-hours on {device}. "
        f"All tables: [{here}/tables]({here}/tables); how it was made: [manifest]({here}/manifest.json).",
        "",
        *(
            f"![Accuracy of base, single task and mixtures per task]({here}/figures/{name})"
            for name in figures
        ),
        "",
        *((folder / f"tables/{name}.md").read_text(encoding="utf-8") for name in ("main", "contrasts")),
    ]
    return "\n".join(lines)
