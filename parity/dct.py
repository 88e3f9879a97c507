"""``python -m parity.dct [PHOTOS]``: what decoding JPEGs at a fraction of their size costs in accuracy, saves in time.

The contract's ``jpeg_dct_headroom`` says how many pixels per output pixel a scaled decode must leave. This measures
the server's own path at every scale that libjpeg has against the whole decode, on JPEGs with fine texture of several
sizes, and writes ``docs/results/dct.json``: which scale leaves how many pixels, what it changes and what it takes.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.results import RESULTS, commit, result, significant, write_result
from parity import photos as photo_files
from parity.options import Options, parse
from parity.photos import LARGE_SIZE, Photo, large_copies, with_headroom
from twinlens.contract import Contract
from twinlens.decode import Limits, decode
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.preprocess import prepare
from twinlens.settings import Settings
from twinlens.store import open_current

SIZES: Final = ((1600, 1200), LARGE_SIZE, (5600, 4200))
SCALES: Final = (8, 4, 2, 1)

_REPEATS: Final = 3
_LIMITS: Final = Limits()
_DEFINITIONS: Final = {
    "headroom": "pixels per output pixel that this scale leaves; jpeg_dct_headroom allows it from there on down",
    "used": "whether the contract's own jpeg_dct_headroom leads to this scale",
    "score difference": "of one photo: the largest difference of a score from that of the whole decode, over all "
    "labels; both on the server's path",
    "pixel_difference": "mean |difference| of the uint8 network input, of 255",
    "decode_ms, prepare_ms": f"median over the photos of the fastest of {_REPEATS} runs, in one thread",
}


def measure(photos: Sequence[Photo], scale: int, headroom: float, network: Network) -> dict[str, Any]:
    """Decode photos at one scale and whole, and compare the inputs and scores that come of it.

    :param scale: the scale to try: 8 decodes at an eighth, 1 whole.
    :param headroom: the contract's headroom that leads to it.
    :return: a part of a row of the result file.
    :raises RuntimeError: if the decoder took another scale.
    """
    contract = with_headroom(network.contract, headroom)
    whole = with_headroom(network.contract, math.inf)
    decode_ms, prepare_ms, pixel_differences, score_differences = [], [], [], []
    for photo in photos:
        data = photo.path.read_bytes()
        pixels, taken, decoding, preparing = _timed(data, contract)
        if taken != scale:
            raise RuntimeError(f"{photo.name}: decoded at 1/{taken}, not 1/{scale}")
        expected = prepare(decode(data, whole, _LIMITS), whole)
        decode_ms.append(decoding)
        prepare_ms.append(preparing)
        pixel_differences.append(np.abs(pixels.astype(np.int16) - expected).mean())
        found_scores, expected_scores = network.scores(pixels[None]), network.scores(expected[None])
        score_differences.append(np.abs(found_scores - expected_scores).max())
    return {
        "decode_ms": significant(statistics.median(decode_ms), 3),
        "prepare_ms": significant(statistics.median(prepare_ms), 3),
        "pixel_difference": significant(float(np.mean(pixel_differences))),
        "mean_score_difference": significant(float(np.mean(score_differences))),
        "max_score_difference": significant(float(np.max(score_differences))),
    }


def headroom_left(size: tuple[int, int], scale: int, contract: Contract) -> float:
    """Pixels per output pixel that are left of an image of ``size`` at a scale."""
    return min(size) / scale / contract.resize.shorter_edge


def scale_used(size: tuple[int, int], contract: Contract) -> int:
    """The scale at which the contract has an image of ``size`` decoded."""
    allowed = [scale for scale in SCALES if headroom_left(size, scale, contract) >= contract.decode.jpeg_dct_headroom]
    return max(allowed, default=1)


def _timed(data: bytes, contract: Contract) -> tuple[NDArray[np.uint8], int, float, float]:
    decoding, preparing = [], []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        decoded = decode(data, contract, _LIMITS)
        middle = time.perf_counter()
        pixels = prepare(decoded, contract)
        preparing.append(time.perf_counter() - middle)
        decoding.append(middle - start)
    return pixels, decoded.dct_scale, min(decoding) * 1000, min(preparing) * 1000


def main(arguments: list[str] | None = None) -> int:
    """Measure every size and scale; status 2 for a bad argument. A table to choose by: it has no goals."""
    try:
        return _run(parse("parity.dct", "Measure DCT-scaled decoding.", RESULTS / "dct.json", arguments))
    except TwinlensError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(options: Options) -> int:
    began = commit()
    network = Network(open_current(Settings.from_environment().model_folder))
    contract = network.contract
    with tempfile.TemporaryDirectory(prefix="parity-dct-") as name:
        rows = _rows(options.photos, options.large, Path(name), network)
    model = {"name": contract.model.name, "version": contract.model.version}
    facts = {"model": model, "jpeg_dct_headroom": contract.decode.jpeg_dct_headroom}
    content = result(options.command, rows, [], commit=began, definitions=_DEFINITIONS, facts=facts)
    write_result(options.out, content)
    for row in rows:
        sys.stdout.write(f"{row}\n")
    sys.stdout.write(f"Written: {options.out}\n")
    return 0


def _rows(folder: Path | None, large: int, work: Path, network: Network) -> list[dict[str, Any]]:
    contract = network.contract
    if folder is None:
        folder = work / "samples"
        folder.mkdir()
        photo_files.samples(folder)
    photos, _ = photo_files.find(folder, contract)
    rows = []
    for size in SIZES:
        place = work / f"{size[0]}x{size[1]}"
        place.mkdir()
        making = large_copies(photos, large, place, contract, size)
        made = list(tqdm(making, f"{size[0]} x {size[1]}: making", large, unit=" photos"))
        for scale in tqdm(SCALES, f"{size[0]} x {size[1]}: measuring", unit=" scales"):
            left = headroom_left(size, scale, contract)
            if left < 1:
                continue
            allowing = left if scale > 1 else math.inf
            rows.append(
                {
                    "width": size[0],
                    "height": size[1],
                    "photos": len(made),
                    "decoded_at": f"1/{scale}",
                    "headroom": significant(left),
                    "used": scale == scale_used(size, contract),
                    **measure(made, scale, allowing, network),
                }
            )
    return rows


if __name__ == "__main__":
    sys.exit(main())
