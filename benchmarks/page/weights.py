"""The smallest weights of each peer that keep the accuracy, by the rule that our own were chosen by.

At most three photos fewer right than float32 over validation and test together (issue 3; docs/decisions/006). Of each
peer's candidates the smallest is tried first, so that the others' accuracy is not known, nor needed. All are counted on
the contract's own pixels: what a page's resize costs is another matter than what its weights cost.

Without photos, what was found for the same model before is used (``weights.json``, which a run with photos writes).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.page import graphs, lite
from benchmarks.page.plan import PEERS
from training.data import Sample, open_dataset
from training.official import environment as official
from training.progress import bar, say
from twinlens.classifier import Classifier
from twinlens.contract import Contract
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion, write_atomically

RECORD: Final = Path(__file__).with_name("weights.json")
FEWER: Final = 3
"""How many photos fewer than float32 may be right."""
ONNX: Final = ("onnxruntime_web", "transformers_js")
"""Peers that run the same ONNX file."""
LITE: Final = "litert_js"
_CALIBRATED_ON: Final = 100
_SPLITS: Final = ("validation", "test")
_NEEDS_PHOTOS: Final = ("static int8", "integer_quant")
# What Transformers.js calls files of so few bits, and their suffix (its utils/dtypes.js).
_DTYPES: Final = {
    "float32": ("fp32", ""),
    "float16": ("fp16", "_fp16"),
    "int8 as exported": ("int8", "_int8"),
    "dynamic int8": ("q8", "_quantized"),
    "static int8": ("q8", "_quantized"),
    "int4 and int8 as exported": ("q4", "_q4"),
}


class Counted(NamedTuple):
    """Photos as the network is given them, float32 of shape (N, 3, height, width), and the index of their labels."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    calibration: NDArray[np.float32]


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
    :return: for each peer ``chosen``, ``bytes``, ``candidates`` (rows of :func:`choose`), ``right_float32``,
        ``photos`` and ``command``; or ``not_measured``, why there is nothing to measure.
    :raises TwinlensError: ``invalid_data`` if the photos are no data set of the model's labels, or if nothing was
        recorded for this model, or not for a peer that can be had without photos.
    """
    version = classifier.version
    plain = graphs.shipped(version)
    whole = graphs.float32(plain)
    counted = None if photos is None else read(classifier, photos)
    recorded = {} if counted else _recorded(version)
    found: dict[str, dict[str, Any]] = {}
    if counted:
        least = int((graphs.answers(whole, counted.images) == counted.labels).sum())
    if set(peers) & set(ONNX):
        name, facts = (
            _chosen(_onnx_candidates(plain, whole, counted), _by_onnx_runtime(counted), least)
            if counted
            else _again(recorded["onnxruntime_web"])
        )
        made = _onnx_candidates(plain, whole, counted, only=name)[name]
        found |= dict.fromkeys([peer for peer in ONNX if peer in peers], facts)
        for peer in ONNX:
            if peer in peers:
                _place_onnx(peer, folder / peer, made, name, version.contract)
    if LITE in peers:
        found[LITE] = _lite(whole, counted, recorded, least if counted else 0, folder / LITE, cache, version.contract)
    for facts in found.values():
        if counted and "chosen" in facts:
            facts |= {"right_float32": least, "photos": len(counted.labels)}
    return {peer: dict(found[peer]) for peer in PEERS if peer in found}


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


def record(found: Mapping[str, Mapping[str, Any]], version: ModelVersion, command: str, path: Path = RECORD) -> None:
    """Keep what was chosen with photos for runs without.

    :param found: what :func:`prepare` gives.
    :param command: the one that chose.
    """
    content = {"model": version.digest, "command": command, "peers": found}
    write_atomically(path, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())


def _recorded(version: ModelVersion, path: Path = RECORD) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        content = {"model": None}
    if content["model"] != version.digest:
        raise TwinlensError(
            "invalid_data",
            f"Which weights of the peers keep the accuracy of the model {version.path.name} was not found out yet. "
            "Run: make bench-page PHOTOS=folder",
        )
    return {peer: facts | {"command": content["command"]} for peer, facts in content["peers"].items()}


def _again(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What was recorded for a peer, if it can be made without photos."""
    name = facts["chosen"]
    if name in _NEEDS_PHOTOS:
        raise TwinlensError(
            "invalid_data", f"The weights {name!r} are calibrated on photos. Run: make bench-page PHOTOS=folder"
        )
    return name, dict(facts)


def _chosen(
    candidates: Mapping[str, bytes], right: Callable[[bytes], int], least: int
) -> tuple[str, dict[str, Any]]:
    name, rows = choose(candidates, right, least - FEWER)
    if name is None:
        raise TwinlensError("invalid_data", "None of a peer's weights has as many photos right as float32 less three.")
    return name, {"chosen": name, "bytes": len(candidates[name]), "candidates": rows}


def _onnx_candidates(
    plain: onnx.ModelProto, whole: onnx.ModelProto, counted: Counted | None, only: str | None = None
) -> dict[str, bytes]:
    makers: dict[str, Callable[[], onnx.ModelProto]] = {
        "float32": lambda: whole,
        "float16": lambda: graphs.float16(whole),
        "dynamic int8": lambda: graphs.dynamic_int8(whole),
        "int8 as exported": lambda: plain,
        "int4 and int8 as exported": lambda: graphs.int4(plain),
    }
    if counted:
        makers["static int8"] = lambda: graphs.static_int8(whole, counted.calibration)
    found = {}
    for name, make in makers.items():
        if only in (None, name):
            say(f"Weights for ONNX Runtime: {name}")
            found[name] = make().SerializeToString()
    return found


def _by_onnx_runtime(counted: Counted) -> Callable[[bytes], int]:
    return lambda data: int(
        (graphs.answers(onnx.load_from_string(data), counted.images) == counted.labels).sum()
    )


def _lite(
    whole: onnx.ModelProto,
    counted: Counted | None,
    recorded: Mapping[str, Any],
    least: int,
    folder: Path,
    cache: Path | None,
    contract: Contract,
) -> dict[str, Any]:
    """LiteRT's weights, or why there are none: they need the official route, which not every machine has."""
    try:
        environment = official.prepare(cache)
        made = lite.candidates(whole, environment, counted.calibration if counted else None)
        if counted:
            name, facts = _chosen(
                made,
                lambda data: int((lite.answers(data, environment, counted.images) == counted.labels).sum()),
                least,
            )
        else:
            name, facts = _again(recorded[LITE])
    except TwinlensError as error:
        if error.code not in ("unsupported_operation", "missing_requirement"):
            raise
        return {"not_measured": error.detail}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(made[name])
    _place_rules(folder, contract)
    return facts


def _place_onnx(peer: str, folder: Path, data: bytes, name: str, contract: Contract) -> None:
    """The ONNX file, as ONNX Runtime's page or as Transformers.js' pipeline looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    if peer == "onnxruntime_web":
        (folder / "model.onnx").write_bytes(data)
        _place_rules(folder, contract)
        return
    dtype, suffix = _DTYPES[name]
    model = folder / "classifier"
    (model / "onnx").mkdir(parents=True, exist_ok=True)
    (model / "onnx" / f"model{suffix}.onnx").write_bytes(data)
    (folder / "dtype.js").write_text(f"export const dtype = {json.dumps(dtype)};\n", encoding="utf-8")
    labels = contract.label_names
    config = {
        "model_type": "mobilenet_v2",
        "architectures": ["MobileNetV2ForImageClassification"],
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    processor = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": contract.resize.shorter_edge},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": {"height": contract.crop.height, "width": contract.crop.width},
        "do_rescale": True,
        "rescale_factor": contract.normalize.scale,
        "do_normalize": True,
        "image_mean": list(contract.normalize.mean),
        "image_std": list(contract.normalize.std),
    }
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (model / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def _place_rules(folder: Path, contract: Contract) -> None:
    """What a tutorial's page has written into it."""
    rules = {
        "labels": contract.label_names,
        "mean": list(contract.normalize.mean),
        "std": list(contract.normalize.std),
        "size": contract.crop.height,
    }
    lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in rules.items()]
    (folder / "rules.js").write_text("".join(lines), encoding="utf-8")
