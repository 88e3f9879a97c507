"""``python -m benchmarks.teaching PHOTOS``: ways to learn labels from a few embeddings, into docs/results/teaching.json.

What the page's ``teach/learn.ts`` does was chosen by this (docs/decisions/015-teaching.md). A round takes a few labels,
some photos of each as examples and others to be answered, and photos of other labels that should be answered with
"none of these". Three sets of embeddings stand for what a visitor may teach: photos of labels that the network was
trained on, the same photos seen by a network that was not, and parts of pictures that have nothing to do with them.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import skimage
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize

from benchmarks.results import RESULTS, ROOT, portable, result, significant, write_result
from twinlens.contract import Contract
from twinlens.decode import Decoded, Limits
from twinlens.inference import Network
from twinlens.preprocess import load, prepare
from twinlens.store import open_current

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Indices = NDArray[np.intp]

DEFINITIONS: Final = {
    "set": "clothing: the shipped network on photos that it was not trained on, of labels that it was; untrained: the "
    "ImageNet network on the same; pictures: the shipped network on parts of scikit-image's pictures",
    "space": "what is done to embeddings before: plain: length 1; root: the square root first; centred: then seen from "
    "the middle between the labels' means, length 1 again",
    "right": "share of the photos of the taught labels that get the right one, by number of examples a label",
    "told_apart": "chance that a photo of a taught label is more like its label than one of another label of the set "
    "(near), of another set (far) is: area under the ROC curve",
    "own, near, far": "share of photos of taught labels that are answered with a label, and of others that are not, by "
    "the threshold that leaves 5 % of the examples below it, each left out",
}
SPACES: Final = ("plain", "root", "plain centred", "root centred")
SHOTS: Final = (1, 2, 3, 5, 10, 20)
_ASKED: Final = 20
_FOREIGN: Final = 60
_PARTS: Final = 40
_PICTURES: Final = (
    "astronaut brick camera cell chelsea clock_motion coffee coins grass gravel hubble_deep_field ihc moon "
    "motorcycle_left page retina rocket text"
).split()
_REFUSED: Final = 0.05


class Task(NamedTuple):
    """Embeddings (N, size) with their labels (N,), and embeddings of things that have nothing to do with them."""

    embeddings: Floats
    labels: NDArray[np.str_]
    far: Floats


class Round(NamedTuple):
    """What is taught and what is asked; arrays of embeddings, and label numbers."""

    examples: Floats
    targets: Indices
    asked: Floats
    wanted: Indices
    near: Floats
    far: Floats


def photos(folder: Path, contract: Contract) -> tuple[Pixels, NDArray[np.str_]]:
    """The network's inputs for the photos that it was not trained on, and their labels."""
    paths = sorted(path for split in ("test", "validation") for path in (folder / split).glob("*/*"))
    return np.stack([load(path.read_bytes(), contract, Limits()) for path in paths]), np.asarray(
        [path.parent.name for path in paths]
    )


def parts(contract: Contract) -> tuple[Pixels, NDArray[np.str_]]:
    """Parts of scikit-image's pictures, turned, mirrored, lighter or darker; each picture is a label."""
    rng = np.random.default_rng(0)
    found, labels = [], []
    for name in _PICTURES:
        (path,) = [path for path in (Path(skimage.__file__).parent / "data").glob(f"{name}.*") if path.suffix != ".npz"]
        whole = Image.open(path).convert("RGB")
        for _ in range(_PARTS):
            edge = int(min(whole.size) * rng.uniform(0.4, 0.8))
            left, top = (int(rng.uniform(0, length - edge)) for length in whole.size)
            part = whole.crop((left, top, left + edge, top + edge))
            if rng.random() < 0.5:
                part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            part = part.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
            lit = np.asarray(part, np.float64) * rng.uniform(0.7, 1.3)
            part = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
            found.append(prepare(Decoded(part, part.width, part.height, 1, "png"), contract))
            labels.append(name)
    return np.stack(found), np.asarray(labels)


def shipped(network: Network, pixels: Pixels) -> Floats:
    """The embeddings of the shipped network."""
    batches = [network.outputs(pixels[start : start + 16]).embedding for start in range(0, len(pixels), 16)]
    return np.concatenate(batches).astype(np.float64)


def imagenet(weights: Path, contract: Contract, pixels: Pixels) -> Floats:
    """The embeddings of MobileNetV2 as ImageNet trained it."""
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (contract.normalize.mean, contract.normalize.std))
    found = []
    with torch.no_grad():
        for start in range(0, len(pixels), 16):
            images = torch.from_numpy(pixels[start : start + 16]).permute(0, 3, 1, 2) * contract.normalize.scale
            found.append(network.features((images - mean) / std).mean((2, 3)).double().numpy())
    return np.concatenate(found)


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1, of shape (..., size)."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def means(vectors: Floats, targets: Indices) -> Floats:
    """The mean of each label, of shape (labels, size)."""
    return np.stack([vectors[targets == label].mean(axis=0) for label in range(targets.max() + 1)])


def placed(taught: Round, space: str) -> Round:
    """The same round with its embeddings in one of the spaces of ``DEFINITIONS``."""

    def moved(values: Floats) -> Floats:
        return unit(np.sign(values) * np.sqrt(abs(values)) if space.startswith("root") else values)

    there = {key: moved(getattr(taught, key)) for key in ("examples", "asked", "near", "far")}
    if space.endswith("centred"):
        middle = means(there["examples"], taught.targets).mean(axis=0)
        there = {key: unit(value - middle) for key, value in there.items()}
    return taught._replace(**there)


def nearest_mean(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Cosine with the mean of each label; like all of these: (examples, targets, asked) to (asked, labels)."""
    return np.asarray(asked @ unit(means(vectors, targets)).T)


def nearest(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Cosine with the nearest example of each label."""
    alike = asked @ vectors.T
    return np.stack([alike[:, targets == label].max(axis=1) for label in range(targets.max() + 1)], axis=1)


def votes(count: int) -> Callable[[Floats, Indices, Floats], Floats]:
    """Votes of the nearest examples; equal votes by cosine."""

    def vote(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
        alike = asked @ vectors.T
        best = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        found = np.zeros((len(asked), targets.max() + 1))
        for row, column in np.ndindex(*best.shape):
            example = best[row, column]
            found[row, targets[example]] += 1 + 1e-3 * alike[row, example]
        return found

    return vote


def ridge(penalty: float) -> Callable[[Floats, Indices, Floats], Floats]:
    """Ridge regression on the labels, which has a closed form."""

    def fit(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
        middle, wanted = vectors.mean(axis=0), np.eye(targets.max() + 1)[targets]
        centred, share = vectors - middle, wanted.mean(axis=0)
        dual = np.linalg.solve(centred @ centred.T + penalty * np.eye(len(vectors)), wanted - share)
        return np.asarray((asked - middle) @ (centred.T @ dual) + share)

    return fit


def logistic(strength: float) -> Callable[[Floats, Indices, Floats], Floats]:
    """Multinomial logistic regression with an L2 penalty; ``strength`` is its inverse."""

    def fit(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
        middle, labels = vectors.mean(axis=0), targets.max() + 1
        left, lengths, axes = np.linalg.svd(vectors - middle, full_matrices=False)
        rank = int((lengths > 1e-6).sum())
        inputs, wanted = (left * lengths)[:, :rank], np.eye(labels)[targets]

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights, bias = flat[: rank * labels].reshape(rank, labels), flat[rank * labels :]
            logits = inputs @ weights + bias
            logits -= logits.max(axis=1, keepdims=True)
            shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            slope = strength * (shares - wanted)
            nll = -strength * np.log((shares * wanted).sum(axis=1) + 1e-300).sum()
            gradient = np.concatenate([(inputs.T @ slope + weights).ravel(), slope.sum(axis=0)])
            return float(nll + 0.5 * (weights * weights).sum()), gradient

        flat = minimize(loss, np.zeros((rank + 1) * labels), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        weights, bias = flat[: rank * labels].reshape(rank, labels), flat[rank * labels :]
        return np.asarray((asked - middle) @ axes[:rank].T @ weights + bias)

    return fit


METHODS: Final[dict[str, Callable[[Floats, Indices, Floats], Floats]]] = {
    "nearest mean": nearest_mean,
    "nearest example": nearest,
    "3 nearest": votes(3),
    "5 nearest": votes(5),
    "ridge 0.1": ridge(0.1),
    "ridge 1": ridge(1.0),
    "logistic 10": logistic(10.0),
}
# Those whose numbers say how like a photo is, whatever it is compared with.
_LIKENESSES: Final = ("nearest mean", "nearest example")


def rounds(task: Task, labels: int, shots: int, count: int) -> Iterator[Round]:
    """So many rounds; labels need four photos more than are taught."""
    rng = np.random.default_rng(shots)
    names = [name for name in np.unique(task.labels) if (task.labels == name).sum() >= shots + 4]
    for _ in range(count):
        taught = rng.permutation(names)[:labels]
        each = [rng.permutation(np.flatnonzero(task.labels == name)) for name in taught]
        asked = [indices[shots : shots + _ASKED] for indices in each]
        others = rng.permutation(np.flatnonzero(~np.isin(task.labels, taught)))[:_FOREIGN]
        yield Round(
            task.embeddings[np.concatenate([indices[:shots] for indices in each])],
            np.repeat(np.arange(labels), shots),
            task.embeddings[np.concatenate(asked)],
            np.repeat(np.arange(labels), [len(indices) for indices in asked]),
            task.embeddings[others],
            task.far[rng.permutation(len(task.far))[:_FOREIGN]],
        )


def left_out(taught: Round, space: str, method: str) -> Floats:
    """The best likeness of each example while it is left out."""
    found = []
    for index in range(len(taught.examples)):
        rest = np.arange(len(taught.examples)) != index
        one = taught.examples[index : index + 1]
        alone = Round(taught.examples[rest], taught.targets[rest], one, taught.targets[index : index + 1], one, one)
        there = placed(alone, space)
        found.append(METHODS[method](there.examples, there.targets, there.asked).max())
    return np.asarray(found)


def told_apart(own: Floats, others: Floats) -> float:
    """Area under the ROC curve."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")
    return float(below.mean() / 2 / len(others))


def accuracy(name: str, task: Task, labels: int, count: int) -> list[dict[str, Any]]:
    """Rows of how often each method is right."""
    found: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for shots in SHOTS:
        shares = defaultdict(list)
        for taught in rounds(task, labels, shots, count):
            for space in SPACES:
                there = placed(taught, space)
                for method, fit in METHODS.items():
                    answers = fit(there.examples, there.targets, there.asked).argmax(axis=1)
                    shares[space, method].append((answers == there.wanted).mean())
        for key, values in shares.items():
            found[key][str(shots)] = significant(float(np.mean(values)), 3)
    return [
        {"measured": "accuracy", "set": name, "labels": labels, "space": space, "method": method, "right": right}
        for (space, method), right in found.items()
    ]


def refusal(name: str, task: Task, labels: int, count: int) -> list[dict[str, Any]]:
    """Rows of how well each likeness keeps other things out."""
    rows = []
    for shots in (2, 5, 10, 20):
        figures = defaultdict(list)
        for taught in rounds(task, labels, shots, count):
            for space in SPACES:
                there = placed(taught, space)
                for method in _LIKENESSES:
                    own, near, far = (
                        METHODS[method](there.examples, there.targets, asked).max(axis=1)
                        for asked in (there.asked, there.near, there.far)
                    )
                    alone = np.sort(left_out(taught, space, method))
                    least = alone[int(_REFUSED * len(alone))]
                    apart = [told_apart(own, near), told_apart(own, far)]
                    figures[space, method].append([*apart, *((each >= least).mean() for each in (own, near, far))])
        for (space, method), values in figures.items():
            near_apart, far_apart, own_kept, near_kept, far_kept = np.mean(values, axis=0)
            rows.append(
                {
                    "measured": "none of these",
                    "set": name,
                    "labels": labels,
                    "shots": shots,
                    "space": space,
                    "method": method,
                    "told_apart_near": significant(float(near_apart), 3),
                    "told_apart_far": significant(float(far_apart), 3),
                    "own": significant(float(own_kept), 3),
                    "near": significant(float(1 - near_kept), 3),
                    "far": significant(float(1 - far_kept), 3),
                }
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teaching", description=__doc__)
    parser.add_argument("photos", type=Path, help="data set with test/ and validation/, which are used")
    parser.add_argument("--weights", type=Path, required=True, help="state dict of torchvision's mobilenet_v2, ImageNet")
    parser.add_argument("--rounds", type=int, default=60, help="rounds for each number of examples (default: 60)")
    options = parser.parse_args(arguments)
    version = open_current(ROOT / "bentos" / "clothing")
    network, contract = Network(version), version.contract
    pixels, labels = photos(options.photos, contract)
    part_pixels, part_labels = parts(contract)
    own, part = shipped(network, pixels), shipped(network, part_pixels)
    tasks = {
        "clothing": Task(own, labels, part),
        "untrained": Task(
            imagenet(options.weights, contract, pixels), labels, imagenet(options.weights, contract, part_pixels)
        ),
        "pictures": Task(part, part_labels, own),
    }
    rows = []
    for name, task in tasks.items():
        rows += accuracy(name, task, 4, options.rounds)
        rows += refusal(name, task, 3, options.rounds)
    command = (
        f"python -m benchmarks.teaching {portable(options.photos)} --weights {portable(options.weights)} "
        f"--rounds {options.rounds}"
    )
    facts = {"model": {"name": contract.model.name, "version": contract.model.version, "digest": version.digest}}
    write_result(RESULTS / "teaching.json", result(command, rows, [], definitions=DEFINITIONS, facts=facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
