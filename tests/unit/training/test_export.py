import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from training import export as exporting
from training.arguments import Arguments
from training.evaluate import measurements
from training.export import export
from training.recipe import train
from twinlens.contract import IntegerEncoding
from twinlens.errors import TwinlensError
from twinlens.golden import check
from twinlens.inference import Network, top
from twinlens.store import open_current

COLOURS = {"红": (200, 40, 40), "grün": (40, 180, 60), "blue": (40, 60, 200)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on made photos: squares of one colour on grey."""
    data = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (data / label).mkdir()
        for number in range(12):
            pixels = generator.integers(90, 160, (72, 72, 3)).astype(np.uint8)
            pixels[8:64, 8:64] = np.clip(np.array(colour) + generator.integers(-30, 30, (56, 56, 3)), 0, 255)
            Image.fromarray(pixels).save(data / label / f"{number}.png")
    out = tmp_path_factory.mktemp("runs") / "colours"
    train(
        Arguments(
            data, out, arch="mobilenet_v3_small", init="none", epochs=1, image_size=64, train_size=(64,), workers=0
        )
    )
    return out


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "colours"
    folder.mkdir()
    (folder / "labels.json").write_text('{"红": {"en": "red", "zh": "红色"}}', encoding="utf-8")
    (folder / "about.md").write_text("Squares, made by a test.", encoding="utf-8")
    export(run, folder)
    return folder


def test_a_version_holds_all_its_files_and_is_in_use(model: Path) -> None:
    version = open_current(model)
    there = {path.relative_to(version.path).as_posix() for path in version.path.rglob("*") if path.is_file()}
    listed = {file.path for file in version.contract.files}
    assert there == listed | {"contract.json", "evaluation.json", "MODEL_CARD.md"}
    for file in version.contract.files:
        assert len(version.read(file.path)) == file.bytes
    assert [path.name for path in model.iterdir() if path.name.startswith(".")] == []


def test_the_published_graph_gives_the_golden_answers(model: Path) -> None:
    check(Network(open_current(model)))


def test_the_contract_describes_the_graphs(model: Path) -> None:
    version = open_current(model)
    contract = version.contract
    assert contract.label_names == sorted(COLOURS)
    assert contract.labels[-1].display == {"en": "red", "zh": "红色"}
    assert contract.labels[0].display == {"en": "blue"}
    assert contract.class_map is None  # mobilenet_v3's head is more than one layer
    outputs = Network(version).outputs(np.zeros((2, 64, 64, 3), np.uint8))
    tfjs = contract.graphs.tfjs
    for name in ("logits", "embedding", "features"):
        assert getattr(tfjs, name).shape[1:] == list(getattr(outputs, name).shape[1:])
    assert contract.embedding_size == outputs.embedding.shape[1]
    document = json.loads(version.read(tfjs.path))
    for name, tensor in document["signature"]["outputs"].items():
        sizes = [int(dim["size"]) for dim in tensor["tensorShape"]["dim"]]
        assert sizes == [-1, *getattr(tfjs, name).shape[1:]]
    assert all(weight.encoding == "float16" for weight in contract.weights.values() if len(weight.shape) >= 2)


def test_the_evaluation_is_of_the_published_graph(model: Path, run: Path) -> None:
    version = open_current(model)
    evaluation = json.loads((version.path / "evaluation.json").read_bytes())
    assert evaluation["validation"]["n"] == evaluation["test"]["n"] == 3
    network = Network(version)
    data = Path(json.loads((run / "run.json").read_bytes())["data"])
    splits = json.loads((run / "splits.json").read_bytes())
    right = 0
    for label, names in splits["test"].items():
        for name in names:
            pixels = exporting.golden.load((data / name).read_bytes(), version.contract, exporting.golden.Limits())
            right += top(network.scores(pixels[None])[0], version.contract.label_names, 1)[0].label == label
    assert evaluation["test"]["top1"] == right / 3
    assert evaluation["test"]["correct"] == right
    assert sum(found["n"] for found in evaluation["test"]["per_label"].values()) == 3
    for measured in evaluation.values():
        assert measured["temperature"] == version.contract.temperature
        assert measured["not_sure"]["threshold"] == version.contract.not_sure.threshold
        assert 0 <= measured["ece"] <= 1


def test_the_card_lists_the_measurement_on_test(model: Path) -> None:
    version = open_current(model)
    card = (version.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Squares, made by a test." in card
    assert version.contract.dataset.digest in card
    measurements = card.split("## Measurements on test")[1]
    assert version.digest in measurements


def test_the_card_of_a_later_export_lists_the_earlier_looks_too(run: Path, model: Path, tmp_path: Path) -> None:
    again = export(run, tmp_path / "colours")
    card = (again.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert open_current(model).digest in card
    assert again.digest in card


def test_the_same_run_exports_to_the_same_graphs(run: Path, model: Path, tmp_path: Path) -> None:
    again = export(run, tmp_path / "colours")
    first = open_current(model)
    graphs = [first.contract.graphs.onnx.path, first.contract.graphs.tfjs.path]
    digests = {file.path: file.sha256 for file in first.contract.files}
    assert {path: digests[path] for path in graphs} == {
        file.path: file.sha256 for file in again.contract.files if file.path in graphs
    }


def test_a_version_name_stands_for_one_contract(run: Path, tmp_path: Path) -> None:
    first = export(run, tmp_path / "m")
    (tmp_path / "m" / "labels.json").write_text('{"blue": {"en": "navy"}}', encoding="utf-8")
    second = export(run, tmp_path / "m")
    assert first.contract.model.version != second.contract.model.version
    looks = len(measurements(run))
    with pytest.raises(TwinlensError, match="exists already"):
        export(run, tmp_path / "m")
    assert len(measurements(run)) == looks


def test_a_version_can_wait_without_being_in_use(run: Path, tmp_path: Path) -> None:
    first = export(run, tmp_path / "m", version="1")
    export(run, tmp_path / "m", version="2", weights="float32", current=False)
    assert open_current(tmp_path / "m").path == first.path
    assert (tmp_path / "m" / "2" / "contract.json").is_file()
    with pytest.raises(TwinlensError, match="exists already") as caught:
        export(run, tmp_path / "m", version="2")
    assert caught.value.code == "already_exists"


def test_integers_are_published_as_any_weights_are(run: Path, tmp_path: Path) -> None:
    version = export(run, tmp_path / "m", weights="int6-channel")
    contract = version.contract
    check(Network(version))
    integers = {name: weight for name, weight in contract.weights.items() if isinstance(weight, IntegerEncoding)}
    assert {weight.bits for weight in integers.values()} == {6, 8}
    assert all(len(weight.tfjs) == 1 for weight in integers.values())
    assert [name for name, weight in contract.weights.items() if len(weight.shape) > 1 and name not in integers] == []
    shards = [file for file in contract.files if file.path.endswith(".gz.bin")]
    weights = sum(math.prod(weight.shape) for weight in contract.weights.values())
    assert sum(file.bytes for file in shards) < 0.8 * weights
    card = (version.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "tensors in 6-bit integers" in card


@pytest.mark.parametrize("step", ["write_tfjs", "encode", "evaluate_logits", "append_measurement", "publish"])
def test_a_failure_at_any_step_leaves_nothing_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(exporting, step, fail)
    with pytest.raises(OSError, match="no space left"):
        export(run, tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("text", ["[]", '{"red": {"en": "red"}}', '{"blue": {"en": 1}}', "{"])
def test_display_names_that_do_not_fit_are_refused(run: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    with pytest.raises(TwinlensError) as caught:
        export(run, tmp_path / "m", labels=tmp_path / "labels.json")
    assert caught.value.code == "invalid_arguments"
    assert not (tmp_path / "m").exists()


def test_photos_that_have_changed_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(TwinlensError) as caught:
        export(run, tmp_path / "m", data=tmp_path)
    assert caught.value.code == "invalid_data"


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch):
    """The official route, played by the direct writer; says what was asked of it."""
    asked: dict[str, object] = {}

    def convert(graph, environment):
        asked["environment"] = environment
        return exporting.write_tfjs(graph, exporting.encode(graph)[1])

    def check(files, inputs, expected, tolerance):
        asked["checked"] = (files, inputs, expected, tolerance)
        return dict.fromkeys(("wasm", "webgl", "cpu"), 1e-6)

    monkeypatch.setattr(exporting, "require_browser", lambda: None)
    monkeypatch.setattr(exporting, "prepare", lambda cache: f"environment in {cache}")
    monkeypatch.setattr(exporting, "convert", convert)
    monkeypatch.setattr(exporting, "check", check)
    return asked


def test_the_official_route_is_checked_against_onnx_runtime_on_the_golden_inputs(
    run: Path, tmp_path: Path, official
) -> None:
    version = export(run, tmp_path / "m", via="tensorflowjs", cache=tmp_path / "cache")
    assert official["environment"] == f"environment in {tmp_path / 'cache'}"
    files, inputs, expected, tolerance = official["checked"]
    assert {name: len(data) for name, data in files.items()} == {
        file.path.removeprefix("tfjs/"): file.bytes for file in version.contract.files if file.path.startswith("tfjs/")
    }
    outputs = Network(version).outputs(inputs)
    assert list(expected) == ["logits", "embedding", "features"]
    for name, values in expected.items():
        np.testing.assert_array_equal(values, getattr(outputs, name))
    assert tolerance == 1e-4


@pytest.mark.parametrize(("step", "code"), [("convert", "unsupported_operation"), ("check", "export_mismatch")])
def test_nothing_is_written_unless_the_official_route_has_worked(
    run: Path, tmp_path: Path, official, monkeypatch: pytest.MonkeyPatch, step: str, code: str
) -> None:
    def fail(*_: object) -> None:
        raise TwinlensError(code, "_fusedhardswish activation not yet supported")

    monkeypatch.setattr(exporting, step, fail)
    with pytest.raises(TwinlensError, match="_fusedhardswish") as caught:
        export(run, tmp_path / "m", via="tensorflowjs")
    assert caught.value.code == code
    assert not (tmp_path / "m").exists()


def test_the_contract_names_a_class_map_weight_only_if_it_is_in_the_graph(official, monkeypatch) -> None:
    weight = {"tfjs_weight": "network.fc.weight", "onnx_initializer": "network.fc.weight"}
    contract = exporting.Contract.model_construct(class_map=exporting.contracts.ClassMap(**weight))
    network = SimpleNamespace(outputs=lambda _: SimpleNamespace(logits=0, embedding=0, features=0))
    for name, kept in (("network.fc.weight", True), ("unknown_7", False)):
        document = {"weightsManifest": [{"weights": [{"name": name}]}]}
        checked = exporting._checked(contract, {"model.json": json.dumps(document).encode()}, network, None)
        assert (checked.class_map is not None) is kept


def test_the_official_route_takes_only_weights_that_stock_tensorflow_js_reads(tmp_path: Path, official) -> None:
    with pytest.raises(TwinlensError, match="--weights float16 or float32, not int8-channel") as caught:
        exporting._official("int8-channel", tmp_path)
    assert caught.value.code == "invalid_arguments"


def test_a_folding_that_changes_answers_is_found(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = exporting.deploy

    def wrong(*arguments: object) -> object:
        deployed = honest(*arguments)
        deployed.network.get_parameter("classifier.3.bias").add_(1)
        return deployed

    monkeypatch.setattr(exporting, "deploy", wrong)
    with pytest.raises(TwinlensError, match="Folding changed the network's logits"):
        export(run, tmp_path / "m")
