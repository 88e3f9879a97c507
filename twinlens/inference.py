"""The network on ONNX Runtime: a batch of uint8 pixels in, logits out, and the softmax that makes scores.

Normalisation is inside the graph. Server, command line and evaluation all go through :class:`Network`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion


class Prediction(NamedTuple):
    """One label with its score, the softmax over all labels."""

    label: str
    score: float


class Outputs(NamedTuple):
    """All outputs for a batch of N images: logits (N, labels), embedding (N, size), features (N, h, w, channels)."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    features: NDArray[np.float32]


def available_threads() -> int:
    """Processor cores that this process may use: the cgroup's CPU limit, else its affinity, at least 1.

    ONNX Runtime sizes its pool to the host's cores, which in a container with a CPU limit are far too many.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota_file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            fields = Path(quota_file).read_text().split()
            period = Path(period_file).read_text() if period_file else fields[1]
            if fields[0] not in ("max", "-1"):
                return max(1, min(cores, math.ceil(int(fields[0]) / int(period))))
        except (OSError, ValueError, IndexError):
            continue
    return cores


class Network:
    """One version's ONNX graph, loaded and ready to run from several threads.

    :param version: the model version; its graph's bytes are checked against the contract.
    :param threads: threads within one run; 0 for :func:`available_threads`.
    :param spinning: whether idle ones spin. That burns a core that decoding could use, for no gain at these sizes.
    :raises TwinlensError: ``invalid_model`` if the graph's bytes or its outputs are not those of the contract.
    """

    def __init__(self, version: ModelVersion, threads: int = 0, *, spinning: bool = False) -> None:
        self.version = version
        self.contract = version.contract
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_threads()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        options.log_severity_level = 3
        graph = self.contract.graphs.onnx
        try:
            self._session = ort.InferenceSession(version.read(graph.path), options, providers=["CPUExecutionProvider"])
        except TwinlensError:
            raise
        except Exception as error:  # ONNX Runtime has an exception of its own for each status
            raise TwinlensError(
                "invalid_model", f"{version.path / graph.path} cannot be loaded ({error}). Export the model again."
            ) from None
        found = {output.name: output.shape[-1] for output in self._session.get_outputs()}
        if found.get(graph.logits.name) != graph.logits.shape[-1]:
            raise TwinlensError(
                "invalid_model",
                f"{version.path / graph.path} does not have the {graph.logits.shape[-1]} {graph.logits.name} that its "
                "contract names. Export the model again.",
            )

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a batch.

        :param pixels: uint8 array of shape (N, height, width, 3), RGB.
        :return: float32 array of shape (N, labels).
        """
        graph = self.contract.graphs.onnx
        (logits,) = self._session.run([graph.logits.name], {graph.input.name: pixels})
        return np.asarray(logits)

    def outputs(self, pixels: NDArray[np.uint8]) -> Outputs:
        """Run a batch and return every output of the graph, features last-channel as in TensorFlow.js.

        :param pixels: uint8 array of shape (N, height, width, 3), RGB.
        """
        graph = self.contract.graphs.onnx
        names = [graph.logits.name, graph.embedding.name, graph.features.name]
        logits, embedding, features = self._session.run(names, {graph.input.name: pixels})
        return Outputs(logits, embedding, np.transpose(features, (0, 2, 3, 1)))

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Run a batch and return float64 scores of shape (N, labels), each row summing to 1."""
        return softmax(self.logits(pixels), self.contract.temperature)

    def scores_and_embeddings(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Run a batch and return its scores, as :meth:`scores` does, and its embeddings, float32 (N, size)."""
        graph = self.contract.graphs.onnx
        names = [graph.logits.name, graph.embedding.name]
        logits, embedding = self._session.run(names, {graph.input.name: pixels})
        return softmax(logits, self.contract.temperature), np.asarray(embedding)


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """``softmax(logits / temperature)`` over the last axis, in float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def top(scores: NDArray[np.float64], labels: Sequence[str], k: int) -> list[Prediction]:
    """The ``k`` best labels of one image, best first; equal scores in the order of the labels.

    :param scores: float64 array of shape (labels,).
    """
    order = np.argsort(-scores, kind="stable")[:k]
    return [Prediction(labels[index], float(scores[index])) for index in order]
