"""The result stages as commands: bad input ends in one message and exit code 2, and leaves no half output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from answers_fixture import CLAIMS, ROOT, study_params

CALLS = {
    "choose": [
        "--model",
        "phi3_smoke",
        "--prepared",
        "none",
        "--answers",
        "none",
        "--out",
        "out/selected.json",
    ],
    "analyze": [
        *("--prepared", "none", "--scores", "none", "--selected", "none"),
        *("--claims", str(CLAIMS), "--answers", "none", "--locks", "none", "--out", "out"),
    ],
    "report": [
        *("--reports", "none", "--raw", "none", "--prepared", "none", "--mixtures", "none"),
        *("--answers", "none", "--judge", "none", "--bases", "none"),
        *("--published", "none", "--configured", "none", "--out", "out"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", CALLS)
def test_missing_input_is_one_message(stage: str, tmp_path: Path) -> None:
    text = yaml.safe_dump(study_params().model_dump())
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    script = ROOT / "stages" / f"{stage}.py"
    done = subprocess.run(
        [sys.executable, str(script), *CALLS[stage]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "dvc repro" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_only_score_pays_for_evaluate() -> None:
    """Evaluate imports torch and takes five seconds; the other stages and `cocktail verify` start at once."""
    modules = ["analysis.selection", "analysis.study", "claims.evaluate", "report.study", "studies.record"]
    code = "import importlib, sys\n"
    code += f"for name in {modules}:\n"
    code += "    importlib.import_module(f'cocktail.{name}')\n"
    code += "    if not sys.modules.keys().isdisjoint(['evaluate', 'torch']): sys.exit(name)\n"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
