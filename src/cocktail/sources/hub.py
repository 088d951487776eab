"""Raw files from the Hugging Face Hub: named files at a pinned revision.

The library's own cache makes a broken download go on where it stopped, and its own rule finds the token
(``HF_TOKEN``, or ``hf auth login``). A source without a full pin is fetched at the commit that its branch
points to now; that commit goes into the receipt, to be pinned from then on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is re-exported
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cocktail.config import SourceConfig
from cocktail.errors import SourceError, near

PAGE = "https://huggingface.co/datasets/"


def resolve_commit(source: SourceConfig) -> str:
    """Return the commit that an unpinned source's revision (or default branch) points to now.

    Raises:
        SourceError: no network, no such repository or revision, or it is gated.
    """
    with _clear_errors(source, "its commit"):
        commit = HfApi().dataset_info(source.repo, revision=source.revision).sha
    if commit is None:
        raise SourceError("the Hub names no commit", where=PAGE + source.repo, fix="set its revision by hand")
    return commit


def remote_paths(source: SourceConfig, *, commit: str) -> dict[str, str]:
    """Return the path in the repository of every file of a source, by its local path.

    The repository's list of files is asked for only where a ``remote`` holds a ``*``.

    Raises:
        SourceError: no file matches, or several do; or the list cannot be had.
    """
    named = {file.path: file.remote or file.path for file in source.files}
    listed = list_files(source, commit=commit) if any("*" in name for name in named.values()) else []
    return {path: _match(source, name, listed) if "*" in name else name for path, name in named.items()}


def _match(source: SourceConfig, pattern: str, listed: list[str]) -> str:
    """Return the one listed file that matches; the ``*`` stays within one part of the path."""
    found = sorted(path for path in listed if PurePosixPath("/", path).match(f"/{pattern}"))
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} files of the repository match {pattern!r}: {', '.join(found)}"
    raise SourceError(
        several if found else f"no file of the repository matches {pattern!r}{near(pattern, listed)}",
        where=PAGE + source.repo,
        fix="correct `remote` under the source's files, so that one file matches",
    )


def copy_file(source: SourceConfig, path: str, target: Path, *, commit: str) -> None:
    """Fetch one file of a source at a commit and copy it to ``target``.

    Raises:
        SourceError: no network, no such repository, revision or file, or it is gated.
    """
    with _clear_errors(source, path):
        cached = hf_hub_download(source.repo, path, repo_type="dataset", revision=commit)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cached, target)


def list_files(source: SourceConfig, *, commit: str | None) -> list[str]:
    """Return the paths of all files of a source at a commit, or another revision.

    Raises:
        SourceError: no network, no such repository or revision, or it is gated.
    """
    with _clear_errors(source, "its list of files"):
        return HfApi().list_repo_files(source.repo, repo_type="dataset", revision=commit)


@contextmanager
def _clear_errors(source: SourceConfig, what: str) -> Iterator[None]:
    """Turn the library's errors into one message each, with what mends it."""
    try:
        yield
    except (EntryNotFoundError, HFValidationError, HTTPError, OfflineModeIsEnabled) as error:
        said, fix = _told(error, source, what)
        raise SourceError(said, where=PAGE + source.repo, fix=fix) from None


def _told(error: Exception, source: SourceConfig, what: str) -> tuple[str, str]:
    """What is wrong, and what mends it; of a class the first line that names it or one above it."""
    match error:
        case GatedRepoError():
            fix = "accept its terms on that page, then set HF_TOKEN or run `hf auth login`"
            return "the repository is gated", fix
        case RepositoryNotFoundError():
            fix = "check the source's repo, or set HF_TOKEN"
            return "the Hub knows no such data set, or it is private", fix
        case RevisionNotFoundError():
            fix = "set the source's revision to a commit of that page's history"
            return f"the repository has no revision {source.revision!r}", fix
        case EntryNotFoundError() if not isinstance(error, LocalEntryNotFoundError):
            nearest = near(what, list_files(source, commit=source.revision))
            return (
                f"the repository has no file {what!r}{nearest}",
                "correct the path under the source's files",
            )
        case HfHubHTTPError() | HFValidationError():
            return f"the Hub refuses {what}: {str(error).strip().splitlines()[0]}", ""
    # An HTTPError that is no HfHubHTTPError, no network wanted, or nothing in the cache: no answer at all.
    fix = "connect to the network and unset HF_HUB_OFFLINE, or use source=mirror or source=synthetic"
    return f"the Hub cannot be reached, and {what} is not in the local cache", fix
