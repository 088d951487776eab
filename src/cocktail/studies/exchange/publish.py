"""``cocktail publish``: a run on the Hub, as adapter or weights with its card, scores and receipt.

A thin layer over huggingface_hub. What would be uploaded is laid out first and shown; only ``--yes`` uploads.
The token comes from ``HF_TOKEN`` alone: one that somebody once logged in with is not taken for this. No text
of a data set goes along, and no path of this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cocktail.config import Params
from cocktail.errors import CocktailError, first_line
from cocktail.files.records import UNCHECKED, write_json
from cocktail.files.store import Store, store_root
from cocktail.report.cards import make_cards
from cocktail.report.run_facts import RunFacts

TOKEN = "HF_TOKEN"
LOCAL_PATHS = {"adapter_config.json": "base_model_name_or_path", "config.json": "_name_or_path"}
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "chat_template*", "vocab*", "merges.txt")


@dataclass(frozen=True)
class Upload:
    """A folder as it would be uploaded.

    Attributes:
        warnings: what a person should know before others see it.
    """

    folder: Path
    repo: str
    warnings: tuple[str, ...]

    def files(self) -> dict[str, int]:
        """The size of each file, by its path in the repository."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in found}

    def shown(self) -> str:
        """What the command prints before it uploads, or in place of that."""
        lines = [f"{self.repo}, {len(self.files())} files:"]
        lines += [f"  {size:>12,}  {name}" for name, size in self.files().items()]
        return "\n".join([*lines, *(f"note: {warning}" for warning in self.warnings)])


def lay_out_run(
    root: Path, facts: RunFacts, out: Path, *, repo: str, params: Params, changed: Sequence[str]
) -> Upload:
    """Put everything that a run is published with into the empty folder ``out``.

    Args:
        root: of the study, with its outputs.
        repo: ORG/NAME on the Hub.
        changed: where params depart from the study that they name.

    Raises:
        CocktailError: ``repo`` is no name of a repository, nothing was tuned, or the weights are not kept.
    """
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo):
        raise CocktailError(f"{repo!r} is no repository of the Hub", where="--to", fix="--to ORG/NAME")
    if not facts.trained:
        raise CocktailError(f"nothing was tuned in run {facts.run}: there are no weights to publish")
    kept = Store(store_root()).have("tuned", facts.receipt["training_key"])
    if kept is None:
        raise CocktailError(
            f"the weights of run {facts.run} are not kept",
            where=str(store_root() / "tuned"),
            fix="execute.keep_weights=all, and train it again: take its training out of the store first",
        )
    names = [path for path in kept.iterdir() if path.is_file() and path.name not in UNCHECKED]
    base = root / "artifacts/base" / facts.model
    for path in [*(one for pattern in TOKENIZER for one in base.glob(pattern)), *names]:
        shutil.copyfile(path, out / path.name)
    for name, key in LOCAL_PATHS.items():
        _without_path(out / name, key, facts.config.repo or facts.model)
    cards = make_cards(facts, params=params, changed=changed)
    (out / "README.md").write_text(cards["model"], encoding="utf-8")
    (out / "TRAINING_DATA.md").write_text(cards["dataset"], encoding="utf-8")
    write_json(out / "receipt.json", dict(facts.receipt))
    scores = facts.scores.to_dict("records")
    write_json(out / "eval_results.json", {"study": params.study.name, "run": facts.run, "test": scores})
    return Upload(out, repo, tuple(_warnings(facts)))


def _without_path(path: Path, key: str, name: str) -> None:
    """Name the base in place of the folder of this machine that libraries write there."""
    if path.is_file() and key in (settings := json.loads(path.read_text(encoding="utf-8"))):
        write_json(path, {**settings, key: name})


def _warnings(facts: RunFacts) -> Iterator[str]:
    if limited := [source.name for source in facts.sources if source.non_commercial]:
        yield f"not for commercial use, says the licence of {', '.join(limited)}"
    if facts.config.licence:
        yield f"the base's licence holds for it, too: {facts.config.licence}"
    if facts.receipt["config"].get("method") != "full" and facts.config.kind == "scratch":
        yield f"an adapter of {facts.model}, which is on no Hub: nobody else can load it"


def publish(upload: Upload, *, public: bool, endpoint: str | None = None) -> str:
    """Make the repository where it is missing, upload in one commit, and return its address.

    Args:
        public: others may see it; a repository that is there stays as it is.
        endpoint: of the Hub; default: huggingface_hub's own (``HF_ENDPOINT``).

    Raises:
        CocktailError: no token, no permission, no network, or the Hub refuses.
    """
    from huggingface_hub import HfApi

    token = os.environ.get(TOKEN, "").strip()
    if not token:
        fix = f"export {TOKEN}=… with the right to write to {upload.repo.partition('/')[0]}"
        raise CocktailError("no token for the Hub", where=TOKEN, fix=fix)
    api = HfApi(endpoint=endpoint, token=token, library_name="cocktail")
    with _clear_errors(upload.repo, token):
        api.create_repo(upload.repo, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=upload.repo, folder_path=upload.folder, commit_message="A run of Cocktail"
        )
    return str(done.commit_url)


@contextmanager
def _clear_errors(repo: str, token: str) -> Iterator[None]:
    """Turn the library's errors into one message each, without the token; nothing is half published.

    The upload is one commit: what was refused has left the repository as it was.
    """
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is re-exported
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        OfflineModeIsEnabled,
    )

    cures: Mapping[int, tuple[str, str]] = {
        401: ("the Hub does not know this token", f"a new {TOKEN}, with the right to write"),
        403: (f"this token may not write to {repo}", "ask its owner, or --to another organisation"),
        404: ("the Hub knows no such place, or this token may not see it", "check --to and the token"),
    }
    try:
        yield
    except OfflineModeIsEnabled:
        raise CocktailError("the Hub is switched off here", where="HF_HUB_OFFLINE", fix="unset it") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        told = first_line(error).replace(token, "[token]")
        what, fix = cures.get(status, (f"the Hub refuses: {told}", "the same command again, later"))
        raise CocktailError(what, where=repo, fix=fix) from None
    except HFValidationError as error:
        raise CocktailError(f"no name for a repository: {first_line(error)}", where=repo) from None
    except (HTTPError, OSError) as error:
        told = first_line(error).replace(token, "[token]")
        raise CocktailError(
            f"the Hub cannot be reached ({told})", where=repo, fix="connect, then the same command"
        ) from None
