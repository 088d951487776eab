"""Every command that a document shows is run by a test, or marked there, and listed here, as not run.

A variant (``dvc exp run -S …``) is composed and checked; tests/pipeline/test_smoke.py runs ``dvc exp run``.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from clone import Clone, copy_work_tree
from shown_commands import DOCUMENTS, ROOT, Line, lines_of, mentions, shown_lines

from cocktail import cli
from cocktail.cli.command import COMMANDS as KNOWN
from cocktail.cli.command import parser
from cocktail.config import check_params
from cocktail.config.compose import compose

for module in cli.MODULES:
    import_module(f"cocktail.cli.{module}")
LINES = shown_lines()
COMMANDS = {command: line for line in LINES for command in line.commands}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
# Without its set-up; and without "Entering directory", which it says where make itself runs the tests.
MAKE = ("make", "--no-print-directory", "--old-file=.venv/.ready")

# Marked in the documents with the reason: a GPU, a server, the data.
NOT_RUN = {
    "dvc exp run -S method=qlora",
    "dvc exp run -S execute.gpus_per_run=8",
    "dvc exp run -S execute.engine=ray",
    "openssl rand -hex 32",
    "chmod 600 $SHARED/ray.token",
    "ray start --head --port=6379",
    "ray start --address=FIRST:6379",
    "pip install -e '.[slurm]'",
    "dvc exp run -S execute.engine=slurm -S execute.slurm.partition=gpu -S execute.slurm.account=lab",
    "python benchmarks/engines.py",
    "dvc exp run -S answer.engine=vllm",
    "dvc exp run -S judge.backend=endpoint -S judge.model=gpt-4o-2024-08-06",
    "dvc exp run -S 'model=[phi3_tiny,gpt_4o]'",
    "dvc exp run -S source=mirror fetch",
    "make refetch",
    "make bench-real",
    "cocktail params paper source=mirror",
    "dvc repro mix",
    "cocktail plan paper source=mirror --made reports/plans",
    "cocktail params proxy method=lora",
    "dvc repro",
    "cocktail verify",
    "cocktail audit --runs 3 --seed 1",
    "cocktail watch",
    "make release",
}
# Lines that are run below, in a fresh clone with the study smoke, as they stand.
RUN_HERE = (
    "make plan STUDY=paper",
    "cocktail plan paper train.max_length=2048 --out plan.md",
    "cocktail advise --target fpb --study tiny",
    "cocktail readme",
    "cocktail init ../my-study --study smoke",
    "cocktail export --study tiny --out tables",
    "cocktail export ro-crate --study tiny",
    "cocktail export every-eval-ever --study tiny --run all --out shared",
    "dvc exp show --only-changed",
    "dvc metrics diff --md HEAD",
    "git show HEAD:reports/claims.json > old.json && cocktail verdicts-diff old.json reports/claims.json",
    'cocktail lock --pilot "learning rates, on dev" && cocktail readme '
    '&& git add reports/locks README.md && git commit -m "Lock it"',
    "make params STUDY=tiny",  # the clone has another study then, whose results are in git
    "cocktail show --claim mixture_vs_single",
)
# Run by other tests: the file, and the words that show it.
SMOKE = ("tests/pipeline/conftest.py", 'clone.done("dvc", "repro")')
RUN_ELSEWHERE = {
    "make repro": SMOKE,
    "make smoke": SMOKE,
    "dvc repro analyze": SMOKE,
    "make test": (".github/workflows/test.yml", "make test"),
    "make test-fast": ("Makefile", '-m "not slow" tests/unit'),
    "make check": (".github/workflows/test.yml", "make check"),
    "make record": ("tests/unit/test_record.py", "record(reports, PARAMS)"),
    "make bench": ("tests/unit/test_benchmarks.py", "def test_a_script_runs_in_its_smallest_form"),
    "cocktail audit --runs 3": ("tests/pipeline/test_smoke.py", '"cocktail", "audit", "--runs", "1"'),
    "cocktail advise --target fpb": ("tests/unit/test_advice.py", '["cocktail", "advise", *arguments]'),
    "cocktail card pair_fpb_finqa --out cards": (
        "tests/unit/test_publish.py",
        '"card", "all", "--out", "cards"',
    ),
    "cocktail export lm-eval --out tasks": ("tests/models/test_lm_eval.py", '"lm-eval", "--out", "tasks"'),
    "cocktail publish pair_fpb_finqa --to org/name": (
        "tests/unit/test_publish.py",
        '["cocktail", "publish", RUN, "--to", REPO]',
    ),
    "cocktail replies artifacts/answers/gpt_4o/explore/base.parquet artifacts/judge/asked.parquet": (
        "tests/pipeline/test_external.py",
        '"replies",',
    ),
    "python -m pytest tests/pipeline/test_kill.py": ("tests/pipeline/test_kill.py", '"COCKTAIL_KILLS"'),
    "python -m pytest tests/drills/test_flips.py": ("tests/drills/test_flips.py", '"COCKTAIL_FLIPS"'),
    "python -m pytest tests/drills/test_hostile.py": ("tests/drills/test_hostile.py", "def test_a_raw_file"),
    "python -m pytest tests/drills/test_fuzz.py": ("tests/drills/test_fuzz.py", '"COCKTAIL_EXAMPLES"'),
}
ENGINES = ("tests/unit/test_on_ray.py", "def test_a_run_whose_node_dies")
RUN_ELSEWHERE |= {"python -m pytest tests/unit/test_on_ray.py tests/unit/test_on_slurm.py": ENGINES}
YOUR_TASK = ("tests/pipeline/test_your_task.py", 'clone.done("sh", "-ec", line) for line in LINES')
RUN_ELSEWHERE |= {
    'cocktail new-task minutes --data minutes.csv --names "0=hawkish,1=dovish,2=neutral"': YOUR_TASK,
    "dvc exp run -S study=minutes": YOUR_TASK,
    "cocktail show --table main": YOUR_TASK,
    "cocktail show --task minutes": YOUR_TASK,
    "cocktail advise --target minutes": YOUR_TASK,
    "cocktail advise --target fpb --next 6": ("tests/unit/test_advice.py", '"--next", "2"'),
}
VARIANT = "dvc exp run -S "


def test_commands_are_those_of_an_active_environment() -> None:
    """By its path a command of .venv starts, and the stages, which it starts as ``python``, do not."""
    assert [line for line in LINES if ".venv/bin/" in line.text] == []
    assert "`source .venv/bin/activate`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_run_or_marked() -> None:
    here = {command for text in RUN_HERE for command in Line("", text, "").commands}
    unmarked = {command for line in LINES if not line.untested for command in line.commands}
    left = {command for command in unmarked - here - set(RUN_ELSEWHERE) if not command.startswith(VARIANT)}
    assert left == set(), "run it in a test, or mark it in the document and list it here"


def test_what_is_marked_is_what_is_listed() -> None:
    assert {command for line in LINES if line.untested for command in line.commands} == NOT_RUN


def test_what_is_listed_is_still_shown_and_still_run() -> None:
    assert {*RUN_HERE} <= {line.text for line in LINES}
    assert {*RUN_ELSEWHERE} <= set(COMMANDS)
    for name, words in RUN_ELSEWHERE.values():
        assert words in (ROOT / name).read_text(encoding="utf-8"), name


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return copy_work_tree(tmp_path_factory.mktemp("commands"))


@pytest.mark.parametrize("line", RUN_HERE)
def test_a_line_ends_well_as_it_stands(clone: Clone, line: str) -> None:
    clone.done("sh", "-ec", re.sub(r"^make", " ".join(MAKE), line))


VARIANTS = [one for one in COMMANDS if one.startswith(VARIANT) and one not in RUN_ELSEWHERE]


@pytest.mark.parametrize("command", VARIANTS)
def test_a_variant_composes_and_passes_the_checks(command: str) -> None:
    words = shlex.split(command)[3:]
    overrides = [words[place + 1] for place, word in enumerate(words) if word == "-S"]
    assert {word for word in words if "=" not in word} <= {"-S", *STAGES}
    study = [word.removeprefix("study=") for word in overrides if word.startswith("study=")] or ["tiny"]
    others = [word for word in overrides if not word.startswith("study=")]
    check_params(compose(ROOT / "conf", study[0], others), where=command)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("make ")])
def test_make_has_the_target(command: str) -> None:
    """A name that is only listed as phony would be nothing to do, and no error."""
    assert command.split()[1] in TARGETS
    subprocess.run([*MAKE, "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("cocktail ")])
def test_cocktail_takes_the_words(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "run_command", lambda _: None)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    cli.main()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_sentence_names_is_there(path: Path) -> None:
    for span in mentions(path.read_text(encoding="utf-8")):
        program, word, *more = span.split()
        if program == "make":
            assert word in TARGETS, span
        elif program == "cocktail":
            assert word == "--help" or word in KNOWN, span
        elif span.startswith("dvc repro"):
            assert {stage.split("@")[0] for stage in more if not stage.startswith("-")} <= set(STAGES), span
        elif program == "python":
            assert (ROOT / word).is_file() or word == "-m", span


def test_lines_marks_and_continuations_are_read() -> None:
    block = "# about\nexport A=1\nB=2 dvc repro \\\n  mix > x && make a   # not run by the tests: b"
    block += "\nmake c\n"
    text = f"```sh\n{block}```\n"
    marked = text.replace("# about", "# not run by the tests: d")
    assert [(one.commands, one.untested) for one in lines_of("", text)] == [
        (["dvc repro mix", "make a"], "b"),
        (["make c"], ""),
    ]
    assert [one.untested for one in lines_of("", marked)] == ["b", "d"]
    assert mentions(f"{text}`make x`, `makes`, `dvc repro y`") == {"make x", "dvc repro y"}


@pytest.mark.parametrize("command", sorted(KNOWN))
def test_every_command_says_what_it_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args([command, "--help"])
    said = capsys.readouterr().out
    assert left.value.code == 0 and said.startswith(f"usage: cocktail {command}")
    assert all(one.name in said for one in KNOWN[command][1])


def test_make_help_shows_each_comment_whole() -> None:
    """Also one that holds a pipe: such lines were once cut there."""
    comments = re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert len(comments) == len(TARGETS - {"packages"}) and any("|" in comment for _, comment in comments)
    done = subprocess.run([*MAKE, "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()] == [*map(list, comments)]
