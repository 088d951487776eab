"""``dvc plots show`` opens without a network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from answers_fixture import ROOT

from cocktail.errors import CocktailError
from cocktail.report.offline_plots import PAGE, write_offline_page

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
