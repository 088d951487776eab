"""Fixtures that several folders of tests share. (Its place puts ``tests/`` on the import path.)"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from folders import made_once


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: a test that runs stages waits for a third of its time."""
    return 1 + (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes first, so that no process is left alone with it at the end.

    Most of the pipeline's tests wait for the small study, which one process makes while others have work.
    """
    first = ("test_smoke", "test_benchmarks", "test_launch")
    items.sort(key=lambda item: (item.path.stem not in first, "pipeline" not in item.path.parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays; each trainer and each Holm would look through it for garbage, for 0.3 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with real data; tests that need it are skipped where there is none."""
    folder = os.environ.get("COCKTAIL_MIRROR")
    if not folder:
        pytest.skip("COCKTAIL_MIRROR names no folder with real data")
    return Path(folder)


@pytest.fixture(scope="session")
def real_base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function from a model of conf/model to its base, made once, of weights that pip brings.

    COCKTAIL_TEST_MODELS names the models that may be downloaded; the run store keeps what was.
    """
    from cocktail.config import check_params
    from cocktail.config.compose import compose
    from cocktail.files.store import Store, store_root
    from cocktail.training.bases.make import make_base

    allowed = os.environ.get("COCKTAIL_TEST_MODELS", "").split()
    made: dict[str, Path] = {}

    def base(name: str) -> Path:
        if name not in allowed:
            pytest.skip(f"COCKTAIL_TEST_MODELS does not name {name}")
        if name not in made:
            conf = Path(__file__).parents[1] / "conf"
            config = check_params(compose(conf, "smoke", [f"model=[{name}]"]), where=name).model(name)
            made[name] = tmp_path_factory.mktemp(name)
            make_base(name, config, out=made[name], store=Store(store_root()))
        return made[name]

    return base


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up study after every stage, in the layout of the repository. Read it; copy it to change it."""
    from answers_fixture import finish_study, study_params  # imports evaluate: only tests that ask pay

    return made_once(tmp_path_factory, "study", lambda root: finish_study(root, study_params()))
