"""The Parquet file of a bulk job: its columns, and the parts that it is put together from."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from twinlens.bulk.work import Done
from twinlens.contract import Contract
from twinlens.errors import TwinlensError
from twinlens.extras import need
from twinlens.folders import readable
from twinlens.inference import top
from twinlens.store import ModelVersion

METADATA: Final = b"twinlens"
"""Key of the file's metadata: JSON with the model's name, version and digest, and ``top_k``."""
_COMPRESSION: Final = "zstd"
_ROW_GROUP: Final = 65_536


def schema(version: ModelVersion, top_k: int) -> Any:
    """The columns, a ``pyarrow.Schema``.

    ``file`` is always there. ``sha256`` is null where the file could not be read; ``label``, ``score``, ``sure`` and
    ``predictions`` are null where there is no answer, and ``code`` and ``detail`` where there is one.
    """
    pa = need("pyarrow")
    model = version.contract.model
    about = {"model": {"name": model.name, "version": model.version, "digest": version.digest}, "top_k": top_k}
    scored = pa.struct([("label", pa.string()), ("score", pa.float64())])
    fields = [
        pa.field("file", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("label", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("sure", pa.bool_()),
        pa.field("predictions", pa.list_(scored)),
        pa.field("code", pa.string()),
        pa.field("detail", pa.string()),
    ]
    return pa.schema(fields, metadata={METADATA: json.dumps(about).encode()})


def row(done: Done, contract: Contract, top_k: int) -> dict[str, Any]:
    """What became of one file as a row: the best label with its score, whether that is sure, and the best few."""
    found: dict[str, Any] = {"file": readable(done.file), "sha256": done.sha256}
    if done.scores is None:
        error = done.error or TwinlensError("internal", "Nothing was answered. Please report this.")
        nothing = dict.fromkeys(("label", "score", "sure", "predictions"))
        return {**found, **nothing, "code": error.code, "detail": error.detail}
    best = top(done.scores, contract.label_names, top_k)
    return {
        **found,
        "label": best[0].label,
        "score": best[0].score,
        "sure": best[0].score >= contract.not_sure.threshold,
        "predictions": [{"label": each.label, "score": each.score} for each in best],
        "code": None,
        "detail": None,
    }


def encode(rows: Sequence[dict[str, Any]], columns: Any) -> bytes:
    """Rows as the bytes of a Parquet file.

    :param columns: what :func:`schema` gives.
    """
    pa, parquet = need("pyarrow"), need("pyarrow.parquet")
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=columns), buffer, compression=_COMPRESSION)
    return buffer.getvalue()


def count(part: Path, columns: Any) -> tuple[int, int] | None:
    """How many rows a part has, and how many are errors; nothing where it is absent, damaged or of other columns.

    :param columns: what :func:`schema` gives.
    """
    try:
        found = _read(part)
    except (OSError, ValueError):  # ArrowInvalid is a ValueError
        return None
    # Parquet has a name of its own for what is in a list, so that the types are not the very same.
    if found.column_names != columns.names or (found.schema.metadata or {}).get(METADATA) != columns.metadata[METADATA]:
        return None
    return found.num_rows, found.num_rows - found.column("code").null_count


def join(parts: Sequence[Path], columns: Any, out: Path) -> None:
    """Write the rows of all parts as one file, which is there whole or not at all.

    :param columns: what :func:`schema` gives.
    """
    parquet = need("pyarrow.parquet")
    with _replacing(out) as temporary, parquet.ParquetWriter(temporary, columns, compression=_COMPRESSION) as writer:
        held: list[Any] = []
        for part in parts:
            held.append(_read(part))
            if sum(table.num_rows for table in held) >= _ROW_GROUP:
                _write(writer, held)
                held = []
        if held:
            _write(writer, held)


def _read(part: Path) -> Any:
    """A part as a table; by itself, since a dataset would look for columns in its path."""
    return need("pyarrow.parquet").ParquetFile(part).read()


def _write(writer: Any, tables: Sequence[Any]) -> None:
    writer.write_table(need("pyarrow").concat_tables(tables), row_group_size=_ROW_GROUP)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside another one, that takes its place when the block has written it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
