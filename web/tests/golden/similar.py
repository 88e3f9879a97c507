"""Write similar.json, which the page's similar/ is held to: a gallery, and what the server's code finds in it.

``python web/tests/golden/similar.py`` writes the file anew, with ``--check`` it fails where the server's code finds
something else in the galleries that are in it.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

from twinlens.similar.folder import Model, Photo
from twinlens.similar.gallery import decode, encode
from twinlens.similar.projection import Projection

PATH = Path(__file__).parent / "similar.json"
MODEL = Model(name="made", version="v1", digest="ab" * 32)
# Photos, numbers in an embedding, dimensions; one that fills its stride, and one whose sizes are no multiples.
CASES = [(40, 24, 16), (37, 19, 7)]
ASKED = 6
NEAREST = 10


def case(photos: int, size: int, dimensions: int, seed: int) -> dict[str, Any]:
    """A gallery of made embeddings, and what is found in it."""
    rng = np.random.default_rng(seed)
    # Numbers that float32 holds, whatever computes them: a file must be the same on every machine.
    axes = (rng.integers(-128, 129, (dimensions, size)) / 128).astype(np.float32)
    mean = (rng.integers(0, 65, size) / 256).astype(np.float32)
    vectors = rng.integers(-64, 65, (photos, dimensions)).astype(np.float32)
    vectors[5] = vectors[3]  # equal ones are found in their order
    listed = [Photo(f"图/{index}.jpg", "0" * 64, ("hat", None, "shoe")[index % 3]) for index in range(photos)]
    data, _ = encode(MODEL, Projection(mean, axes), vectors, listed, dimensions)
    asked = [(rng.integers(0, 1025, size) / 256).tolist() for _ in range(ASKED)]
    return found(base64.b64encode(data).decode(), asked)


def found(data: str, asked: list[list[float]]) -> dict[str, Any]:
    """What is found in a gallery, given in base64."""
    gallery = decode(base64.b64decode(data))
    answers = []
    for numbers in asked:
        embedding = np.asarray(numbers, np.float32)
        neighbours = [
            {"id": gallery.photos[place][0], "label": gallery.photos[place][1], "score": score}
            for place, score in gallery.search(embedding, NEAREST)
        ]
        integers = gallery.question(embedding)[0].tolist()
        answers.append({"embedding": numbers, "integers": integers, "neighbours": neighbours})
    return {"gallery": data, "digest": MODEL.digest, "photos": gallery.header.photos, "asked": answers}


def rounded(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cases as they stand in the file."""
    read: list[dict[str, Any]] = json.loads(json.dumps(cases), parse_float=lambda text: float(f"{float(text):.12g}"))
    return read


if __name__ == "__main__":
    if "--check" not in sys.argv:
        made = rounded([case(*sizes, seed) for seed, sizes in enumerate(CASES)])
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in made)
        PATH.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    else:
        stored = json.loads(PATH.read_text(encoding="utf-8"))
        again = [found(each["gallery"], [one["embedding"] for one in each["asked"]]) for each in stored]
        if rounded(again) != stored:
            sys.exit(f"{PATH.name} is not what the server's code gives. Run: python web/tests/golden/similar.py")
