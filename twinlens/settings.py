"""Every setting of the server and the command line, in one table, read from the environment.

README's table is :func:`table`. A value is cast strictly; the error for a bad one names it, says
what was found and what would do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import twinlens
from twinlens.decode import Limits
from twinlens.errors import TwinlensError

PREFIX: Final = "TWINLENS_"
_DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_TOKEN_CHARACTERS: Final = 16
ROOT: Final = Path(twinlens.__file__).resolve().parent.parent
"""The folder that holds this package, ``service.py``, the models and the page: a checkout, or ``src`` of a bento."""


@dataclass(frozen=True)
class Setting:
    """How one setting is read and explained."""

    cast: Callable[[str], Any]
    kind: str
    help: str
    secret: bool = False
    """Whether the value, or a part of it, is nobody's to see: it stands in no error and in no ``repr``."""


def _whole(low: int, high: int) -> tuple[Callable[[str], int], str]:
    def cast(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return cast, f"whole number, {low} to {high}"


def _number(low: float, high: float) -> tuple[Callable[[str], float], str]:
    def cast(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError
        return float(text)

    return cast, f"number, {low:g} to {high:g}"


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _folder(text: str) -> Path:
    return Path(_text(text))


def _database(text: str) -> str:
    """An SQLite file is taken from the working directory, as folders are, and named in full from here on."""
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest in ("/", "/:memory:") or set("?#\0") & set(rest):
            raise ValueError
        return f"sqlite:///{Path(rest[1:]).absolute()}"
    if text and (scheme not in ("postgresql+psycopg", "postgresql", "postgres") or not rest):
        raise ValueError
    return f"postgresql+psycopg://{rest}" if text else ""


def _place(text: str) -> str:
    return text if "://" in text or not text else str(_folder(text).absolute())


def _token(text: str) -> str:
    if text and (len(text) < _TOKEN_CHARACTERS or not text.isascii() or not text.isprintable() or " " in text):
        raise ValueError
    return text


def _name(text: str) -> str:
    if not text or text != Path(text).name or text.startswith("."):
        raise ValueError
    return text


def _setting(default: Any, reading: tuple[Callable[[str], Any], str], explanation: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"setting": Setting(*reading, explanation, secret)})


@dataclass(frozen=True)
class Settings:
    """The values in force. Field ``max_body_mib`` is the environment variable ``TWINLENS_MAX_BODY_MIB``, and so on.

    A default folder is taken from :data:`ROOT`, a folder that was set from the working directory.
    """

    models: Path = _setting(Path("bentos"), (_folder, "folder"), "Folder that holds the models, one folder each.")
    model: str = _setting("clothing", (_name, "name of a folder"), "Name of the model in use.")
    page: Path = _setting(Path("web/dist"), (_folder, "folder"), "Folder of the built page.")
    index: Path | None = _setting(
        None, (_folder, "folder"), "Folder of the index that POST /v1/similar answers from; it is off without one."
    )
    host: str = _setting("127.0.0.1", (_text, "address"), "Address that `twinlens serve` listens on.")
    port: int = _setting(3000, _whole(1, 65535), "Port that `twinlens serve` listens on.")
    max_body_mib: float = _setting(32.0, _number(0.001, 4096), "Largest request body, in MiB.")
    max_jpeg_megapixels: float = _setting(
        120.0, _number(0.001, 4000), "Largest JPEG, in megapixels; large ones are decoded at a smaller scale."
    )
    max_megapixels: float = _setting(50.0, _number(0.001, 4000), "Largest image of another format, in megapixels.")
    threads: int = _setting(
        0, _whole(0, 1024), "Threads of all inferences together; 0: as many as the cores allowed to the process."
    )
    batches: int = _setting(
        0,
        _whole(0, 1024),
        "Inferences at the same time under load, which share the threads; 0: 4, or as many as there are "
        "threads; 1 holds the weights once instead of twice.",
    )
    decode_threads: int = _setting(
        0, _whole(0, 1024), "Images decoded at the same time; 0: as many as the cores allowed to the process."
    )
    batching: bool = _setting(True, (_flag, "true or false"), "Whether requests are batched around the inference.")
    # More images at once cost a CPU more each, since what a layer leaves for the next no longer stays in its cache:
    # with mobilenet_v2 eight took 13 % more than one, three 1 %.
    max_batch_size: int = _setting(3, _whole(1, 1024), "Largest number of images in one inference.")
    max_waiting: int = _setting(
        0,
        _whole(0, 1_000_000),
        "Photos in hand at once, waiting ones included, above which more are answered 429; 0: 80 for each decoding "
        "thread.",
    )
    max_waiting_mib: float = _setting(
        512.0, _number(0.001, 1_048_576), "The same for their files together, in MiB; one photo is always taken."
    )
    max_arriving_mib: float = _setting(
        0.0,
        _number(0, 1_048_576),
        "The same for the bodies that are still arriving, in MiB; 0: as TWINLENS_MAX_WAITING_MIB.",
    )
    timeout_s: float = _setting(
        30.0, _number(0.1, 3600), "Longest wait for an answer to begin, in seconds; what still waits then is dropped."
    )
    keep_alive_s: int = _setting(
        75,
        _whole(1, 3600),
        "Seconds for which a connection waits for its next request; longer than a proxy before the server keeps it.",
    )
    drain_s: float = _setting(
        5.0, _number(0, 3600), "After SIGTERM, seconds in which connections are still taken while /readyz fails."
    )
    grace_s: int = _setting(
        20, _whole(1, 3600), "After the drain, seconds that requests in hand may still take; then the process ends."
    )
    log_format: str = _setting(
        "text", (_log_format, "text or json"), "How the log is written; json: one object a line."
    )
    access_log: bool = _setting(
        False, (_flag, "true or false"), "Whether every answered request is logged, probes aside."
    )
    feedback: str = _setting(
        "",
        (_database, "sqlite:///PATH or postgresql+psycopg://…, or empty"),
        "Database of what visitors say of answers; empty: the server takes no feedback. See docs/feedback.md.",
        secret=True,
    )
    feedback_photos: str = _setting(
        "",
        (_place, "folder, or an address that fsspec knows, or empty"),
        "Where the photos of feedback lie; empty: in a folder beside the SQLite database.",
        secret=True,
    )
    feedback_per_minute: int = _setting(
        30, _whole(1, 100_000), "Feedback of one client within a minute, above which more is answered 429."
    )
    feedback_per_day: int = _setting(
        200, _whole(1, 1_000_000), "Photos with feedback of one client within a day, above which more are answered 429."
    )
    feedback_mib_per_day: float = _setting(100.0, _number(0.001, 1_048_576), "The same in MiB, as they are kept.")
    feedback_max_mib: float = _setting(
        1024.0, _number(0.001, 1_048_576), "Photos of feedback together, in MiB, above which more are answered 507."
    )
    feedback_keep_days: int = _setting(
        30,
        _whole(0, 36_500),
        "Days for which a photo of feedback is kept once it was decided on; 0: none, and the decision stands.",
    )
    feedback_token: str = _setting(
        "",
        (_token, f"at least {_TOKEN_CHARACTERS} characters of ASCII without spaces, or empty"),
        "Token with which feedback is read and decided on over HTTP; empty: it is not.",
        secret=True,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        :param environment: variables to read; the process's own by default.
        :raises TwinlensError: ``invalid_setting`` naming the first variable that cannot be used, or that begins
            with ``TWINLENS_`` and is no setting (a misspelt name must not be ignored).
        """
        environment = os.environ if environment is None else environment
        known = {variable(entry.name): entry for entry in fields(cls)}
        for name in sorted(environment):
            if name.startswith(PREFIX) and name not in known:
                raise TwinlensError(
                    "invalid_setting", f"{name} is no setting. The settings are: {', '.join(sorted(known))}."
                )
        values: dict[str, Any] = {}
        for name, entry in known.items():
            if isinstance(entry.default, Path):
                values[entry.name] = ROOT / entry.default
            if name in environment:
                setting: Setting = entry.metadata["setting"]
                try:
                    values[entry.name] = setting.cast(environment[name])
                except (ValueError, KeyError):
                    found = "cannot be used" if setting.secret else f"is {environment[name]!r}"
                    raise TwinlensError("invalid_setting", f"{name} {found}; it must be: {setting.kind}.") from None
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """The variables that give these settings to another process, whatever folder it works in."""
        values = {variable(entry.name): getattr(self, entry.name) for entry in fields(self)}
        return {name: _as_text(value) for name, value in values.items() if value is not None}

    @property
    def model_folder(self) -> Path:
        """The folder of the model in use, ``MODELS/NAME``."""
        return self.models / self.model

    @property
    def limits(self) -> Limits:
        """The largest images that are decoded."""
        return Limits(round(self.max_jpeg_megapixels * 1e6), round(self.max_megapixels * 1e6))

    @property
    def max_body_bytes(self) -> int:
        """The largest request body, in bytes."""
        return int(self.max_body_mib * 2**20)

    @property
    def max_arriving_bytes(self) -> float:
        """How much of the bodies that are still arriving is held at most, all together, in bytes."""
        return (self.max_arriving_mib or self.max_waiting_mib) * 2**20


def variable(name: str) -> str:
    """The environment variable of a setting's field."""
    return PREFIX + name.upper()


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.absolute()) if isinstance(value, Path) else str(value)


def table() -> str:
    """The settings as a Markdown table: name, type, default, what it is for."""
    rows = ["| Variable | Type | Default | What it is for |", "| --- | --- | --- | --- |"]
    for entry in fields(Settings):
        setting: Setting = entry.metadata["setting"]
        default = entry.default if isinstance(entry.default, Path) else _as_text(entry.default)
        shown = "none" if entry.default is None else f"`{default}`" if default else "empty"
        rows.append(f"| `{variable(entry.name)}` | {setting.kind} | {shown} | {setting.help} |")
    return "\n".join(rows)
