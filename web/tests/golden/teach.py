"""Write teach.json, which the page's teach/learn.ts is held to: the same answers by the long way round, in NumPy.

Each photo is left out by learning anew from the others. ``python web/tests/golden/teach.py`` writes the file anew,
with ``--check`` it fails where it is not what would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]

PATH = Path(__file__).parent / "teach.json"
SIZE = 12
REFUSED = 0.05
SHARPEST = 1000.0
# Photos by label; the noise of the photos, where 1 is as large as the labels are apart.
CASES = [([5, 7], 0.4), ([1, 4, 3], 0.6), ([25, 20], 0.9), ([2, 2, 2, 2], 0.3), ([30, 1, 12], 1.2)]


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1, of shape (..., size)."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def likenesses(examples: Floats, targets: NDArray[np.intp], labels: int, query: Floats) -> Floats:
    """Cosine between an embedding and the mean of each label's, all of length 1 before."""
    vectors = unit(examples)
    means = np.stack([vectors[targets == label].mean(axis=0) for label in range(labels)])
    return np.asarray(unit(means) @ unit(query))


def softmax(values: Floats) -> Floats:
    """Over the last axis."""
    exponents = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def sharpness(found: Floats, sought: NDArray[np.intp]) -> float:
    """The factor whose softmax suits the labels best, by Laplace's rule."""
    n, labels = found.shape
    targets = np.full(found.shape, 1 / (n + labels))
    targets[np.arange(n), sought] = (n + 1) / (n + labels)

    def derivative(factor: float) -> float:
        return float((found * (targets - softmax(factor * found))).sum())

    if derivative(0) <= 0:
        return 0.0
    return float(brentq(derivative, 0, SHARPEST, xtol=1e-12)) if derivative(SHARPEST) < 0 else SHARPEST


def case(counts: list[int], noise: float, seed: int) -> dict[str, Any]:
    """Examples, what is learned of them, and answers for others."""
    rng = np.random.default_rng(seed)
    labels = len(counts)
    centres = rng.gamma(1.0, 1.0, (labels, SIZE))  # as after a ReLU: none is negative
    targets = rng.permutation(np.repeat(np.arange(labels), counts))
    # Labels are numbered as they first come.
    order = list(dict.fromkeys(targets.tolist()))
    targets = np.asarray([order.index(target) for target in targets.tolist()])

    def photos(of: NDArray[np.intp]) -> NDArray[np.float32]:
        scattered = centres[of] + noise * rng.normal(size=(len(of), SIZE))
        return np.maximum(scattered, 0.01).astype(np.float32)

    examples = photos(targets)
    queries = np.concatenate([photos(np.arange(labels)), rng.gamma(1.0, 1.0, (3, SIZE)).astype(np.float32)])
    tested = [index for index, target in enumerate(targets) if (targets == target).sum() > 1]
    found = []
    for index in tested:
        rest = np.arange(len(targets)) != index
        found.append(likenesses(examples[rest].astype(float), targets[rest], labels, examples[index].astype(float)))
    left_out, sought = np.stack(found), targets[tested]
    threshold = float(np.sort(left_out.max(axis=1))[int(REFUSED * len(tested))])
    factor = sharpness(left_out, sought)

    def answer(values: Floats) -> dict[str, Any]:
        nearest = int(values.argmax())
        likeness = float(values[nearest])
        return {
            "nearest": nearest,
            "label": nearest if likeness >= threshold else None,
            "likeness": likeness,
            "score": float(softmax(factor * values)[nearest]),
        }

    answers = [answer(values)["label"] for values in left_out]
    return {
        "targets": targets.tolist(),
        "embeddings": examples.tolist(),
        "threshold": threshold,
        "left_out": dict(zip(map(str, tested), answers, strict=True)),
        "right": [
            sum(found == label == wanted for found, wanted in zip(answers, sought.tolist(), strict=True))
            for label in range(labels)
        ],
        "queries": [
            {"embedding": query.tolist()}
            | answer(likenesses(examples.astype(float), targets, labels, query.astype(float)))
            for query in queries
        ],
    }


if __name__ == "__main__":
    made = [case(counts, noise, seed) for seed, (counts, noise) in enumerate(CASES)]
    rounded = json.loads(json.dumps(made), parse_float=lambda text: float(f"{float(text):.12g}"))
    lines = ",\n".join(json.dumps(each) for each in rounded)
    text = f"[\n{lines}\n]\n"
    if "--check" not in sys.argv:
        PATH.write_text(text)
    elif PATH.read_text() != text:
        sys.exit(f"{PATH.name} is not what NumPy gives. Run: python web/tests/golden/teach.py")
