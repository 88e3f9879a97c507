"""The contract of a fresh export: what was written, said in the form that server and page read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import torch

from training import golden
from training.deploy import Deployed
from training.onnx_graph import INPUT, OUTPUTS
from training.rules import Preprocessing
from training.run import Run
from training.tfjs.files import MODEL
from twinlens import contract as contracts
from twinlens.contract import Contract, Encoding

ONNX_FILE: Final = "model.onnx"
TFJS_FOLDER: Final = "tfjs"
TOLERANCE: Final = 1e-4
"""Largest ``max |difference| / max |logit|`` of any runtime against PyTorch."""
_SCORE_TOLERANCE_LOSSY: Final = 0.02
_UNNAMED: Final = "unnamed"


def draft(
    deployed: Deployed,
    rules: Preprocessing,
    record: Run,
    name: str,
    files: Mapping[str, bytes],
    encodings: Mapping[str, Encoding],
    display: Mapping[str, dict[str, str]],
) -> Contract:
    """Describe what an export has written.

    :param files: the bytes of every file by its path within the version, golden vectors among them.
    :param encodings: of each tensor of weights, by its name in the ONNX graph.
    :param display: display names by label and language.
    :return: a contract whose version has no name yet, and which is not calibrated.
    """
    height, width = rules.crop.height, rules.crop.width
    pixels = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        logits, embedding, features = deployed(pixels)
    channels, rows, columns = features.shape[1:]

    def graph(path: str, dtype: str, feature_shape: list[int | None]) -> dict[str, Any]:
        shapes = {"logits": [None, logits.shape[1]], "embedding": [None, embedding.shape[1]], "features": feature_shape}
        return {
            "path": path,
            "input": {"name": INPUT, "shape": [None, height, width, 3], "dtype": dtype},
            **{output: {"name": output, "shape": shapes[output], "dtype": "float32"} for output in OUTPUTS},
        }

    weight = f"network.{deployed.head.class_map}.weight"
    return Contract.model_validate(
        {
            "schema_version": contracts.SCHEMA_VERSION,
            "model": {"name": name, "version": _UNNAMED, "architecture": record.arch},
            "labels": [{"name": label, "display": display[label]} for label in record.labels],
            "formats": rules.formats,
            "decode": rules.decode,
            "resize": rules.resize,
            "crop": rules.crop,
            "normalize": rules.normalize,
            "graphs": {
                "onnx": graph(ONNX_FILE, "uint8", [None, channels, rows, columns]),
                "tfjs": graph(f"{TFJS_FOLDER}/{MODEL}", "int32", [None, rows, columns, channels]),
            },
            "embedding_size": deployed.head.embedding_size,
            "class_map": {"tfjs_weight": weight, "onnx_initializer": weight} if deployed.head.class_map else None,
            "weights": encodings,
            "temperature": 1.0,
            "not_sure": {"threshold": 0.0, "rule": "not fitted yet"},
            "files": [
                {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for path, data in files.items()
            ],
            "dataset": {"digest": record.data_digest, "counts": record.counts},
            "golden": {
                "path": golden.FILE,
                "sha256": hashlib.sha256(files[golden.FILE]).hexdigest(),
                "tolerances": {"logits": TOLERANCE, "score_lossy": _SCORE_TOLERANCE_LOSSY},
            },
        }
    )
