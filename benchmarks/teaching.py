"""``make bench-teach PHOTOS=folder``: ways to learn labels from a few embeddings, into docs/results/teaching.json.

What the page's ``web/src/teach/learn.ts`` does was chosen by this (docs/decisions/015-teaching.md). A round takes a few
labels, some photos of each as examples and others to be answered, and photos of other labels, to be answered with
"none of these". Two sets of embeddings of the shipped network stand for what a visitor may teach: photos of labels that
it was trained on, and parts of pictures that have nothing to do with them.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize
from skimage import data as pictures
from tqdm import tqdm

from benchmarks.arguments import make_command
from benchmarks.results import RESULTS, ROOT, commit, measured_with, read_result, result, significant, write_result
from twinlens.arguments import integer
from twinlens.contract import Contract
from twinlens.decode import Decoded, Limits
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.preprocess import load, prepare
from twinlens.store import open_current

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Indices = NDArray[np.intp]
Fit = Callable[[Floats, Indices, Floats], Floats]
"""From examples (N, size) of length 1, their label numbers (N,), and photos (M, size) to numbers (M, labels)."""

DEFINITIONS: Final = {
    "set": "clothing: photos that the network was not trained on, of labels that it was; pictures: parts of "
    "scikit-image's pictures, each of which is a label",
    "method": "space and way: plain: embeddings of length 1; root: their square root first; centred: seen from the "
    "middle between the labels' means, length 1 again",
    "right": "share of the photos of the taught labels that get the right one, by number of examples a label",
    "apart": "chance that a photo of a taught label is more like its label than one of another label of the set is: "
    "area under the ROC curve; ten examples a label",
    "own": "share of photos of taught labels that are answered with a label, by the threshold that leaves 5 % of the "
    "examples below it, each left out; ten examples a label",
    "near": "by the same, share of photos of the set's other labels that are not",
    "far": "by the same, share of photos of the other set that are not",
}
SHOTS: Final = (1, 2, 5, 10)
_REFUSED_AT: Final = 10
_TAUGHT: Final = 3
_ASKED: Final = 20
_FOREIGN: Final = 60
_PARTS: Final = 40
_PICTURES: Final = (
    *("astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket", "text"),
)
_REFUSED: Final = 0.05
_BATCH: Final = 16


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
    """The network's inputs for the photos that it was not trained on, and their labels.

    :raises TwinlensError: ``invalid_data`` if the folder has no ``test/`` and ``validation/`` with photos.
    """
    paths = sorted(path for split in ("test", "validation") for path in (folder / split).glob("*/*"))
    if not paths:
        raise TwinlensError("invalid_data", f"{folder} has no test/ and validation/ with a folder of photos per label.")
    inputs = [load(path.read_bytes(), contract, Limits()) for path in tqdm(paths, desc="Photos", disable=None)]
    return np.stack(inputs), np.asarray([path.parent.name for path in paths])


def parts(contract: Contract) -> tuple[Pixels, NDArray[np.str_]]:
    """Parts of scikit-image's pictures, turned, mirrored, lighter or darker; each picture is a label."""
    rng = np.random.default_rng(0)
    found, labels = [], []
    for name in _PICTURES:
        whole = Image.fromarray(getattr(pictures, name)()).convert("RGB")
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


def embed(network: Network, pixels: Pixels) -> Floats:
    """The network's embeddings, float64 of shape (N, size)."""
    batches = [network.outputs(pixels[at : at + _BATCH]).embedding for at in range(0, len(pixels), _BATCH)]
    return np.concatenate(batches).astype(np.float64)


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1, of shape (..., size)."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def means(vectors: Floats, targets: Indices) -> Floats:
    """The mean of each label, of shape (labels, size)."""
    return np.stack([vectors[targets == label].mean(axis=0) for label in range(targets.max() + 1)])


def placed(taught: Round, space: str) -> Round:
    """The same round with its embeddings in one of the spaces of :data:`DEFINITIONS`."""

    def moved(values: Floats) -> Floats:
        return unit(np.sign(values) * np.sqrt(abs(values)) if space == "root" else values)

    there = {key: moved(getattr(taught, key)) for key in ("examples", "asked", "near", "far")}
    if space == "centred":
        middle = means(there["examples"], taught.targets).mean(axis=0)
        there = {key: unit(value - middle) for key, value in there.items()}
    return Round(there["examples"], taught.targets, there["asked"], taught.wanted, there["near"], there["far"])


def nearest_mean(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Cosine with the mean of each label (Snell et al., NeurIPS 2017, with the cosine)."""
    return np.asarray(asked @ unit(means(vectors, targets)).T)


def nearest_example(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Cosine with the nearest example of each label."""
    alike = asked @ vectors.T
    return np.stack([alike[:, targets == label].max(axis=1) for label in range(targets.max() + 1)], axis=1)


def ridge(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Ridge regression on the labels, penalty 1, which has a closed form."""
    middle, wanted = vectors.mean(axis=0), np.eye(targets.max() + 1)[targets]
    centred, share = vectors - middle, wanted.mean(axis=0)
    dual = np.linalg.solve(centred @ centred.T + np.eye(len(vectors)), wanted - share)
    return np.asarray((asked - middle) @ (centred.T @ dual) + share)


def logistic(vectors: Floats, targets: Indices, asked: Floats) -> Floats:
    """Multinomial logistic regression with an L2 penalty (C = 10), in the space that the examples span."""
    middle, labels = vectors.mean(axis=0), targets.max() + 1
    left, lengths, axes = np.linalg.svd(vectors - middle, full_matrices=False)
    rank = int((lengths > 1e-6).sum())
    inputs, wanted = (left * lengths)[:, :rank], np.eye(labels)[targets]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[: rank * labels].reshape(rank, labels), flat[rank * labels :]
        logits = inputs @ weights + bias
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        slope = 10 * (shares - wanted)
        nll = -10 * np.log((shares * wanted).sum(axis=1) + 1e-300).sum()
        gradient = np.concatenate([(inputs.T @ slope + weights).ravel(), slope.sum(axis=0)])
        return float(nll + 0.5 * (weights * weights).sum()), gradient

    flat = minimize(loss, np.zeros((rank + 1) * labels), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    weights, bias = flat[: rank * labels].reshape(rank, labels), flat[rank * labels :]
    return np.asarray((asked - middle) @ axes[:rank].T @ weights + bias)


METHODS: Final[dict[str, tuple[str, Fit]]] = {
    "nearest mean": ("plain", nearest_mean),
    "nearest mean, centred": ("centred", nearest_mean),
    "nearest mean, root": ("root", nearest_mean),
    "nearest example": ("plain", nearest_example),
    "ridge regression": ("plain", ridge),
    "logistic regression": ("plain", logistic),
}
# Those whose numbers say how like a photo is, whatever it is compared with.
_LIKENESSES: Final = (nearest_mean, nearest_example)


def rounds(task: Task, shots: int, count: int) -> Iterator[Round]:
    """So many rounds of three labels; a label needs four photos more than are taught."""
    rng = np.random.default_rng(shots)
    names = [name for name in np.unique(task.labels) if (task.labels == name).sum() >= shots + 4]
    for _ in range(count):
        taught = rng.permutation(names)[:_TAUGHT]
        each = [rng.permutation(np.flatnonzero(task.labels == name)) for name in taught]
        asked = [indices[shots : shots + _ASKED] for indices in each]
        others = rng.permutation(np.flatnonzero(~np.isin(task.labels, taught)))[:_FOREIGN]
        yield Round(
            task.embeddings[np.concatenate([indices[:shots] for indices in each])],
            np.repeat(np.arange(_TAUGHT), shots),
            task.embeddings[np.concatenate(asked)],
            np.repeat(np.arange(_TAUGHT), [len(indices) for indices in asked]),
            task.embeddings[others],
            task.far[rng.permutation(len(task.far))[:_FOREIGN]],
        )


def left_out(taught: Round, space: str, fit: Fit) -> Floats:
    """The best likeness of each example while it is left out, of shape (examples,)."""
    found = []
    for index in range(len(taught.examples)):
        rest = np.arange(len(taught.examples)) != index
        one = taught.examples[index : index + 1]
        alone = Round(taught.examples[rest], taught.targets[rest], one, taught.targets[index : index + 1], one, one)
        there = placed(alone, space)
        found.append(fit(there.examples, there.targets, there.asked).max())
    return np.asarray(found)


def apart(own: Floats, others: Floats) -> float:
    """Area under the ROC curve."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")
    return float(below.mean() / 2 / len(others))


def rows(name: str, task: Task, count: int) -> list[dict[str, Any]]:
    """A row for each method: how often it is right, and how well it keeps other things out."""
    right: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    kept: defaultdict[str, list[list[float]]] = defaultdict(list)
    for shots in SHOTS:
        for taught in tqdm(rounds(task, shots, count), desc=f"{name}, {shots} a label", total=count, disable=None):
            for method, (space, fit) in METHODS.items():
                there = placed(taught, space)
                answers = fit(there.examples, there.targets, there.asked)
                right[method, shots].append(float((answers.argmax(axis=1) == there.wanted).mean()))
                if shots == _REFUSED_AT and fit in _LIKENESSES:
                    foreign = (fit(there.examples, there.targets, each) for each in (there.near, there.far))
                    best = [each.max(axis=1) for each in (answers, *foreign)]
                    alone = np.sort(left_out(taught, space, fit))
                    least = alone[int(_REFUSED * len(alone))]
                    inside = [float((each >= least).mean()) for each in best]
                    kept[method].append([apart(best[0], best[1]), inside[0], 1 - inside[1], 1 - inside[2]])
    found = []
    for method in METHODS:
        figures = np.mean(kept[method], axis=0).tolist() if method in kept else [None] * 4
        found.append(
            {
                "set": name,
                "method": method,
                "right": {str(shots): significant(float(np.mean(right[method, shots])), 3) for shots in SHOTS},
                **{
                    key: None if value is None else significant(value, 3)
                    for key, value in zip(("apart", "own", "near", "far"), figures, strict=True)
                },
            }
        )
    return found


def teaching_table(path: Path) -> str:
    """The result as Markdown.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    counts = list(content["rows"][0]["right"])
    head = ["Set", "Method", *(f"Right, {count}" for count in counts), "Apart", "Own", "Near", "Far"]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for row in content["rows"]:
        figures = [*row["right"].values(), row["apart"], row["own"], row["near"], row["far"]]
        cells = ["–" if figure is None else f"{figure:.3f}" for figure in figures]
        lines.append(f"| {row['set']} | {row['method']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", measured_with(content)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; status 2 if there are no photos."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teaching", description="Compare ways to learn labels.")
    parser.add_argument("photos", type=Path, help="data set with test/ and validation/, which are used")
    parser.add_argument("--rounds", type=integer(1), default=40, help="rounds of each number of examples (40)")
    parser.add_argument("--out", type=Path, default=RESULTS / "teaching.json", metavar="FILE", help="result file")
    options = parser.parse_args(arguments)
    measured_at = commit()
    try:
        network = Network(open_current(ROOT / "bentos" / "clothing"))
        contract = network.contract
        pixels, labels = photos(options.photos, contract)
        part_pixels, part_labels = parts(contract)
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    own, part = embed(network, pixels), embed(network, part_pixels)
    found = rows("clothing", Task(own, labels, part), options.rounds)
    found += rows("pictures", Task(part, part_labels, own), options.rounds)
    facts = {"model": {"name": contract.model.name, "version": contract.model.version}, "rounds": options.rounds}
    command = make_command("bench-teach", parser, options, ("out",))
    write_result(options.out, result(command, found, [], commit=measured_at, definitions=DEFINITIONS, facts=facts))
    sys.stdout.write(f"{teaching_table(options.out)}\nWritten: {options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
