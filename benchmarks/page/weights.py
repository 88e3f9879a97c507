"""The smallest weights of each peer that keep the accuracy, by the rule that our own were chosen by.

At most three photos fewer right than float32 over validation and test together (docs/decisions/006). Of a peer's
candidates the smallest is tried first, and the accuracy of those that are larger than the chosen one is not looked at.
All are counted on the contract's own pixels: what a page's resize costs is another matter than what its weights cost.

Without photos, what was chosen for the same model before is made again (``weights.json``, written by a whole run with
photos).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.page import graphs, lite
from benchmarks.page.place import place
from benchmarks.page.plan import PEERS
from training.data import Sample, open_dataset
from training.progress import bar
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion, write_atomically

RECORD: Final = Path(__file__).with_name("weights.json")
FEWER: Final = 3
"""How many photos fewer than float32 may be right."""
_ONNX: Final = ("onnxruntime_web", "transformers_js")
_LITE: Final = ("litert_js",)
_CALIBRATED_ON: Final = 100
_SPLITS: Final = ("validation", "test")
_NEED_PHOTOS: Final = ("static int8", "integer_quant")
_NOT_TO_BE_HAD: Final = ("unsupported_operation", "missing_requirement")
"""Errors that leave a peer out, with the reason: its weights cannot be made of this network, or on this machine."""


class Counted(NamedTuple):
    """Photos as the network is given them, float32 of shape (N, 3, height, width), and the index of their labels.

    ``calibration`` are some of the training photos.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    calibration: NDArray[np.float32]


class Files(Protocol):
    """Candidates for the weights of a peer: :class:`benchmarks.page.graphs.Files` for example."""

    def candidates(self, calibration: NDArray[np.float32] | None, only: str | None = None) -> dict[str, bytes]:
        """The files by name: all of them, or the one that is named; some need images to be calibrated on."""

    def answers(self, data: bytes, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """The index of the best label of each image."""


def choose(
    candidates: Mapping[str, bytes], right: Callable[[bytes], int], least: int
) -> tuple[str | None, list[dict[str, Any]]]:
    """The smallest candidate that has enough photos right.

    :param candidates: files by name.
    :param right: counts the photos that a file answers rightly.
    :param least: how many are enough.
    :return: its name, None if there is none; and a row for each candidate, the smallest first: ``weights``, ``bytes``
        and ``right``, which is None for those that were not tried.
    """
    chosen = None
    rows: list[dict[str, Any]] = []
    for name, data in sorted(candidates.items(), key=lambda item: len(item[1])):
        count = None if chosen else right(data)
        rows.append({"weights": name, "bytes": len(data), "right": count})
        if count is not None and count >= least:
            chosen = name
    return chosen, rows


def prepare(
    classifier: Classifier, peers: Sequence[str], photos: Path | None, folder: Path, cache: Path | None
) -> dict[str, dict[str, Any]]:
    """Write what the peers' pages load.

    :param peers: their names.
    :param photos: a data set as training takes it; None: what was chosen before is made again.
    :param folder: gets one folder for each peer.
    :param cache: folder of the official route's environment.
    :return: for each peer ``chosen``, ``bytes``, ``candidates`` (rows of :func:`choose`), ``right_float32`` and
        ``photos``, and without photos the ``command`` that chose; or ``not_measured``: why it has no weights.
    :raises TwinlensError: ``invalid_data`` if the photos are no data set of the model's labels, or, without photos, if
        nothing was chosen for this model yet or the weights have to be calibrated.
    """
    version = classifier.version
    counted = None if photos is None else read(classifier, photos)
    known = {} if counted else _recorded(version)
    onnx_files = graphs.Files(version)
    float32 = None if counted is None else _right(onnx_files, onnx_files.float32.SerializeToString(), counted)
    found: dict[str, dict[str, Any]] = {}
    kinds: tuple[tuple[Sequence[str], Files], ...] = (
        (_ONNX, onnx_files),
        (_LITE, lite.Files(onnx_files.float32, cache)),
    )
    for names, files in kinds:
        wanted = [name for name in names if name in peers]
        if not wanted:
            continue
        try:
            if counted is None or float32 is None:
                name, data, facts = _made_again(files, known[wanted[0]])
            else:
                name, data, facts = _chosen(files, counted, float32)
        except TwinlensError as error:
            if error.code not in _NOT_TO_BE_HAD:
                raise
            found |= {peer: {"not_measured": error.detail} for peer in wanted}
            continue
        for peer in wanted:
            place(peer, folder / peer, name, data, version.contract)
            found[peer] = facts
    return {peer: found[peer] for peer in PEERS if peer in found}


def read(classifier: Classifier, photos: Path) -> Counted:
    """Read what is counted on.

    :raises TwinlensError: ``invalid_data`` if the folder is no data set, or one of other labels than the model's.
    """
    data, contract = open_dataset(photos), classifier.contract
    if data.labels != contract.label_names:
        raise TwinlensError(
            "invalid_data",
            f"{photos} has the labels {', '.join(data.labels)}, and the model {', '.join(contract.label_names)}.",
        )
    samples = [sample for split in _SPLITS for sample in data.splits[split]]
    train = data.splits["train"]
    calibration = train[:: max(len(train) // _CALIBRATED_ON, 1)][:_CALIBRATED_ON]
    with bar(len(samples) + len(calibration), "Reading photos") as progress:

        def images(chosen: Sequence[Sample]) -> NDArray[np.float32]:
            pixels = []
            for sample in chosen:
                pixels.append(classifier.pixels(classifier.read_header(sample.path.read_bytes())))
                progress.update()
            return graphs.images_of(np.stack(pixels), contract)

        return Counted(images(samples), np.array([sample.label for sample in samples]), images(calibration))


def record(
    found: Mapping[str, Mapping[str, Any]], version: ModelVersion, command: str, path: Path | None = None
) -> None:
    """Keep what was chosen with photos for runs without.

    :param found: what :func:`prepare` gives.
    :param command: the one that chose.
    :param path: :data:`RECORD` by default.
    """
    content = {"model": version.digest, "command": command, "peers": found}
    write_atomically(path or RECORD, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())


def _recorded(version: ModelVersion) -> dict[str, dict[str, Any]]:
    content: dict[str, Any] = json.loads(RECORD.read_bytes()) if RECORD.is_file() else {"model": None}
    if content["model"] != version.digest:
        raise TwinlensError(
            "invalid_data",
            f"Which weights of the peers keep the accuracy of the model {version.path.name} is not known yet. "
            "Run: make bench-page PHOTOS=folder",
        )
    return {peer: facts | {"command": content["command"]} for peer, facts in content["peers"].items()}


def _chosen(files: Files, counted: Counted, float32: int) -> tuple[str, bytes, dict[str, Any]]:
    candidates = files.candidates(counted.calibration)
    name, rows = choose(candidates, lambda data: _right(files, data, counted), float32 - FEWER)
    if name is None:
        raise TwinlensError(
            "unsupported_operation", f"None of its weights has at most {FEWER} photos fewer right than float32."
        )
    facts = {"chosen": name, "bytes": len(candidates[name]), "candidates": rows}
    return name, candidates[name], facts | {"right_float32": float32, "photos": len(counted.labels)}


def _made_again(files: Files, known: Mapping[str, Any]) -> tuple[str, bytes, dict[str, Any]]:
    if "not_measured" in known:
        raise TwinlensError("unsupported_operation", known["not_measured"])
    name = known["chosen"]
    if name in _NEED_PHOTOS:
        raise TwinlensError(
            "invalid_data", f"The weights {name!r} are calibrated on photos. Run: make bench-page PHOTOS=folder"
        )
    data = files.candidates(None, name)[name]
    # Another version of what makes them may make other bytes.
    return name, data, dict(known) | {"bytes": len(data)}


def _right(files: Files, data: bytes, counted: Counted) -> int:
    return int((files.answers(data, counted.images) == counted.labels).sum())
