"""Raw files come in whole, checked and with a receipt, or not at all, with one clear message."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from data_params import make_params, make_source, write_lines
from huggingface_hub import errors as hub_errors
from pydantic import ValidationError

from cocktail.config import FetchConfig
from cocktail.errors import SourceError
from cocktail.files.records import digest_file, read_json
from cocktail.sources import hub
from cocktail.sources.fetch import fetch_sources, verify_raw

ROOT = Path(__file__).parents[2]
http = import_module(hub_errors.HTTPError.__module__.partition(".")[0])  # the Hub library's own
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def config(backend: str, **fields: Any) -> FetchConfig:
    source = make_source(("data/train.jsonl", "train")) | fields.pop("source", {})
    return FetchConfig.model_validate({"backend": backend, "sources": {"fpb": source}} | fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mirror with one file of two rows, one of them broken."""
    write_lines(tmp_path / "mirror/org/name/data/train.jsonl", '{"sentence": "a", "label": 1}', "{")
    return tmp_path / "mirror"


def refused(raw: Path, fetch: FetchConfig) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch_sources(raw, fetch)
    assert not raw.exists() or list(raw.iterdir()) == []  # nothing half done
    return caught.value


def test_a_mirror_is_copied_with_a_receipt(folder: Path, tmp_path: Path) -> None:
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder)))
    copied = tmp_path / "raw/fpb/data/train.jsonl"
    assert copied.read_bytes() == (folder / "org/name/data/train.jsonl").read_bytes()
    assert read_json(tmp_path / "raw/fpb/receipt.json") == {
        "source": "fpb",
        "repo": "org/name",
        "revision": None,
        "pinned": False,
        "backend": "mirror",
        "licence": "MIT",
        "status": "original",
        "files": [
            {
                "path": "data/train.jsonl",
                "split": "train",
                "bytes": copied.stat().st_size,
                "sha256": digest_file(copied),
                "rows": 2,
                "malformed": 1,
            }
        ],
    }


def test_the_environment_names_the_mirror(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKTAIL_MIRROR", str(folder))
    fetch_sources(tmp_path / "raw", config("mirror"))
    assert (tmp_path / "raw/fpb/data/train.jsonl").is_file()


def test_a_mirror_must_be_named_and_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COCKTAIL_MIRROR", raising=False)
    assert "no mirror folder is named" in refused(tmp_path / "raw", config("mirror")).what
    gone = str(tmp_path / "gone")
    assert refused(tmp_path / "raw", config("mirror", mirror=gone)).where == gone


def test_a_file_that_the_mirror_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "org/name/data/train.jsonl").unlink()
    error = refused(tmp_path / "raw", config("mirror", mirror=str(folder)))
    assert error.what == "the mirror lacks a file"
    assert error.where == str(folder / "org/name/data/train.jsonl")
    assert "huggingface.co/datasets/org/name" in error.fix


def test_a_link_that_leaves_the_mirror_is_not_followed(folder: Path, tmp_path: Path) -> None:
    file = folder / "org/name/data/train.jsonl"
    secret = tmp_path / "secret.jsonl"
    file.rename(secret)
    file.symlink_to(secret)
    assert "leads out of it" in refused(tmp_path / "raw", config("mirror", mirror=str(folder))).what
    file.unlink()
    secret.rename(folder / "blob")
    file.symlink_to(folder / "blob")  # as the Hub's cache has it
    (tmp_path / "link").symlink_to(folder)
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(tmp_path / "link")))


def with_digest(digest: str) -> dict[str, Any]:
    return {"files": [{"path": "data/train.jsonl", "split": "train", "sha256": digest}]}


def test_a_wrong_checksum_is_refused_and_a_right_one_pins(folder: Path, tmp_path: Path) -> None:
    wrong = config("mirror", mirror=str(folder), source=with_digest("0" * 64))
    error = refused(tmp_path / "raw", wrong)
    assert "expected " + "0" * 64 in error.what
    assert "fetch.sources.fpb" in error.fix
    digest = digest_file(folder / "org/name/data/train.jsonl")
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder), source=with_digest(digest)))
    assert read_json(tmp_path / "raw/fpb/receipt.json")["pinned"] is True


def test_a_failed_fetch_leaves_what_was_there(folder: Path, tmp_path: Path) -> None:
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder)))
    with pytest.raises(SourceError):
        fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder), source=with_digest("0" * 64)))
    verify_raw(tmp_path / "raw", config("mirror", mirror=str(folder)))


def test_verify_names_every_file_that_changed_or_is_gone(folder: Path, tmp_path: Path) -> None:
    sources = {name: make_source(("data/train.jsonl", "train")) for name in ("fpb", "finqa", "headline")}
    fetch = FetchConfig.model_validate({"backend": "mirror", "mirror": str(folder), "sources": sources})
    raw = tmp_path / "raw"
    fetch_sources(raw, fetch)
    verify_raw(raw, fetch)
    with (raw / "fpb/data/train.jsonl").open("a") as stream:
        stream.write("{}\n")
    (raw / "finqa/data/train.jsonl").unlink()
    (raw / "headline/receipt.json").unlink()
    with pytest.raises(SourceError) as caught:
        verify_raw(raw, fetch)
    assert len(caught.value.what.splitlines()) == 3
    for name in ("fpb", "finqa", "headline"):
        assert f"\n{name}: " in "\n" + caught.value.what


def test_verify_prefers_the_expected_digest_to_the_receipt(folder: Path, tmp_path: Path) -> None:
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder)))
    with pytest.raises(SourceError, match="expected " + "0" * 64):
        verify_raw(tmp_path / "raw", config("mirror", source=with_digest("0" * 64)))


@pytest.fixture
def cached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A Hub that answers from the mirror; returns what it was asked for."""
    asked: list[dict[str, Any]] = []

    def download(repo: str, path: str, **fields: Any) -> str:
        asked.append({"repo": repo, "path": path, **fields})
        return str(folder / repo / path)

    class Api:
        def dataset_info(self, repo: str, revision: str | None) -> SimpleNamespace:
            asked.append({"repo": repo, "branch": revision})
            return SimpleNamespace(sha=COMMIT)

        def list_repo_files(self, repo: str, **fields: Any) -> list[str]:
            asked.append({"listed": repo, **fields})
            return sorted(file.relative_to(folder / repo).as_posix() for file in (folder / repo).rglob("*.*"))

    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.setattr(hub, "HfApi", Api)
    return asked


def test_the_hub_gives_named_files_at_the_pinned_commit(cached: list[Any], tmp_path: Path) -> None:
    fetch_sources(tmp_path / "raw", config("hub", source={"revision": COMMIT}))
    assert cached == [
        {"repo": "org/name", "path": "data/train.jsonl", "repo_type": "dataset", "revision": COMMIT}
    ]
    receipt = read_json(tmp_path / "raw/fpb/receipt.json")
    assert (receipt["revision"], receipt["pinned"], receipt["backend"]) == (COMMIT, True, "hub")


@pytest.mark.parametrize("revision", [None, "eb23236", "main"])
def test_an_unpinned_source_gets_its_commit_written_down(
    cached: list[Any], tmp_path: Path, revision: str | None
) -> None:
    fetch_sources(tmp_path / "raw", config("hub", source={"revision": revision}))
    assert cached[0] == {"repo": "org/name", "branch": revision}
    assert cached[1]["revision"] == COMMIT
    receipt = read_json(tmp_path / "raw/fpb/receipt.json")
    assert (receipt["revision"], receipt["pinned"]) == (COMMIT, False)


def with_remote(remote: str) -> dict[str, Any]:
    return {"files": [{"path": "data/train.jsonl", "split": "train", "remote": remote}]}


@pytest.mark.parametrize("remote", ["data/train-00000*.jsonl", "data/train-00000-0a1b.jsonl"])
def test_a_file_of_another_name_on_the_hub_is_found_and_keeps_its_path_here(
    cached: list[Any], folder: Path, tmp_path: Path, remote: str
) -> None:
    repo, found = folder / "org/name", "data/train-00000-0a1b.jsonl"
    (repo / "data/train.jsonl").rename(repo / found)
    write_lines(repo / "data/train-00000-old/train.jsonl", "{}")  # a `*` does not reach into folders
    write_lines(repo / "old/data/train-00000-0a1b.jsonl", "{}")
    fetch_sources(tmp_path / "raw", config("hub", source=with_remote(remote)))
    listings = [asked for asked in cached if "listed" in asked]
    listing = {"listed": "org/name", "repo_type": "dataset", "revision": COMMIT}
    assert listings == ([listing] if "*" in remote else [])
    assert cached[-1] == {"repo": "org/name", "path": found, "repo_type": "dataset", "revision": COMMIT}
    assert (tmp_path / "raw/fpb/data/train.jsonl").read_bytes() == (repo / found).read_bytes()
    (file,) = read_json(tmp_path / "raw/fpb/receipt.json")["files"]
    assert (file["path"], file["remote"]) == ("data/train.jsonl", found)


def test_a_pattern_must_match_one_file(cached: list[Any], folder: Path, tmp_path: Path) -> None:
    error = refused(tmp_path / "raw", config("hub", source=with_remote("data/train-0*.jsonl")))
    assert error.what == (
        "no file of the repository matches 'data/train-0*.jsonl'; did you mean 'data/train.jsonl'?"
    )
    for number in (1, 0):
        write_lines(folder / f"org/name/data/train-0{number}.jsonl", "{}")
    error = refused(tmp_path / "raw", config("hub", source=with_remote("data/train-0*.jsonl")))
    assert error.what == (
        "2 files of the repository match 'data/train-0*.jsonl': data/train-00.jsonl, data/train-01.jsonl"
    )
    assert "`remote`" in error.fix
    assert not any("path" in asked for asked in cached)  # nothing was downloaded


@pytest.mark.parametrize("remote", ["", "data/*-00000*.jsonl", "data/train-?.jsonl", "data/[a-z].jsonl"])
def test_a_pattern_has_one_star_and_no_other_sign(remote: str) -> None:
    with pytest.raises(ValidationError, match="remote"):
        config("hub", source=with_remote(remote))


def test_a_mirror_takes_no_notice_of_remote(folder: Path, tmp_path: Path) -> None:
    fetch_sources(tmp_path / "raw", config("mirror", mirror=str(folder), source=with_remote("data/x*.jsonl")))
    (file,) = read_json(tmp_path / "raw/fpb/receipt.json")["files"]
    assert "remote" not in file


def answer(kind: type[Exception]) -> Exception:
    """An error as the library raises it on an HTTP answer."""
    response = http.Response(404, request=http.Request("GET", "https://huggingface.co"))
    return kind("no", response=response) if issubclass(kind, hub_errors.HfHubHTTPError) else kind("no")


@pytest.mark.parametrize(
    ("kind", "what", "fix"),
    [
        (hub_errors.GatedRepoError, "gated", "HF_TOKEN"),
        (hub_errors.RepositoryNotFoundError, "no such data set", "repo"),
        (hub_errors.RevisionNotFoundError, "no revision", "revision"),
        (hub_errors.LocalEntryNotFoundError, "cannot be reached", "source=mirror"),
        (hub_errors.OfflineModeIsEnabled, "cannot be reached", "HF_HUB_OFFLINE"),
        (http.ConnectError, "cannot be reached", "source=mirror"),
        (hub_errors.HfHubHTTPError, "refuses data/train.jsonl", ""),
    ],
)
def test_what_goes_wrong_at_the_hub_is_one_clear_message(
    cached: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Exception],
    what: str,
    fix: str,
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise answer(kind)

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    error = refused(tmp_path / "raw", config("hub", source={"revision": COMMIT}))
    assert what in error.what
    assert fix in error.fix
    assert error.where == "https://huggingface.co/datasets/org/name"


def test_a_file_that_the_repository_lacks_is_named_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise answer(hub_errors.RemoteEntryNotFoundError)

    files: Callable[..., list[str]] = lambda *_, **__: ["README.md", "data/train-00000.jsonl"]  # noqa: E731
    monkeypatch.setattr(hub, "hf_hub_download", fail)
    monkeypatch.setattr(hub, "HfApi", lambda: SimpleNamespace(list_repo_files=files))
    error = refused(tmp_path / "raw", config("hub", source={"revision": COMMIT}))
    assert error.what == (
        "the repository has no file 'data/train.jsonl'; did you mean 'data/train-00000.jsonl'?"
    )


@pytest.mark.slow
@pytest.mark.parametrize("revision", [COMMIT, None])
def test_without_network_the_stage_ends_with_one_message(tmp_path: Path, revision: str | None) -> None:
    """The real library, told to stay offline, in the real stage script."""
    sources = make_params().model_dump()["fetch"]["sources"]
    sources["headline"] |= {"revision": revision}
    params = make_params(fetch={"backend": "hub", "sources": sources}).model_dump()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "stages/fetch.py"), "--params", "params.yaml", "--out", "raw"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "error: the Hub cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "raw").exists() or list((tmp_path / "raw").iterdir()) == []


def mixed(*, unused: str | None = None, own: dict[str, Any] | None = None) -> Any:
    """Sources fpb and headline generated, fin_ner_cls from a folder, of which the study uses fpb and it."""
    synthetic = yaml.safe_load((ROOT / "conf/catalogue/synthetic.yaml").read_text(encoding="utf-8"))
    sources = {name: synthetic["sources"][name] for name in ("fpb", "headline", "filler")}
    sources["fin_ner_cls"] = make_source(("train.jsonl", "train")) | (own or {})
    chosen = {"tasks": ["fpb", "fin_ner_cls"], "evaluations": ["fpb"], "targets": ["fpb"]}
    fetch = {"backend": "synthetic", "world": synthetic["world"], "sources": sources, "unused": unused}
    return make_params(study=chosen, fetch=fetch)


def test_a_source_may_have_a_backend_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "own/train.jsonl", '{"sentence": "a", "label": 1}')
    params = mixed(own={"backend": "folder", "repo": "own"})
    fetch_sources(tmp_path / "raw", params.fetch, params.sources())
    receipts = {name: read_json(tmp_path / f"raw/{name}/receipt.json") for name in params.sources()}
    backends = {name: receipt["backend"] for name, receipt in receipts.items()}
    assert backends == {
        "fpb": "synthetic",
        "headline": "synthetic",
        "filler": "synthetic",
        "fin_ner_cls": "folder",
    }


def test_what_the_study_does_not_use_can_be_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "own/train.jsonl", '{"sentence": "a", "label": 1}')
    params = mixed(unused="leave", own={"backend": "folder", "repo": "own"})
    fetch_sources(tmp_path / "raw", params.fetch, params.sources())
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["filler", "fin_ner_cls", "fpb"]
    verify_raw(tmp_path / "raw", params.fetch, params.sources())
    assert "headline" in mixed().sources()  # all, unless it is said


def test_a_missing_file_of_an_own_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = mixed(own={"backend": "folder", "repo": "own"})
    with pytest.raises(SourceError, match="the folder lacks a file") as caught:
        fetch_sources(tmp_path / "raw", params.fetch, ["fin_ner_cls"])
    assert "cocktail new-task" in caught.value.fix


def test_new_keys_of_sources_are_absent_at_their_default() -> None:
    found = mixed().model_dump(mode="json", exclude_defaults=True)["fetch"]
    assert "unused" not in found
    assert not {"backend", "counts"} & found["sources"]["fpb"].keys()
