"""Run a TensorFlow.js graph model in Chromium, on the wasm, webgl or cpu backend, with stock TensorFlow.js.

The bundles are the ones that the page is built from (``web/node_modules``), loaded into an empty page: what
is checked here is the exported graph, not our page.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

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
# For the scripts below: a backend, and a model by the address of its model.json, with the pixels that it is given.
_OPEN: Final = """
async function open({path, pixels, shape}) {
  const model = await tf.loadGraphModel(path);
  const bytes = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
  const image = tf.tensor4d(Int32Array.from(bytes), shape, 'int32');
  const run = async () => {
    const outputs = [model.predict(image)].flat();
    await Promise.all(outputs.map((tensor) => tensor.data()));
    return outputs;
  };
  const close = () => {
    image.dispose();
    model.dispose();
  };
  return {names: Object.keys(model.modelSignature.outputs), run, close};
}
async function start(backend) {
  if (backend === 'wasm') tf.wasm.setWasmPaths('/tfjs/tfjs-backend-wasm/dist/');
  if (!await tf.setBackend(backend)) throw new Error(`the ${backend} backend did not start`);
  await tf.ready();
}
"""
_RUN: Final = """
async ({backend, models: [model]}) => {
  await start(backend);
  const opened = await open(model);
  const outputs = await opened.run();
  const encode = (array) => {
    const data = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = '';
    for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
    return btoa(text);
  };
  const results = {};
  for (const [i, tensor] of outputs.entries())
    results[opened.names[i]] = {shape: tensor.shape, data: encode(new Float32Array(await tensor.data()))};
  tf.dispose(outputs);
  opened.close();
  return results;
}
"""
_TIME: Final = """
async ({backend, models, turns}) => {
  await start(backend);
  const named = (i, promise) =>
    promise.catch((error) => {
      throw new Error(`${models[i].path}: ${error.message}`);
    });
  const opened = [];
  for (const [i, model] of models.entries()) opened.push(await named(i, open(model)));
  const milliseconds = models.map(() => []);
  const warming = 2;
  for (let turn = -warming; turn < turns; turn++) {
    const order = [...opened.keys()];
    for (const i of turn % 2 ? order.reverse() : order) {
      const began = performance.now();
      const outputs = await named(i, opened[i].run());
      if (turn >= 0) milliseconds[i].push(performance.now() - began);
      tf.dispose(outputs);
    }
  }
  for (const model of opened) model.close();
  return milliseconds;
}
"""


class GraphPage:
    """A page with TensorFlow.js in it, which runs graph models one after another."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder

    def run(self, model: str, pixels: NDArray[np.uint8], backend: Backend) -> dict[str, NDArray[np.float32]]:
        """Run a graph model on a batch of pixels.

        :param model: its folder below the page's, with ``model.json`` and its weights; ``""`` for the page's own.
        :param pixels: uint8 array of shape (N, height, width, channels).
        :return: its outputs by name, float32.
        :raises TwinlensError: ``export_mismatch`` with TensorFlow.js' own message if it cannot load or run the model.
        """
        answer = self._evaluate(_RUN, backend, {model: pixels})
        return {
            name: np.frombuffer(base64.b64decode(result["data"]), np.float32).reshape(result["shape"])
            for name, result in answer.items()
        }

    def time(self, images: Mapping[str, NDArray[np.uint8]], backend: Backend, turns: int) -> dict[str, list[float]]:
        """Time graph models that lie in memory together and take turns, one image each, every second turn backwards.

        A machine that slows down for a while, or collects garbage, so slows all of them.

        :param images: for each model, by its folder below the page's, what it is given: as for :meth:`run`.
        :param turns: how often each is timed, after two runs that are not. An even number treats two models alike: a
            model runs twice on end where the order turns.
        :return: the milliseconds of each turn, by model.
        :raises TwinlensError: as :meth:`run` does.
        """
        return dict(zip(images, self._evaluate(_TIME, backend, images, turns=turns), strict=True))

    def _evaluate(self, script: str, backend: Backend, images: Mapping[str, NDArray[np.uint8]], **given: Any) -> Any:
        models = [
            {
                "path": f"/model/{model}/model.json" if model else "/model/model.json",
                "pixels": base64.b64encode(pixels.tobytes()).decode(),
                "shape": list(pixels.shape),
            }
            for model, pixels in images.items()
        ]
        asked = {"backend": backend, "models": models, **given}
        try:
            return self._page.evaluate(f"(asked) => {{ {_OPEN} return ({script})(asked); }}", asked)
        except PlaywrightError as error:
            raise TwinlensError(
                "export_mismatch",
                f"TensorFlow.js cannot run {' and '.join(str(self._folder / model) for model in images)} on {backend}: "
                f"{error.message}",
            ) from None


def run_graph_model(
    browser: Browser, model: Path, pixels: NDArray[np.uint8], backend: Backend
) -> dict[str, NDArray[np.float32]]:
    """Run a graph model on a batch of pixels, in a page of its own.

    :param browser: a Chromium, with WebGL for the webgl backend.
    :param model: folder with ``model.json`` and its weights.
    :param pixels: uint8 array of shape (N, height, width, 3).
    :return: its outputs by name, float32.
    :raises TwinlensError: ``export_mismatch`` with TensorFlow.js' own message if it cannot load or run the model;
        ``missing_requirement`` if TensorFlow.js is not installed in ``web/``.
    """
    with graph_page(browser, model) as page:
        return page.run("", pixels, backend)


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
