"""``twinlens models`` and ``twinlens rollback``: what versions there are, and going back to one of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twinlens import golden, publishing
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.settings import Settings
from twinlens.store import CONTRACT, CURRENT, check_version_name, current_version, open_version

EVALUATION: Final = "evaluation.json"
_DIGEST_SHOWN: Final = 12


def models(settings: Settings, name: str | None, *, as_json: bool) -> int:
    """List models with their versions on standard output.

    :param name: of one model; ``None`` for all.
    :param as_json: one JSON object a version and line.
    :return: the exit status: 1 if a version cannot be used, else 0.
    :raises TwinlensError: ``model_not_found`` if there is no such model, or none at all; ``invalid_model`` if the log
        of publications is damaged.
    """
    names = [name] if name is not None else _names(settings.models)
    found = {each: versions(settings.models / each) for each in names}
    if as_json:
        lines = [json.dumps({"model": each, **row}, ensure_ascii=False) for each, rows in found.items() for row in rows]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    else:
        sys.stdout.write("\n\n".join(table(each, rows) for each, rows in found.items()) + "\n")
    sys.stdout.flush()
    return int(any(row["broken"] for rows in found.values() for row in rows))


def rollback(settings: Settings, version: str | None, who: str | None) -> int:
    """Make an earlier version the one in use.

    :param version: which; by default what the one in use has replaced.
    :param who: recorded as whose doing it is; whoever is logged in by default.
    :return: the exit status.
    :raises TwinlensError: ``no_earlier_version``; ``model_not_found``, ``invalid_contract`` or ``invalid_model`` if the
        version is not there, or not whole; ``invalid_arguments`` for what is no name.
    """
    model, publisher = settings.model_folder, publishing.publisher(who)
    current_version(model)  # a folder that is none is an error, and no place for a lock
    with publishing.changing(model):
        before = current_version(model)
        wanted = publishing.earlier_version(model) if version is None else check_version_name(version)
        if wanted == before:
            sys.stdout.write(f"{model.name}: {wanted} is in use already\n")
            return 0
        golden.check_whole(Network(open_version(model / wanted), settings.threads))
        publishing.put_in_use(model, wanted, publisher, "rollback")
    sys.stdout.write(f"{model.name}: {wanted} is in use, no longer {before}\n")
    return 0


def versions(model: Path) -> list[dict[str, Any]]:
    """What is known of each version of a model, the last one published first, those of which that is not known last.

    :param model: the model's folder.
    :return: ``version``, ``in_use``, ``digest``, ``test`` and ``validation`` (``top1`` and ``n``, or ``None``),
        ``bytes`` of the files, ``published`` (the first time: ``time``, ``who``, or ``None``), ``put_in_use`` (the last
        time, with its ``action``), and ``broken``: why it cannot be used, or ``None``.
    :raises TwinlensError: as :func:`models` does.
    """
    now = current_version(model)
    log = publishing.history(model)
    rows = []
    for name in sorted({*publishing.versions(model), now}):
        of_version = [entry for entry in log if entry.version == name]
        first = next((entry for entry in of_version if entry.action == "publish"), None)
        rows.append(
            {
                "version": name,
                "in_use": name == now,
                **_opened(model / name),
                "published": first and {"time": first.time, "who": first.who},
                "put_in_use": of_version[-1].model_dump(include={"time", "who", "action"}) if of_version else None,
            }
        )
    return sorted(rows, key=lambda row: (row["published"] or {"time": ""})["time"], reverse=True)


def table(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A model's versions as text, the one in use marked with a star."""
    lines = [("", name, "test", "photos", "size", "digest", "published", "by")]
    for row in rows:
        test, published = row["test"], row["published"] or {"time": "", "who": ""}
        lines.append(
            (
                "*" if row["in_use"] else "",
                row["version"],
                f"{test['top1']:.4f}" if test else "-",
                str(test["n"]) if test else "-",
                f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] is not None else "-",
                row["digest"][:_DIGEST_SHOWN] if row["digest"] else "-",
                published["time"] or "-",
                published["who"] or "-",
            )
        )
    wide = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)).rstrip() for line in lines]
    return "\n".join(text + [f"{row['version']} cannot be used: {row['broken']}" for row in rows if row["broken"]])


def _names(folder: Path) -> list[str]:
    found = sorted(entry.parent.name for entry in folder.glob(f"*/{CURRENT}"))
    if not found:
        raise TwinlensError("model_not_found", f"{folder} holds no models. Say where they are: --models FOLDER")
    return found


def _opened(path: Path) -> dict[str, Any]:
    """What a version's own files say; what they hold is not read, only whether it is there."""
    nothing = {"digest": None, "test": None, "validation": None, "bytes": None}
    try:
        version = open_version(path)
    except TwinlensError as error:
        return {**nothing, "broken": error.detail}
    files = version.contract.files
    wrong = [each.path for each in files if not _has_bytes(path / each.path, each.bytes)]
    size = sum(each.bytes for each in files) + (path / CONTRACT).stat().st_size
    broken = f"{path / wrong[0]} is missing or cut off." if wrong else None
    return {"digest": version.digest, **_figures(path / EVALUATION), "bytes": size, "broken": broken}


def _has_bytes(path: Path, count: int) -> bool:
    return path.is_file() and path.stat().st_size == count


def _figures(path: Path) -> dict[str, Any]:
    """Accuracy by split; a version that was made elsewhere need not have any."""
    try:
        evaluation = json.loads(path.read_bytes())
        return {
            split: {"top1": float(evaluation[split]["top1"]), "n": int(evaluation[split]["n"])}
            for split in ("test", "validation")
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {"test": None, "validation": None}
