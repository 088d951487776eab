"""The rooms of the package: imports go down the list in pyproject.toml, and rooms know few others.

A name for which the field has another word comes back nowhere: the table in CHANGELOG.md says which.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import yaml

ROOT = Path(__file__).parents[2]
MOST_IMPORTS = 110  # from one room to another, each pair once


def test_imports_go_down_the_list_of_rooms() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_rooms_know_few_others() -> None:
    graph = grimp.build_graph("cocktail", cache_dir=None)

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    pairs = {
        (room(module), room(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if room(module) != room(other)
    }
    assert len(pairs) <= MOST_IMPORTS


def test_ruff_looks_at_every_module() -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--no-cache", "--show-files", "src"]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(map(str, (ROOT / "src").rglob("*.py"))) <= set(seen)


def test_a_module_fits_a_few_screens() -> None:
    """A module that outgrows this has two purposes: part it."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.glob("src/**/*.py")
    }
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_a_class_has_a_name_of_its_own() -> None:
    """Of two classes with one name a reader, and a search, finds the wrong one."""
    names = [
        node.name
        for path in sorted((ROOT / "src/cocktail").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    assert len(names) > 100 and sorted(names) == sorted(set(names))


# "old word, file, name", where the word means something else: a way to judge, in the simulation's JSON too.
OTHER_SENSE = re.compile(r"way src/cocktail/studies/simulation/|way .* (two|under)_way$")
TABLE = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("| old | new |")[2].partition("\n\n")[0]
RENAMED = {
    word: new.split(", ")
    for old, new in re.findall(r"^ *\| ([a-z, ]+) \| (\w+(?:, \w+)*) \|", TABLE, re.MULTILINE)
    for word in old.split(", ")
}


def python_names(text: str) -> Iterator[str]:
    """What a module names: functions, classes, parameters, variables, fields, and keys of its dicts."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Dict(keys=keys):  # those of RENAMED in config/params.py hold a dot
                found = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
                yield from filter(str.isidentifier, found)


def yaml_keys(node: Any) -> Iterator[str]:
    yield from map(str, node if isinstance(node, dict) else ())
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from yaml_keys(one)


def old_words(place: str, name: str) -> list[str]:
    plain = {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    used = [old for old, new in RENAMED.items() if old in plain and not any(one in name for one in new)]
    return [old for old in used if not OTHER_SENSE.match(f"{old} {place} {name}")]


def test_no_old_word_names_anything() -> None:
    assert len(RENAMED) == 12
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", (ROOT / "README.md").read_text("utf-8"), re.DOTALL))
    found = {("README.md", name) for name in re.findall(r"\w+", code) if old_words("README.md", name)}
    for path in (file for room in ("src", "conf", "stages") for file in (ROOT / room).rglob("*")):
        if path.suffix in (".py", ".yaml"):
            place, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            names = python_names(text) if path.suffix == ".py" else yaml_keys(yaml.safe_load(text))
            found |= {(place, name) for name in (path.stem, *names) if old_words(place, name)}
    assert found == set()
