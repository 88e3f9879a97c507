"""What the people who made a model say of it: display names of its labels, and Markdown for its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twinlens.errors import TwinlensError


def display_names(labels: list[str], path: Path | None) -> dict[str, dict[str, str]]:
    """Display names by label and language; a label's own name where the file has none.

    :param path: JSON file of an object of names by language, by label.
    :raises TwinlensError: ``invalid_arguments`` if the file cannot be used.
    """
    given: Any = {}
    if path is not None:
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TwinlensError("invalid_arguments", f"The display names in {path} cannot be read: {error}.") from None
    ok = isinstance(given, dict) and all(
        isinstance(names, dict) and all(isinstance(name, str) and name for name in names.values())
        for names in given.values()
    )
    unknown = sorted(given.keys() - set(labels)) if ok else []
    if not ok or unknown:
        raise TwinlensError(
            "invalid_arguments",
            f"{path} must hold an object of display names by label and language"
            + (f", but {unknown[0]!r} is no label of this model." if unknown else ': {"hat": {"en": "hat"}}.'),
        )
    return {label: {"en": label, **given.get(label, {})} for label in labels}


def about_model(path: Path | None) -> str:
    """Markdown for the model card; empty where there is no file.

    :raises TwinlensError: ``invalid_arguments`` if the file cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TwinlensError("invalid_arguments", f"{path} cannot be read as UTF-8 text: {error}.") from None
