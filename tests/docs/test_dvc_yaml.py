"""DVC does not trace imports: the rooms that dvc.yaml lists for a stage are those the stage imports."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PACKAGE = SRC / "cocktail"
# They carry no decision about results: messages, exit codes, signals, files and the run store, the reader of
# params (its values are tracked as params). Listing them would run everything again for a word.
NO_DECISION = ("config", "files")


def module_file(name: str) -> Path | None:
    """The file of a module of the package, or None for other packages."""
    stem = SRC.joinpath(*name.split("."))
    found = [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]
    return found[0] if found else None


@cache
def imported_files(script: Path) -> set[Path]:
    """Files of the package that one file uses, with their packages' __init__.

    Imports, inside functions too, and YAML beside it that it names.
    """
    if script.suffix != ".py":
        return set()
    names, beside = set(), set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"\w+\.yaml", str(node.value)):
            beside.add(script.with_name(str(node.value)))
    ours = {name for name in names if name.split(".")[0] == "cocktail"}
    parents = {".".join(name.split(".")[:depth]) for name in ours for depth in range(1, name.count(".") + 2)}
    return {file for name in parents if (file := module_file(name))} | {f for f in beside if f.is_file()}


def rooms(script: Path) -> set[Path]:
    """The folders of the package from which running ``script`` can import a file."""
    seen: set[Path] = set()
    todo = {script}
    while todo:
        file = todo.pop()
        seen.add(file)
        todo |= imported_files(file) - seen
    inside = {file.relative_to(PACKAGE).parts for file in seen if PACKAGE in file.parents}
    return {PACKAGE / parts[0] for parts in inside if len(parts) > 1 and parts[0] not in NO_DECISION}


def test_the_lock_of_dvc_knows_no_stage_that_is_gone() -> None:
    """DVC keeps what it once wrote there; a record's manifest would name outputs that nothing makes."""
    locked = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert locked and {name.split("@")[0] for name in locked} <= STAGES.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_rooms_that_it_imports(stage: str) -> None:
    script = ROOT / "stages" / f"{stage}.py"
    listed = {ROOT / dependency for dependency in STAGES[stage]["deps"]}
    code = {dependency for dependency in listed if SRC in dependency.parents}
    needed = rooms(script)
    assert script in listed
    assert {str(room) for room in needed - code} == set(), "imported but not in dvc.yaml"
    assert {str(room) for room in code - needed} == set(), "in dvc.yaml but not imported"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_script_is_short(stage: str) -> None:
    assert len((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_the_package_does_not_import_stages_and_heavy_libraries_stay_in_their_places() -> None:
    heavy = {"torch", "transformers", "trl", "peft"}
    for file in SRC.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
        }
        names |= {
            n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module
        }
        assert "stages" not in names, file
        if not {"training", "inference"} & set(file.relative_to(SRC).parts):
            assert not heavy & names, f"{file} imports {heavy & names}"


def test_real_data_are_never_pushed() -> None:
    """To no remote that anybody may add, nor into git."""
    outs = [out for stage in STAGES.values() for out in stage["outs"] if isinstance(out, dict)]
    pushed = {path: options.get("push", True) for out in outs for path, options in out.items()}
    real = ("data/raw", "data/prepared")
    answers = [f"artifacts/answers/${{item.model}}/{stage}" for stage in ("explore", "confirm")]
    assert not any(pushed[path] for path in (*real, *answers, "artifacts/judge"))
    listed = subprocess.run(["git", "ls-files", *real], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout == ""


def test_of_params_only_the_quoted_name_of_a_model_enters_a_command() -> None:
    found = {name: re.findall(r"\$\{([^}]*)\}", stage["cmd"]) for name, stage in STAGES.items()}
    with_a_model = ("base", "explore", "choose", "confirm")
    assert found == {name: ["item"] if name in with_a_model else [] for name in STAGES}
