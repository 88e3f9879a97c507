"""``python -m training export RUN --out MODELS/NAME``: one run becomes one published version, all of it or nothing.

Everything is made in a hidden folder beside the versions, measured there with the weights as they are written, and
renamed into place at the very end.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training import calibration, checkpoint, golden, model_card, networks
from training.authors import about_model, display_names
from training.contracting import ONNX_FILE, TFJS_FOLDER, TOLERANCE, draft
from training.data import TEST, VALIDATION, DataSet, reopen
from training.deploy import Deployed, deploy
from training.evaluate import MEASUREMENTS, append_measurement, evaluate_logits, measurements, run_network
from training.model_card import CARD
from training.official.adopt import weight_names
from training.official.check import check, require_browser
from training.official.environment import prepare
from training.official.route import convert
from training.onnx_graph import encode, to_onnx
from training.progress import say
from training.rounding import WEIGHTS
from training.rules import Preprocessing, preprocessing
from training.run import Run, as_json, load
from training.tfjs.files import locate, write_tfjs
from twinlens import contract as contracts
from twinlens.contract import Contract
from twinlens.errors import TwinlensError
from twinlens.golden import relative_error
from twinlens.inference import Network, softmax
from twinlens.isolated import Environment
from twinlens.publishing import changing, publisher, put_in_use
from twinlens.store import (
    CONTRACT,
    ModelVersion,
    check_version_name,
    open_version,
    publish,
    write_atomically,
)

EVALUATION: Final = "evaluation.json"
LABELS: Final = "labels.json"
ABOUT: Final = "about.md"
DIRECT: Final = "direct"
TENSORFLOWJS: Final = "tensorflowjs"


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("export", help="write a run as a model for server and browser")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, metavar="MODELS/NAME", help="folder of the model's versions")
    parser.add_argument("--data", type=Path, help="folder of the photos, if not where the run read them")
    parser.add_argument("--weights", choices=WEIGHTS, default="float16", help="what weights are rounded to (float16)")
    parser.add_argument(
        "--via",
        choices=(DIRECT, TENSORFLOWJS),
        default=DIRECT,
        help="how the graph of the page is written: directly, or with onnx2tf and TensorFlow's own converter, which "
        "know more operations and need 3 GB of packages, fetched once (direct)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="where --via tensorflowjs keeps its environment (default: twinlens in $XDG_CACHE_HOME or ~/.cache)",
    )
    parser.add_argument("--version", help="name of the version (default: the date and the contract's digest)")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help='JSON of display names, {"t-shirt": {"en": "T-shirt", "zh": "T恤"}} (default: labels.json in --out)',
    )
    parser.add_argument(
        "--about", type=Path, metavar="FILE", help="Markdown for the model card (default: about.md in --out)"
    )
    parser.add_argument(
        "--not-current", action="store_true", help="publish the version without making it the one in use"
    )
    parser.add_argument("--who", metavar="NAME", help="recorded as who published (whoever is logged in)")
    parser.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> None:
    version = export(
        options.run,
        options.out,
        data=options.data,
        weights=options.weights,
        via=options.via,
        cache=options.cache,
        version=options.version,
        labels=options.labels,
        about=options.about,
        current=not options.not_current,
        who=options.who,
    )
    say(f"{version.path}: sha256 of the contract {version.digest}")


def export(
    run: Path,
    out: Path,
    *,
    data: Path | None = None,
    weights: str = "float16",
    via: str = DIRECT,
    cache: Path | None = None,
    version: str | None = None,
    labels: Path | None = None,
    about: Path | None = None,
    current: bool = True,
    who: str | None = None,
) -> ModelVersion:
    """Publish a run as a new version of a model.

    :param run: the run's folder.
    :param out: the model's folder, ``MODELS/NAME``.
    :param data: where the run's photos are now, if not where they were.
    :param weights: what the weights are rounded to, one of :data:`training.rounding.WEIGHTS`.
    :param via: ``direct``, the direct writer (:mod:`training.tfjs`), or ``tensorflowjs``, the official route
        (:mod:`training.official`), whose result is run in Chromium before anything is published.
    :param cache: where the official route keeps its environment, see
        :func:`training.official.environment.prepare`, whose errors come too.
    :param version: name of the version; by default the date and a digest of all that the contract says.
    :param labels: JSON file of display names by label and language.
    :param about: Markdown file that becomes part of the model card.
    :param current: make it the version in use.
    :param who: recorded as who did; whoever is logged in by default.
    :return: the published version.
    :raises TwinlensError: and nothing is written: ``invalid_run``, ``invalid_data``, ``invalid_arguments``,
        ``already_exists``, ``unsupported_operation``, ``export_mismatch``.
    """
    record, whose = load(run), publisher(who)
    if record.tuned is not None and record.tuned.weights != weights:
        say(
            f"Note: {run} was tuned for {record.tuned.weights}, and its weights have no finer numbers than that. With "
            f"--weights {weights} it is another model; export what it was tuned from if that is what you want."
        )
    name = out.resolve().name
    if name.startswith(".") or not name.isprintable():
        raise TwinlensError(
            "invalid_arguments", f"--out {str(out)!r}: a model's name does not begin with a dot, and can be printed."
        )
    if version is not None:
        _refuse_existing(out / check_version_name(version))
    display = display_names(record.labels, labels or _if_there(out / LABELS))
    about_text = about_model(about or _if_there(out / ABOUT))
    network = networks.create(record.arch, len(record.labels))
    network.load_state_dict(checkpoint.load_best(run))
    rules = preprocessing(record)
    photos = reopen(run, record, data)
    environment = _official(weights, cache) if via == TENSORFLOWJS else None
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    staged.chmod(0o755)
    try:
        contract = _write_graphs(staged, network.eval(), rules, record, name, weights, display, environment)
        contract, evaluation, confused = _measure(staged, contract, rules, photos)
        contract = _named(contract, version)
        _refuse_existing(out / contract.model.version)
        _write(staged / CONTRACT, contracts.dump(contract))
        _write(staged / EVALUATION, as_json(evaluation))
        digest = contracts.digest(contracts.dump(contract))
        _write(staged / CARD, model_card.render(contract, record, about_text, evaluation, confused).encode())
        looks = [*measurements(run), _measurement(evaluation, digest, contract.model.version)]
        for measurement in looks:
            append_measurement(staged / CARD, measurement)
        # The run keeps the list, so that the card of its next export has this look at test too.
        write_atomically(run / MEASUREMENTS, as_json(looks))
        published = publish(staged, out, contract.model.version)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        if made:
            shutil.rmtree(out, ignore_errors=True)
        raise
    if current:
        with changing(out):
            put_in_use(out, published.name, whose, run=run, run_sha256=checkpoint.best_sha256(run))
    return open_version(published)


def _write_graphs(
    folder: Path,
    network: nn.Module,
    rules: Preprocessing,
    record: Run,
    name: str,
    weights: str,
    display: Mapping[str, dict[str, str]],
    environment: Environment | None,
) -> Contract:
    """Write both graphs and the golden vectors; the contract that comes back has no version and is not calibrated.

    :param environment: the environment of the official route, or ``None`` for the direct writer.
    """
    size = (rules.crop.height, rules.crop.width)
    say("Folding and rounding the network")
    deployed = deploy(network, size, rules.normalize, weights)
    golden_files, inputs = golden.make(rules, lambda pixels: _answer(deployed, pixels))
    _check_folding(network, rules, size, inputs)
    say("Writing ONNX and TensorFlow.js")
    graph = to_onnx(deployed, size)
    encoded, encodings = encode(graph, weights)
    tfjs = convert(graph, environment) if environment else write_tfjs(graph, encodings)
    encodings = locate(tfjs, encodings)
    in_folder = {f"{TFJS_FOLDER}/{path}": data for path, data in tfjs.items()}
    files = {ONNX_FILE: encoded.SerializeToString(), **in_folder, **golden_files}
    for path, data in files.items():
        _write(folder / path, data)
    contract = draft(deployed, rules, record, name, files, encodings, display)
    network_onnx = Network(_staged(folder, contract))
    error = relative_error(network_onnx.logits(inputs), _answer(deployed, inputs))
    if not error <= TOLERANCE:
        raise TwinlensError(
            "export_mismatch",
            f"ONNX Runtime's logits are off by {error:.1e} from PyTorch's (at most {TOLERANCE:g}). "
            "Nothing was written.",
        )
    if environment:
        contract = _checked(contract, tfjs, network_onnx, inputs)
    return contract


def _official(weights: str, cache: Path | None) -> Environment:
    """What the official route needs, seen to before anything else is done."""
    if weights not in ("float16", "float32"):
        raise TwinlensError(
            "invalid_arguments",
            f"--via {TENSORFLOWJS} writes weights that stock TensorFlow.js reads: --weights float16 or float32, not "
            f"{weights}.",
        )
    require_browser()
    return prepare(cache)


def _checked(contract: Contract, tfjs: Mapping[str, bytes], network: Network, inputs: NDArray[np.uint8]) -> Contract:
    """Check what the official route wrote; the contract names its class-map weight only if it is still there."""
    outputs = network.outputs(inputs)
    expected = {"logits": outputs.logits, "embedding": outputs.embedding, "features": outputs.features}
    errors = check(tfjs, inputs, expected, TOLERANCE)
    say("Largest error: " + ", ".join(f"{error:.1e} on {backend}" for backend, error in errors.items()))
    kept = contract.class_map is not None and contract.class_map.tfjs_weight in weight_names(tfjs)
    return contract if kept else contract.model_copy(update={"class_map": None})


def _measure(
    folder: Path, contract: Contract, rules: Preprocessing, photos: DataSet
) -> tuple[Contract, dict[str, Any], list[tuple[str, str, int]]]:
    """Calibrate on validation and measure validation and test, all with the graph as it was written."""
    network = Network(_staged(folder, contract))
    logits, targets = run_network(network.logits, photos.splits[VALIDATION], rules)
    temperature = calibration.fit_temperature(logits, targets)
    not_sure = calibration.fit_not_sure(softmax(logits, temperature), targets)
    confused = model_card.most_confused(logits, targets, photos.labels)
    evaluation: dict[str, Any] = {
        VALIDATION: evaluate_logits(logits, targets, temperature, not_sure.threshold),
        TEST: evaluate_logits(
            *run_network(network.logits, photos.splits[TEST], rules), temperature, not_sure.threshold
        ),
    }
    for measured in evaluation.values():
        measured["per_label"] = dict(zip(photos.labels, measured["per_label"], strict=True))
    return contract.model_copy(update={"temperature": temperature, "not_sure": not_sure}), evaluation, confused


def _named(contract: Contract, version: str | None) -> Contract:
    """The contract with its version's name, by default the date and a digest of all that the contract says.

    Hosts may serve a version's files as immutable, so a name must never stand for two contracts.
    """
    digest = contracts.digest(contracts.dump(contract))
    name = version or f"{datetime.now(UTC):%Y%m%d}-{digest[:8]}"
    return contract.model_copy(update={"model": contract.model.model_copy(update={"version": name})})


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise TwinlensError("already_exists", f"{target} exists already. Give another --version, or remove it.")


def _check_folding(network: nn.Module, rules: Preprocessing, size: tuple[int, int], inputs: NDArray[np.uint8]) -> None:
    """Folding must not change what was trained: before rounding, the deployed graph answers as the network does."""
    scaled = torch.from_numpy(inputs).permute(0, 3, 1, 2).double() * rules.normalize.scale
    mean, std = (torch.tensor(v).double().view(1, 3, 1, 1) for v in (rules.normalize.mean, rules.normalize.std))
    with torch.inference_mode():
        trained = network(((scaled - mean) / std).float()).numpy()
    error = relative_error(_answer(deploy(network, size, rules.normalize, "float32"), inputs), trained)
    if not error <= TOLERANCE:
        raise TwinlensError(
            "export_mismatch",
            f"Folding changed the network's logits by {error:.1e} (at most {TOLERANCE:g}): its batch-norm statistics "
            "are degenerate, or it has a layer that is folded wrongly. Nothing was written.",
        )


def _answer(deployed: Deployed, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits: NDArray[np.float32] = deployed(torch.from_numpy(pixels))[0].numpy()
    return logits


def _staged(folder: Path, contract: Contract) -> ModelVersion:
    data = contracts.dump(contract)
    return ModelVersion(folder, contract, data, contracts.digest(data))


def _measurement(evaluation: Mapping[str, Any], digest: str, version: str) -> dict[str, Any]:
    test = evaluation[TEST]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "split": TEST,
        "digest": digest,
        "what": f"exported graph, version {version}",
        **{key: test[key] for key in ("top1", "n", "correct")},
    }


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None
