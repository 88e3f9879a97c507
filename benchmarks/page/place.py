"""Put a peer's weights where its page looks for them, with the little that a page has to know about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from twinlens.contract import Contract

# What Transformers.js calls weights, and the end of its files' names (its src/utils/dtypes.js).
_DTYPES: Final = {
    "float32": ("fp32", ""),
    "float16": ("fp16", "_fp16"),
    "int8 as exported": ("int8", "_int8"),
    "dynamic int8": ("q8", "_quantized"),
    "static int8": ("q8", "_quantized"),
    "int4 and int8 as exported": ("q4", "_q4"),
}
# Weights of four bits become float32 once, when the model is loaded, and not in every run: a fair chance for the peers.
_OPTIONS: Final = {"int4 and int8 as exported": {"extra": {"session": {"disable_quant_qdq": "1"}}}}
_BILINEAR: Final = 2


def place(peer: str, folder: Path, name: str, data: bytes, contract: Contract) -> None:
    """Write a peer's folder anew.

    :param peer: its name.
    :param name: of the weights among their candidates.
    :param data: the file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if peer == "transformers_js":
        _pipeline(folder, name, data, contract)
    else:
        (folder / ("model.tflite" if peer == "litert_js" else "model.onnx")).write_bytes(data)
        _module(
            folder / "rules.js",
            labels=contract.label_names,
            mean=list(contract.normalize.mean),
            std=list(contract.normalize.std),
            size=contract.crop.height,
            options=_OPTIONS.get(name, {}),
        )


def _pipeline(folder: Path, name: str, data: bytes, contract: Contract) -> None:
    """A model as Transformers.js expects one on its hub."""
    dtype, suffix = _DTYPES[name]
    model = folder / "classifier"
    (model / "onnx").mkdir(parents=True)
    (model / "onnx" / f"model{suffix}.onnx").write_bytes(data)
    _module(folder / "how.js", dtype=dtype, options=_OPTIONS.get(name, {}))
    labels = dict(enumerate(contract.label_names))
    config = {
        "model_type": "mobilenet_v2",
        "architectures": ["MobileNetV2ForImageClassification"],
        "id2label": labels,
        "label2id": {label: index for index, label in labels.items()},
    }
    processor = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": contract.resize.shorter_edge},
        "resample": _BILINEAR,
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


def _module(path: Path, **constants: Any) -> None:
    lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in constants.items()]
    path.write_text("".join(lines), encoding="utf-8")
