"""Whether everything that is kept is as it was written: run store, DVC's cache, outputs, records.

DVC never looks at what it has cached, so a flipped bit there comes back as data. Every file is held against a
digest that was taken when it was written; what older versions wrote without one is read, and counted as such.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import track

from cocktail.errors import CocktailError, RecordError
from cocktail.files import dvc_lock
from cocktail.files.records import DIGESTS, check_listed, read_digested, read_json, read_table
from cocktail.files.room import cache_folder, outputs
from cocktail.files.store import fault_of, set_aside
from cocktail.inference.endpoint.replies import is_whole
from cocktail.runs.kept import read_kept
from cocktail.runs.plan import check_base

BROKEN = Path(".dvc/tmp/cocktail/broken")  # git and DVC ignore .dvc/tmp
NO_ENTRIES = ("broken", "checkpoints", "failed", "locks", "replies", "vllm")  # folders of the store
SHOWN = 20  # faults that are named


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        kind: what it is, in the table.
        fault: says what is wrong; nothing if nothing is.
        aside: puts it aside, so that the next command makes it again; None where only a person can mend it.
    """

    kind: str
    path: Path
    fault: Callable[[], str | None]
    aside: Callable[[], object] | None


def fsck(root: Path, store: Path, *, mend: bool) -> str:
    """Look at everything that is kept; return a table of what is sound.

    Args:
        root: the top of the repository.
        mend: put aside what is broken; nothing is deleted.

    Raises:
        RecordError: something is broken, and was not put aside.
    """
    checks = all_checks(root, store)
    console = Console(stderr=True)
    looked = track(checks, "fsck", console=console, disable=not console.is_terminal)
    broken = [(check, fault) for check in looked if (fault := check.fault())]
    total, wrong = (Counter(check.kind for check in these) for these in (checks, [one for one, _ in broken]))
    lines = [f"{check.path}: {fault}" for check, fault in broken[:SHOWN]]
    lines += [f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    lines += [f"{kind}: {total[kind] - wrong[kind]} of {total[kind]} sound" for kind in total]
    table = "\n".join(lines) or "nothing is kept"
    left = []
    for check, _ in broken:
        if mend and check.aside:
            check.aside()
        else:
            left.append(check)
    if left:
        fix = "git checkout -- reports" if all(one.aside is None for one in left) else "cocktail fsck --mend"
        raise RecordError(f"{len(left)} are not as they were written:\n{table}", fix=fix)
    return f"{table}\nput aside: the next `dvc repro` makes them again" if broken else table


def all_checks(root: Path, store: Path) -> list[Check]:
    """Return everything that is kept, to be looked at."""
    return [*_lock(root), *_store(store), *_cache(root), *_outputs(root), *_records(root)]


def _lock(root: Path) -> Iterator[Check]:
    path = root / dvc_lock.LOCK
    if path.is_file():
        mend = dvc_lock.mend if root == Path() else None
        yield Check("dvc.lock", path, partial(_lock_fault, path), mend)


def _lock_fault(path: Path) -> str:
    return "" if dvc_lock.is_whole(path.read_bytes()) else "not whole"


def _store(root: Path) -> Iterator[Check]:
    for entry in sorted(root.glob("*/??/*")):
        kind = entry.parents[1].name
        if kind not in NO_ENTRIES and entry.is_dir() and not entry.name.startswith("."):
            aside = partial(set_aside, root, entry, fault_of)
            yield Check(f"store: {kind}", entry, partial(fault_of, entry), aside)
    for path in sorted((root / "replies").glob("??/*.json")):
        if not path.name.startswith("."):
            aside = partial(set_aside, root, path, _reply_fault)
            yield Check("store: replies", path, partial(_reply_fault, path), aside)


def _reply_fault(path: Path) -> str:
    return "" if is_whole(path, path.stem[:64]) else "not as it came"


def _cache(root: Path) -> Iterator[Check]:
    folder = cache_folder(root) / "files/md5"
    for path in sorted(folder.glob("??/*")):
        if path.is_file() and not path.name.startswith("."):
            yield Check("DVC's cache", path, partial(_cache_fault, path), partial(_put_aside, root, path))


def _cache_fault(path: Path) -> str:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return "" if found == (path.parent.name + path.name).removesuffix(".dir") else "its md5 is not its name"


def _outputs(root: Path) -> Iterator[Check]:
    """The outputs of the stages, as they lie in the work tree; of a broken file the whole output goes."""
    config = root / "dvc.yaml"
    stages = yaml.safe_load(config.read_text(encoding="utf-8"))["stages"] if config.is_file() else {}
    for pattern in (out.as_posix() for stage in stages.values() for out in outputs(stage, "*")):
        for out in sorted(root.glob(pattern)):
            old = out.is_dir() and not (any(out.rglob(DIGESTS)) or _is_base(out))
            kind = "outputs of an older version, without digests" if old else "outputs"
            yield Check(kind, out, partial(_output_fault, out), partial(_put_aside, root, out))


def _is_base(out: Path) -> bool:
    """Whether an output is a base model, which lists its own digests; runs have no list beside theirs."""
    return (out / "base.json").is_file() and not (out / "index.json").is_file()


def _output_fault(out: Path) -> str:
    try:
        if out.is_file():
            read_digested(out)
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            check_listed(path)
        for listing in sorted(out.rglob(DIGESTS)):
            if missing := [name for name in read_json(listing) if not listing.with_name(name).is_file()]:
                return f"{listing.with_name(missing[0])} is listed, but not there"
        if _is_base(out):
            check_base(out)
    except CocktailError as error:
        return f"{error.what} ({error.where})"
    except (LookupError, TypeError, AttributeError):  # JSON, but not what was written
        return "a receipt is none"
    return ""


def _records(root: Path) -> Iterator[Check]:
    """Records are in git, which has their digests; the names of kept runs have their own."""
    studies = root / "reports/studies"
    for path in sorted(studies.rglob("*")):
        kept = "runs" in path.relative_to(studies).parts
        readers = {".json": read_json, ".parquet": read_kept if kept else read_table}
        if read := readers.get(path.suffix):
            yield Check("kept runs" if kept else "records", path, partial(_record_fault, path, read), None)


def _record_fault(path: Path, read: Callable[[Path], object]) -> str:
    try:
        read(path)
    except CocktailError as error:
        return error.what
    except (LookupError, TypeError, AttributeError):  # JSON, but not what was written
        return "not what was written"
    return ""


def _put_aside(root: Path, path: Path) -> None:
    """Move a file or folder out of the way; nothing is deleted."""
    if path.exists():
        aside = root / BROKEN / f"{path.name}-{secrets.token_hex(4)}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
