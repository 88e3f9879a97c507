"""Run a TensorFlow.js graph model in Chromium, on the wasm, webgl or cpu backend, with stock TensorFlow.js.

The bundles are the ones that the page is built from (``web/node_modules``), loaded into an empty page: what
is checked here is the exported graph, not our page.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError

from browser.static import StaticServer
from twinlens.errors import TwinlensError

Backend = Literal["wasm", "webgl", "cpu"]
BACKENDS: Final[tuple[Backend, ...]] = ("wasm", "webgl", "cpu")
_PACKAGES: Final = Path(__file__).parent.parent / "web" / "node_modules" / "@tensorflow"
_BUNDLES: Final = (
    "tfjs-core/dist/tf-core.min.js",
    "tfjs-converter/dist/tf-converter.min.js",
    "tfjs-backend-cpu/dist/tf-backend-cpu.min.js",
    "tfjs-backend-webgl/dist/tf-backend-webgl.min.js",
    "tfjs-backend-wasm/dist/tf-backend-wasm.min.js",
)
_RUN: Final = """
async ({path, backend, pixels, shape, repeats}) => {
  if (backend === 'wasm') tf.wasm.setWasmPaths('/tfjs/tfjs-backend-wasm/dist/');
  if (!await tf.setBackend(backend)) throw new Error(`the ${backend} backend did not start`);
  await tf.ready();
  const model = await tf.loadGraphModel(path);
  const bytes = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
  const image = tf.tensor4d(Int32Array.from(bytes), shape, 'int32');
  const names = Object.keys(model.modelSignature.outputs);
  const milliseconds = [];
  let outputs = [];
  for (let turn = 0; turn <= repeats; turn++) {
    const start = performance.now();
    tf.dispose(outputs);
    outputs = model.predict(image);
    outputs = Array.isArray(outputs) ? outputs : [outputs];
    await Promise.all(outputs.map((tensor) => tensor.data()));
    if (turn > 0) milliseconds.push(performance.now() - start);
  }
  const encode = (array) => {
    const data = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = '';
    for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
    return btoa(text);
  };
  const results = {};
  for (const [i, tensor] of outputs.entries())
    results[names[i]] = {shape: tensor.shape, data: encode(new Float32Array(await tensor.data()))};
  tf.dispose([outputs, image]);
  model.dispose();
  return {backend: tf.getBackend(), results, milliseconds};
}
"""


class GraphRun(NamedTuple):
    """What a graph model answered: its outputs by name, float32, and milliseconds of each repeat."""

    outputs: dict[str, NDArray[np.float32]]
    milliseconds: list[float]


class GraphPage:
    """A page with TensorFlow.js in it, which runs graph models one after another."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder

    def run(self, model: str, pixels: NDArray[np.uint8], backend: Backend, repeats: int = 0) -> GraphRun:
        """Run a graph model on a batch of pixels.

        :param model: its folder below the page's, with ``model.json`` and its weights; ``""`` for the page's own.
        :param pixels: uint8 array of shape (N, height, width, channels).
        :param repeats: timed runs after the first.
        :raises TwinlensError: ``export_mismatch`` with TensorFlow.js' own message if it cannot load or run the model.
        """
        try:
            answer = self._page.evaluate(
                _RUN,
                {
                    "path": f"/model/{model}/model.json" if model else "/model/model.json",
                    "backend": backend,
                    "pixels": base64.b64encode(pixels.tobytes()).decode(),
                    "shape": list(pixels.shape),
                    "repeats": repeats,
                },
            )
        except PlaywrightError as error:
            raise TwinlensError(
                "export_mismatch",
                f"TensorFlow.js cannot run {self._folder / model} on {backend}: {error.message}",
            ) from None
        outputs = {
            name: np.frombuffer(base64.b64decode(result["data"]), np.float32).reshape(result["shape"])
            for name, result in answer["results"].items()
        }
        return GraphRun(outputs, answer["milliseconds"])


def run_graph_model(
    browser: Browser, model: Path, pixels: NDArray[np.uint8], backend: Backend, repeats: int = 0
) -> GraphRun:
    """Run a graph model on a batch of pixels, in a page of its own.

    :param browser: a Chromium, with WebGL for the webgl backend.
    :param model: folder with ``model.json`` and its weights.
    :param pixels: uint8 array of shape (N, height, width, 3).
    :param repeats: timed runs after the first.
    :raises TwinlensError: ``export_mismatch`` with TensorFlow.js' own message if it cannot load or run the model;
        ``missing_requirement`` if TensorFlow.js is not installed in ``web/``.
    """
    with graph_page(browser, model) as page:
        return page.run("", pixels, backend, repeats)


@contextmanager
def graph_page(browser: Browser, folder: Path) -> Iterator[GraphPage]:
    """Open a page that runs the graph models in a folder.

    :param browser: a Chromium, with WebGL for the webgl backend.
    :param folder: a graph model, or a folder of them.
    :raises TwinlensError: ``missing_requirement`` if TensorFlow.js is not installed in ``web/``.
    """
    require_tfjs()
    scripts = "".join(f'<script src="/tfjs/{bundle}"></script>' for bundle in _BUNDLES)
    with tempfile.TemporaryDirectory() as name:
        Path(name, "index.html").write_text(f"<!doctype html><title>TensorFlow.js</title>{scripts}", encoding="utf-8")
        mounts = {"/": Path(name), "/tfjs/": _PACKAGES, "/model/": folder}
        with StaticServer(mounts) as server, browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{server.url}/index.html")
            yield GraphPage(page, folder)


def require_tfjs() -> None:
    """See that TensorFlow.js is installed.

    :raises TwinlensError: ``missing_requirement`` if it is not, with the command that installs it.
    """
    for bundle in _BUNDLES:
        if not (_PACKAGES / bundle).is_file():
            raise TwinlensError(
                "missing_requirement", f"{_PACKAGES / bundle} is not there. Run `make setup`, or `npm ci` in web/."
            )
