"""The worker's engine in a real browser: every backend gives the same answer, and the page keeps to the best of them.

What the page does not show yet (maps, boxes, embeddings, the standing of backends) is asked of its worker directly, with
the messages of ``web/src/protocol.ts``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import pytest
import skimage
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from playwright.sync_api import Browser, JSHandle, expect

from browser.static import ISOLATION_HEADERS
from tests import models
from tests.e2e import pictures
from tests.e2e.visit import Visit, file, scores, top_label, visit, with_prelude
from training.report.activation import class_weights
from training.tfjs.files import write_tfjs
from twinlens import store
from twinlens.decode import Limits
from twinlens.inference import Network
from twinlens.preprocess import crop_box, load

ROOT: Final = Path(__file__).parents[2]
CLOTHING: Final = ROOT / "bentos" / "clothing"
# The network's sums differ in their last bits from one runtime to the other.
SAME: Final = 1e-4

_START: Final = """
({ worker, model, backend }) => {
  const port = new Worker(worker, { type: 'module' });
  const seen = [];
  const waiting = [];
  port.onmessage = ({ data }) => {
    seen.push(data);
    for (const look of [...waiting]) look();
  };
  port.postMessage({ kind: 'start', model, backend });
  const wait = (fits, from = 0) => new Promise((resolve) => {
    const look = () => {
      const found = seen.slice(from).find(fits);
      if (!found) return;
      waiting.splice(waiting.indexOf(look), 1);
      resolve(found);
    };
    waiting.push(look);
    look();
  });
  let last = 0;
  return {
    seen,
    wait,
    use(backend) {
      const from = seen.length;
      port.postMessage({ kind: 'use', backend });
      return wait((one) => one.asked === backend || one.kind === 'backend-refused', from);
    },
    async classify(photo) {
      const id = last++;
      const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt(0));
      port.postMessage({ kind: 'classify', id, file: new Blob([bytes]) });
      const { answer, failure } = await wait((one) => one.id === id);
      if (failure) throw new Error(JSON.stringify(failure));
      const { thumbnail, ...rest } = answer;
      return JSON.stringify(rest, (_, value) => (value instanceof Float32Array ? [...value] : value));
    },
    end: () => port.terminate(),
  };
}
"""


class Engine:
    """The page's worker, started by itself in the page's place."""

    def __init__(self, visited: Visit, backend: str | None = None) -> None:
        self._page = visited.page
        (worker,) = {request.path for request in visited.server.requests if "/worker-" in request.path}
        model = f"{self._page.url.split('?')[0]}model/"
        self._handle: JSHandle = self._page.evaluate_handle(
            _START, {"worker": worker, "model": model, "backend": backend}
        )

    def ready(self) -> dict[str, Any]:
        """What the page is told once everything is loaded."""
        return dict(self._call("wait((one) => one.kind === 'ready' || one.kind === 'not-ready')")["ready"])

    def settled(self) -> list[dict[str, Any]]:
        """The standing of the backends once one was chosen."""
        return list(self._call("wait((one) => one.kind === 'backends')")["backends"])

    def backends(self, state: str) -> dict[str, Any]:
        """The message that says of some backend that it is in a state."""
        found = f"one.kind === 'backends' && one.backends.some(({{ state }}) => state === {state!r})"
        return dict(self._call(f"wait((one) => {found})"))

    def use(self, backend: str) -> dict[str, Any]:
        """Ask for a backend; the message that answers."""
        return dict(self._call(f"use({backend!r})"))

    def classify(self, photo: bytes) -> dict[str, Any]:
        """The answer for an image file, but for its thumbnail."""
        return dict(json.loads(self._call(f"classify({base64.b64encode(photo).decode()!r})")))

    def end(self) -> None:
        """Terminate the worker."""
        self._call("end()")

    def _call(self, expression: str) -> Any:
        return self._handle.evaluate(f"(engine) => engine.{expression}")


@contextmanager
def engine(
    browser: Browser, dist: Path, model: Path, backend: str | None = "wasm", **options: Any
) -> Iterator[tuple[Engine, Visit]]:
    """A worker of the page's, beside the page's own, which is left on WebAssembly."""
    with visit(browser, dist, model, query="?backend=wasm", **options) as visited:
        visited.wait_until_ready()
        yield Engine(visited, backend), visited


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    """Photos as PNG files: wide, high and nearly square."""
    arrays = [skimage.data.coffee(), skimage.data.rocket(), skimage.data.astronaut()[:, :300]]
    return [pictures.saved(Image.fromarray(array), "PNG") for array in arrays]


@pytest.mark.parametrize(
    ("query", "headers", "name"),
    [
        ("?backend=wasm", {}, "wasm"),
        ("?backend=wasm", ISOLATION_HEADERS, "wasm"),
        ("?backend=webgl", {}, "webgl"),
    ],
    ids=["wasm", "threads", "webgl"],
)
def test_every_backend_gives_the_same_answer(
    browser: Browser, dist: Path, photos: Sequence[bytes], query: str, headers: dict[str, str], name: str
) -> None:
    network = Network(store.open_current(CLOTHING))
    with visit(browser, dist, CLOTHING, query=query, headers=headers) as visited:
        results = visited.give([file(f"{index}.png", photo) for index, photo in enumerate(photos)])
        expect(visited.page.get_by_test_id("backend")).to_have_text(name)
        for photo, result in zip(photos, results, strict=True):
            expected = network.scores(load(photo, network.contract, Limits())[None])[0]
            assert np.abs(scores(result) - expected).max() < SAME
            assert top_label(result) == network.contract.label_names[int(expected.argmax())]


def test_threads_are_used_where_the_page_is_isolated(browser: Browser, dist: Path, colours: Path) -> None:
    with engine(browser, dist, colours, headers=ISOLATION_HEADERS) as (asked, _):
        (wasm, *_) = asked.ready()["backends"]
        assert wasm["state"] == "in-use"
        assert wasm["threads"] >= 2
    with engine(browser, dist, colours) as (asked, _):
        (wasm, *_) = asked.ready()["backends"]
        assert (wasm["state"], wasm["threads"]) == ("in-use", 1)


def test_a_backend_that_is_not_known_is_not_asked_for(browser: Browser, dist: Path, colours: Path) -> None:
    with visit(browser, dist, colours, query="?backend=abacus") as visited:
        (result,) = visited.give([picture("red")])
        assert top_label(result) == "red"
        expect(visited.page.get_by_test_id("backend")).to_have_text("wasm")


@pytest.mark.parametrize("backend", ["wasm", "webgl"])
def test_an_answer_has_embedding_maps_and_box(
    browser: Browser, dist: Path, photos: Sequence[bytes], backend: str
) -> None:
    version = store.open_current(CLOTHING)
    contract = version.contract
    assert contract.class_map is not None
    network, weights = Network(version), class_weights(version, contract.class_map)
    with engine(browser, dist, CLOTHING, backend) as (asked, _):
        ready = asked.ready()
        assert ready["maps"] is True
        assert ready["embeddingSize"] == contract.embedding_size
        assert ready["notSure"] == contract.not_sure.threshold
        assert ready["digest"] == hashlib.sha256((version.path / store.CONTRACT).read_bytes()).hexdigest()
        assert {each["path"]: each["bytes"] for each in ready["files"]} == {
            each.path: each.bytes for each in contract.files if each.path.startswith("tfjs/")
        }
        for photo in photos:
            answer = asked.classify(photo)
            outputs = network.outputs(load(photo, contract, Limits())[None])
            _near(answer["embedding"], outputs.embedding[0])
            maps = answer["maps"]
            expected = np.einsum("yxc,lc->lyx", outputs.features[0].astype(np.float64), weights)
            assert (maps["height"], maps["width"]) == expected.shape[1:]
            _near(maps["values"], expected)
            with Image.open(io.BytesIO(photo)) as image:
                size = image.size
            assert [answer["width"], answer["height"]] == list(size)
            box = answer["box"]
            edges = [box["left"], box["top"], box["right"], box["bottom"]]
            assert edges == pytest.approx(crop_box(*size, contract), abs=1e-9)
            assert answer["milliseconds"]["decode"] > 0
            assert answer["milliseconds"]["inference"] > 0


def test_without_weights_for_them_there_are_no_maps(browser: Browser, dist: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path, class_map=None)
    with engine(browser, dist, model) as (asked, _):
        assert asked.ready()["maps"] is False
        answer = asked.classify(bytes(picture("red")["buffer"]))
        assert answer["maps"] is None
        assert len(answer["embedding"]) == 3


def test_weights_for_maps_that_the_graph_has_not_are_an_error(browser: Browser, dist: Path, tmp_path: Path) -> None:
    model = models.write(tmp_path, class_map={"tfjs_weight": "elsewhere", "onnx_initializer": "weight"})
    with visit(browser, dist, model, quiet=False) as visited:
        (result,) = visited.give([picture("red")])
        expect(result).to_have_attribute("data-error", "invalid_model")


@pytest.mark.parametrize("backend", ["wasm", "webgl"])
def test_two_hundred_photos_leave_no_tensor_behind(browser: Browser, dist: Path, colours: Path, backend: str) -> None:
    def tensors() -> str | None:
        return visited.page.locator("body").get_attribute("data-tensors")

    with visit(browser, dist, colours, query=f"?backend={backend}") as visited:
        visited.give([picture("red")])
        before = tensors()
        visited.give([picture(models.LABELS[index % len(models.LABELS)]) for index in range(200)])
        visited.give([picture("red")])
        assert before is not None
        assert tensors() == before


def test_the_backends_are_measured_and_the_fastest_is_used_and_remembered(
    browser: Browser, dist: Path, colours: Path
) -> None:
    with engine(browser, dist, colours, None) as (first, visited):
        found = first.settled()
        times = {each["name"]: each["milliseconds"] for each in found if each["milliseconds"] is not None}
        assert set(times) >= {"wasm", "webgl"}
        (used,) = [each["name"] for each in found if each["state"] == "in-use"]
        assert times[used] == min(times.values())
        first.end()
        again = Engine(visited, None)
        assert again.settled() == found, "the same numbers to the last bit are remembered ones"


def test_the_visitor_s_choice_is_used_and_remembered(browser: Browser, dist: Path, colours: Path) -> None:
    with engine(browser, dist, colours, None) as (first, visited):
        first.ready()
        answered = first.use("webgl")
        assert (answered["kind"], answered["backend"]) == ("backends", "webgl")
        assert _label(first.classify(bytes(picture("blue")["buffer"]))) == "blue"
        first.end()
        again = Engine(visited, None)
        assert again.ready()["backend"] == "wasm", "it answers at once"
        assert {each["name"] for each in again.settled() if each["state"] == "in-use"} == {"webgl"}
        assert again.use("wasm")["backend"] == "wasm"


def test_what_this_browser_has_not_is_refused(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    with engine(browser, with_prelude(dist, tmp_path, NO_GPU), colours, None) as (asked, _):
        asked.ready()
        assert asked.use("webgl") == {"kind": "backend-refused", "backend": "webgl", "reason": "unavailable"}
        assert _label(asked.classify(bytes(picture("green")["buffer"]))) == "green"


NO_GPU = """
OffscreenCanvas.prototype.getContext = new Proxy(OffscreenCanvas.prototype.getContext, {
  apply: (get, canvas, [kind, options]) => (kind === 'webgl2' ? null : get.call(canvas, kind, options)),
});
"""
# Half precision, as the graphics cards of some telephones have: right enough for games.
INEXACT = """
const data = WebGL2RenderingContext.prototype.getBufferSubData;
WebGL2RenderingContext.prototype.getBufferSubData = function (target, offset, found, ...rest) {
  data.call(this, target, offset, found, ...rest);
  for (let at = 0; at < found.length; at++) found[at] *= 1.001;
};
"""


def test_an_inexact_backend_is_refused(browser: Browser, dist: Path, colours: Path, tmp_path: Path) -> None:
    with engine(browser, with_prelude(dist, tmp_path, INEXACT), colours, "webgl") as (asked, _):
        ready = asked.ready()
        assert ready["backend"] == "wasm"
        assert [each["reason"] for each in ready["backends"] if each["name"] == "webgl"] == ["inexact"]


KEEP_CONTEXTS = """
self.contexts = [];
OffscreenCanvas.prototype.getContext = new Proxy(OffscreenCanvas.prototype.getContext, {
  apply(get, canvas, [kind, options]) {
    const context = get.call(canvas, kind, options);
    if (kind === 'webgl2') self.contexts.push(context);
    return context;
  },
});
"""
LOSE = "self.contexts.at(-1).getExtension('WEBGL_lose_context').loseContext()"
# What a graphics card without memory does: drawing fails, and so does whatever waits for it.
SPOIL = "() => { WebGL2RenderingContext.prototype.drawElements = () => { throw new Error('out of memory'); }; }"


@pytest.mark.parametrize("accident", [LOSE, SPOIL], ids=["lost", "out of memory"])
def test_a_backend_that_fails_is_left_and_the_photo_is_answered(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path, accident: str
) -> None:
    with engine(browser, with_prelude(dist, tmp_path, KEEP_CONTEXTS), colours, "webgl") as (asked, visited):
        assert asked.ready()["backend"] == "webgl"
        before = asked.classify(bytes(picture("red")["buffer"]))
        visited.page.workers[-1].evaluate(accident)
        after = asked.classify(bytes(picture("red")["buffer"]))
        assert _label(after) == "red"
        _near(after["scores"], before["scores"])
        told = asked.backends("refused")
        assert told["backend"] == "wasm"
        assert [each["reason"] for each in told["backends"] if each["name"] == "webgl"] == ["failed"]


def test_a_context_that_is_lost_under_way_is_not_waited_for(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """The context goes when the shaders are already under way and their answer is waited for."""
    with engine(browser, with_prelude(dist, tmp_path, KEEP_CONTEXTS), colours, "webgl") as (asked, visited):
        asked.ready()
        visited.page.workers[-1].evaluate(
            """() => {
                const context = self.contexts.at(-1);
                const extension = context.getExtension('WEBGL_lose_context');
                const fence = context.fenceSync;
                context.fenceSync = (...given) => {
                    const sync = fence.apply(context, given);
                    context.clientWaitSync = () => context.TIMEOUT_EXPIRED;
                    setTimeout(() => extension.loseContext(), 50);
                    return sync;
                };
            }"""
        )
        assert _label(asked.classify(bytes(picture("cyan")["buffer"]))) == "cyan"
        assert asked.backends("refused")["backend"] == "wasm"


def test_another_backend_needs_no_network(browser: Browser, dist: Path, colours: Path) -> None:
    with engine(browser, dist, colours, None, headers=ISOLATION_HEADERS) as (asked, visited):
        asked.ready()
        loaded = len(visited.server.requests)
        visited.page.context.set_offline(True)
        for backend in ("webgl", "wasm", "webgl"):
            assert asked.use(backend)["backend"] == backend
            assert _label(asked.classify(bytes(picture("red")["buffer"]))) == "red"
        assert len(visited.server.requests) == loaded


def test_a_graph_with_another_operation_is_run_all_the_same(
    browser: Browser, dist: Path, colours: Path, tmp_path: Path
) -> None:
    """As TensorFlow's own converter writes them; the rest of TensorFlow.js is fetched for it alone."""
    model = Path(shutil.copytree(colours, tmp_path / "model"))
    version = model / store.current_version(model)
    document = json.loads((version / "tfjs" / "model.json").read_text())
    outputs = document["signature"]["outputs"]
    kind = {"T": {"type": "DT_FLOAT"}}
    logits = outputs["logits"]["name"].removesuffix(":0")
    document["modelTopology"]["node"] += [
        {"name": "larger", "op": "Maximum", "input": [logits, logits], "attr": kind},
        {"name": "rounded", "op": "Softplus", "input": ["larger"], "attr": kind},
    ]
    outputs["logits"]["name"] = "rounded:0"
    _replace(version, "tfjs/model.json", json.dumps(document).encode())
    with visit(browser, dist, model) as visited:
        for colour in models.LABELS:
            (result,) = visited.give([picture(colour)])
            assert top_label(result) == colour
        assert [request.path for request in visited.server.requests if "/whole-" in request.path] != []
    with visit(browser, dist, colours) as visited:
        visited.wait_until_ready()
        assert [request.path for request in visited.server.requests if "/whole-" in request.path] == []


@pytest.mark.parametrize("backend", ["wasm", "webgl"])
def test_the_page_has_code_for_every_operation_that_it_says(
    browser: Browser, dist: Path, tmp_path: Path, backend: str
) -> None:
    model = models.write(tmp_path)
    version = model / store.current_version(model)
    graph = _every_operation()
    tfjs = write_tfjs(graph, {})
    document = json.loads(tfjs["model.json"])
    written = {node["op"] for node in document["modelTopology"]["node"]}
    source = (ROOT / "web" / "src" / "tfjs" / "operations.ts").read_text(encoding="utf-8")
    known = {line.strip(" ',") for line in source.splitlines() if line.startswith("  '")}
    # What the direct writer never writes, but TensorFlow's converter always.
    assert written | {"Identity", "MatMul", "Pad"} == known
    ((shard, weights),) = [(path, data) for path, data in tfjs.items() if path != "model.json"]
    contract = json.loads((version / store.CONTRACT).read_text())
    contract["files"] = [each for each in contract["files"] if not each["path"].startswith("tfjs/weights")]
    contract["files"].append({"path": f"tfjs/{shard}", "sha256": "", "bytes": 0})
    contract["class_map"] = None
    (version / store.CONTRACT).write_text(json.dumps(contract))
    _replace(version, f"tfjs/{shard}", weights)
    _replace(version, "tfjs/model.json", tfjs["model.json"])
    with engine(browser, dist, model, backend) as (asked, visited):
        assert asked.ready()["backend"] == backend
        assert [request.path for request in visited.server.requests if "/whole-" in request.path] == []
        photo = picture("magenta")
        pixels = load(bytes(photo["buffer"]), store.open_current(model).contract, Limits())
        found = asked.classify(bytes(photo["buffer"]))
        _near(found["embedding"], _run(graph, pixels))


def picture(colour: str) -> Any:
    return file(f"{colour}.png", models.encoded(models.picture(colour), "PNG"))


def _label(answer: dict[str, Any]) -> str:
    return models.LABELS[int(np.argmax(answer["scores"]))]


def _near(found: Any, expected: Any) -> None:
    """The same but for the last bits of float32 sums."""
    expected = np.asarray(expected, np.float64).ravel()
    assert np.asarray(found).shape == expected.shape
    assert np.abs(np.asarray(found) - expected).max() <= SAME * np.abs(expected).max()


def _replace(version: Path, path: str, data: bytes) -> None:
    """Put another file into a version, and its digest into the contract."""
    (version / path).write_bytes(data)
    contract = json.loads((version / store.CONTRACT).read_text())
    (entry,) = (entry for entry in contract["files"] if entry["path"] == path)
    entry.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    (version / store.CONTRACT).write_text(json.dumps(contract))


def _every_operation() -> onnx.ModelProto:
    """A graph whose embedding every operation of the direct writer leads to, of the made model's shapes."""
    rng = np.random.default_rng(5)
    constants: dict[str, NDArray[Any]] = {
        "scale": np.full(3, 1 / 255, np.float32),
        "patch": rng.normal(0, 0.1, (4, 3, 16, 16)).astype(np.float32),
        "depthwise": rng.normal(0, 0.5, (4, 1, 3, 3)).astype(np.float32),
        "divisor": np.asarray([1.5], np.float32),
        "subtrahend": np.asarray([0.25], np.float32),
        "zero": np.asarray(0, np.float32),
        "six": np.asarray(6, np.float32),
        "begin": np.asarray([1], np.int64),
        "end": np.asarray([4], np.int64),
        "channels": np.asarray([1], np.int64),
        "flat": np.asarray([-1, 16, 4], np.int64),
        "norm": rng.normal(1, 0.1, 4).astype(np.float32),
        "shift": rng.normal(0, 0.1, 4).astype(np.float32),
        "row": np.asarray([-1, 64], np.int64),
        "plane": np.asarray([2, 3], np.int64),
        "linear": rng.normal(0, 0.3, (64, 3)).astype(np.float32),
        "bias": rng.normal(0, 0.1, 3).astype(np.float32),
        "weight": rng.normal(0, 0.3, (3, len(models.LABELS))).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        node("Mul", ["float", "scale"], ["scaled"]),
        node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "patch"], ["patches"], strides=[16, 16]),
        node("Conv", ["patches", "depthwise"], ["spread"], group=4, pads=[1, 1, 1, 1]),
        node("Sigmoid", ["spread"], ["gate"]),
        node("Mul", ["patches", "gate"], ["gated"]),
        node("Tanh", ["gated"], ["bent"]),
        node("Div", ["bent", "divisor"], ["divided"]),
        node("Sub", ["divided", "subtrahend"], ["less"]),
        node("Relu", ["less"], ["positive"]),
        node("Clip", ["bent", "zero", "six"], ["clipped"]),
        node("Add", ["positive", "clipped"], ["sum"]),
        node("MaxPool", ["sum"], ["highest"], kernel_shape=[2, 2], strides=[1, 1], pads=[1, 1, 0, 0]),
        node("AveragePool", ["highest"], ["mean"], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
        node("Slice", ["mean", "begin", "end", "channels"], ["some"]),
        node("Slice", ["mean", "zero_axis", "begin", "channels"], ["first"]),
        node("Concat", ["some", "first"], ["turned"], axis=1),
        node("Gelu", ["turned"], ["soft"]),
        node("Reshape", ["soft", "flat"], ["tokens"]),
        node("LayerNormalization", ["tokens", "norm", "shift"], ["normal"], axis=-1),
        node("Transpose", ["normal"], ["across"], perm=[0, 2, 1]),
        node("MatMul", ["normal", "across"], ["products"]),
        node("Softmax", ["products"], ["attention"], axis=-1),
        node("MatMul", ["attention", "normal"], ["attended"]),
        node("Reshape", ["attended", "row"], ["flattened"]),
        node("Gemm", ["flattened", "linear", "bias"], ["embedding"]),
        node("Gemm", ["embedding", "weight"], ["logits"]),
        node("Slice", ["patches", "zero_axis", "three", "channels"], ["features"]),
    ]
    constants |= {"zero_axis": np.asarray([0], np.int64), "three": np.asarray([3], np.int64)}
    side = models.SIZE // 16
    outputs = {
        "logits": ["N", len(models.LABELS)],
        "embedding": ["N", 3],
        "features": ["N", 3, side, side],
    }
    graph = helper.make_graph(
        nodes,
        "every operation",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", models.SIZE, models.SIZE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _run(graph: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (embedding,) = session.run(["embedding"], {"image": pixels[None]})
    return np.asarray(embedding[0])
