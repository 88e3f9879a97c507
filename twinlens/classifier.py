"""From the bytes of an image file to an answer: one model version with the limits it is used under.

The server and ``twinlens classify`` both go through :class:`Classifier`, so that they cannot differ.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from twinlens import golden
from twinlens.decode import Header, decode_pixels, read_header
from twinlens.inference import Network, top
from twinlens.preprocess import prepare
from twinlens.settings import Settings
from twinlens.store import ModelVersion, open_current


class ScoredLabel(TypedDict):
    """A label as the data set names it, and its share of the softmax over all labels."""

    label: str
    score: float


class AnsweredBy(TypedDict):
    """Which model gave an answer."""

    name: str
    version: str
    digest: str


class Answer(TypedDict):
    """What is answered for one image: the best labels, best first, and the model."""

    predictions: list[ScoredLabel]
    model: AnsweredBy


class Classifier:
    """One model version, loaded.

    :param version: the version; the graph's bytes are checked against its contract.
    :param settings: limits of images and threads of an inference are taken from there.
    :raises TwinlensError: ``invalid_model`` if the graph's bytes are not those of the contract.
    """

    def __init__(self, version: ModelVersion, settings: Settings) -> None:
        self.version = version
        self.contract = version.contract
        self._network = Network(version, settings.threads)
        self._limits = settings.limits
        self._labels = version.contract.label_names
        self.answered_by: AnsweredBy = {
            "name": version.contract.model.name,
            "version": version.contract.model.version,
            "digest": version.digest,
        }

    @classmethod
    def current(cls, settings: Settings) -> Classifier:
        """Load the version in use.

        :raises TwinlensError: ``model_not_found``, ``invalid_contract`` or ``invalid_model``.
        """
        return cls(open_current(settings.model_folder), settings)

    def warm_up(self) -> None:
        """Run one golden picture all the way, which also pays for what the first run allocates.

        :raises TwinlensError: ``invalid_model`` if the answer is not the golden one.
        """
        golden.check(self._network, only_first=True)

    def check_whole(self) -> None:
        """See that every file of the version is there, and that it gives every golden answer.

        :raises TwinlensError: ``invalid_model`` if not.
        """
        golden.check_whole(self._network)

    def read_header(self, data: bytes) -> Header:
        """Read an image's header.

        :raises TwinlensError: as :func:`twinlens.decode.read_header` does.
        """
        return read_header(data, self.contract, self._limits)

    def pixels(self, header: Header) -> NDArray[np.uint8]:
        """Decode and resample an image whose header was read.

        :return: uint8 array of shape (height, width, 3), the network's input.
        :raises TwinlensError: as :func:`twinlens.decode.decode_pixels` does.
        """
        return prepare(decode_pixels(header, self.contract), self.contract)

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Run a batch.

        :param pixels: uint8 array of shape (N, height, width, 3).
        :return: float64 array of shape (N, labels), each row summing to 1.
        """
        return self._network.scores(pixels)

    def scores_and_embeddings(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Run a batch for both.

        :param pixels: uint8 array of shape (N, height, width, 3).
        :return: the scores as :meth:`scores` gives them, and the embeddings, float32 array of shape (N, size).
        """
        return self._network.scores_and_embeddings(pixels)

    def answer(self, scores: NDArray[np.float64], top_k: int) -> Answer:
        """The answer for one image.

        :param scores: float64 array of shape (labels,).
        :param top_k: how many labels at most; more than there are gives all.
        """
        best = top(scores, self._labels, top_k)
        return {"predictions": [{"label": each.label, "score": each.score} for each in best], "model": self.answered_by}
