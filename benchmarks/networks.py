"""``python -m benchmarks.networks PHOTOS``: several networks on one folder of photos, into docs/results/networks.json.

Each is trained, exported and measured by the same three commands that README shows, with the recipe's own numbers
unless the command line gives others. Training is done first; the milliseconds are taken afterwards, the networks in
turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.results import RESULTS, ROOT, Goal, commit, portable, result, significant, write_result
from browser.chromium import chromium
from browser.tfjs import graph_page
from training import networks
from training.arguments import Arguments
from training.data import TEST, VALIDATION
from training.export import export
from training.progress import say
from training.recipe import train
from training.target import open_photos, open_target
from twinlens.arguments import integer
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.footprint import export_sizes, latencies
from twinlens.settings import Settings
from twinlens.store import CURRENT, ModelVersion, open_current

WORK: Final = ROOT / "build" / "bench-networks"
NAMES: Final = "mobilenet_v2,mobilenet_v3_small,shufflenet_v2_x1_0,squeezenet1_1,resnet18"
DEFINITIONS: Final = {
    "initial": "weights that the training began with",
    "right": "test photos answered rightly, of so many",
    "interval": "95 % interval of the test accuracy (Wilson)",
    "megabytes": "10^6 bytes that the page fetches for the model, as they are and gzipped, in float16",
    "server_ms": "median milliseconds of the network alone in ONNX Runtime, one photo, every core",
    "page_ms": "median milliseconds of the network alone in TensorFlow.js on wasm with one thread, one photo; all "
    "networks in memory, taking turns",
}
_PAGE_TURNS: Final = 25


def trained(photos: Path, arch: str, init: str, options: argparse.Namespace) -> ModelVersion:
    """Train and export a network, or take what an earlier call with the same arguments has left.

    :raises TwinlensError: as training and export do.
    """
    given = {name: getattr(options, name) for name in ("epochs", "seed") if getattr(options, name) is not None}
    if options.train_size:
        given["train_size"] = tuple(options.train_size)
    run, model = options.work / "runs" / arch, options.work / "models" / arch
    train(Arguments(photos, run, arch=arch, init=init, resume=True, **given))
    return open_current(model) if (model / CURRENT).is_file() else export(run, model)


def page_milliseconds(versions: Sequence[ModelVersion]) -> list[float]:
    """Median milliseconds of one photo on wasm, the networks taking turns."""
    folders = [(version.path / version.contract.graphs.tfjs.path).parent for version in versions]
    common = os.path.commonpath(folders)
    images = {}
    for version, folder in zip(versions, folders, strict=True):
        crop = version.contract.crop
        pixels = np.random.default_rng(0).integers(0, 256, (1, crop.height, crop.width, 3), dtype=np.uint8)
        images[Path(os.path.relpath(folder, common)).as_posix()] = pixels
    with chromium() as browser, graph_page(browser, Path(common)) as page:
        return [statistics.median(found) for found in page.time(images, "wasm", _PAGE_TURNS).values()]


def rows(versions: Sequence[ModelVersion], inits: Sequence[str], photos: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each network.

    :param inits: what each began with.
    :param photos: files to take the server's milliseconds with.
    """
    server = latencies([Classifier(version, Settings()) for version in versions], photos)
    page = page_milliseconds(versions)
    found = []
    for version, init, on_server, on_page in zip(versions, inits, server, page, strict=True):
        evaluation = json.loads((version.path / "evaluation.json").read_bytes())
        test, size = evaluation[TEST], export_sizes(version)["tfjs"]
        found.append(
            {
                "network": version.contract.model.architecture,
                "initial": {networks.IMAGENET: "ImageNet", networks.NONE: "none"}.get(init, "ImageNet, from a file"),
                "validation_top1": significant(evaluation[VALIDATION]["top1"]),
                "test_top1": significant(test["top1"]),
                "right": [test["correct"], test["n"]],
                "interval": [significant(end, 3) for end in test["interval"]],
                "megabytes": [significant(size["bytes"] / 1e6, 3), significant(size["gzip_bytes"] / 1e6, 3)],
                "server_ms": significant(on_server["network"]["median_ms"], 3),
                "page_ms": significant(on_page, 3),
            }
        )
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Train, export, measure, write; status 2 for bad arguments or photos."""
    options = _parser().parse_args(given)
    began = commit()
    names = [name.strip() for name in options.networks.split(",") if name.strip()]
    inits = dict(pair.partition("=")[::2] for pair in options.init)
    try:
        unknown = sorted(set(inits) - set(names))
        if len(set(names)) < len(names):
            raise TwinlensError("invalid_arguments", f"--networks {options.networks} names a network twice.")
        if unknown or not names:
            raise TwinlensError("invalid_arguments", f"--init names networks that are not compared: {unknown}.")
        chosen = [inits.get(name, options.other_init) for name in names]
        versions = []
        for name, init in zip(names, chosen, strict=True):
            say(f"{name}, initial weights: {init}")
            versions.append(trained(options.photos, name, init, options))
        target = open_target(versions[0].path)
        test = open_photos(target, options.photos, False, 0).splits[TEST]
        found = rows(versions, chosen, [sample.path for sample in test])
    except TwinlensError as error:
        sys.stderr.write(f"error [{error.code}]: {error.detail}\n")
        return 2
    with chromium() as browser:
        chromium_version = browser.version
    content = result(
        _command(options),
        found,
        [Goal("networks_compared", len(found), "networks", 5, "higher")],
        commit=began,
        definitions=DEFINITIONS,
        versions={"chromium": chromium_version},
        facts={"dataset": target.data_digest},
    )
    write_result(options.out, content)
    for row in found:
        say(f"{row['network']}: test top-1 {row['test_top1']}, server {row['server_ms']} ms, page {row['page_ms']} ms")
    say(f"Written: {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder of photos, as for `python -m training train`")
    add("--networks", default=NAMES, metavar="A,B", help="torchvision's names (%(default)s)")
    add("--init", action="append", default=[], metavar="NAME=FILE", help="initial weights of one network")
    add("--other-init", default=networks.IMAGENET, help="initial weights of the others (%(default)s)")
    add("--epochs", type=integer(1), help="of each training (the recipe's)")
    add("--train-size", type=integer(8), nargs="+", help="as for `python -m training train` (the recipe's)")
    add("--seed", type=integer(0), help="as for `python -m training train` (the recipe's)")
    add("--work", type=Path, default=WORK, metavar="FOLDER", help="where runs and models are kept, to go on with")
    add("--out", type=Path, default=RESULTS / "networks.json", help="result file (%(default)s)")
    return parser


def _command(options: argparse.Namespace) -> str:
    words = [f"--networks {options.networks}"] if options.networks != NAMES else []
    for pair in options.init:
        name, _, path = pair.partition("=")
        words.append(f"--init {name}={path if path in (networks.IMAGENET, networks.NONE) else portable(Path(path))}")
    words += [f"--other-init {options.other_init}"] if options.other_init != networks.IMAGENET else []
    words += [f"--epochs {options.epochs}"] if options.epochs else []
    words += [f"--train-size {' '.join(map(str, options.train_size))}"] if options.train_size else []
    words += [f"--seed {options.seed}"] if options.seed is not None else []
    arguments = f' ARGS="{" ".join(words)}"' if words else ""
    return f"make bench-networks PHOTOS={portable(options.photos)}{arguments}"


if __name__ == "__main__":
    sys.exit(main())
