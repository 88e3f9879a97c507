"""The model contract: the one description of a model that server, page and tests all read.

``contract.json`` lies beside the weights of every published version. Its JSON Schema,
``twinlens/contract.schema.json``, is generated from the classes below (``python -m twinlens.contract`` writes it)
and the page's TypeScript types are generated from that schema. There is no fallback value on either side: a
field that is missing is an error, a field that is not known is an error too.

``python -m training export`` is the only writer of contracts.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twinlens.errors import TwinlensError

SCHEMA_VERSION: Final = 2
SCHEMA_PATH: Final = Path(__file__).with_name("contract.schema.json")

Format = Literal["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Triple = tuple[float, float, float]
Byte = Annotated[int, Field(ge=0, le=255)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ModelName(_Part):
    """Which model this is."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the model: the folder that holds its versions."""
    version: Annotated[str, Field(min_length=1)]
    """Name of this version: the folder that holds this file."""
    architecture: Annotated[str, Field(min_length=1)]
    """torchvision's name of the network."""


class Label(_Part):
    """One class, at the position of its logit."""

    name: Annotated[str, Field(min_length=1)]
    """The label as the data set has it; what the API answers."""
    display: dict[str, str]
    """What people are shown, by language (``en`` is always there)."""


class Formats(_Part):
    """Which image formats each side reads."""

    server: list[Format]
    browser: list[Format]


class Decode(_Part):
    """How an encoded image becomes opaque 8-bit RGB pixels, the same on both sides."""

    exif_orientation: Literal["apply"]
    """The EXIF orientation is applied before anything else."""
    alpha_background: tuple[Byte, Byte, Byte]
    """RGB colour on which transparent pixels are composited: ``(c * a + bg * (255 - a) + 127) // 255``."""
    icc_profile: Literal["ignore"]
    """Embedded colour profiles are ignored."""
    sixteen_bit: Literal["shift-right-8"]
    """16-bit samples keep their upper 8 bits."""
    animation: Literal["first-frame"]
    """Of several frames the first one is read."""
    jpeg_dct_headroom: Annotated[float, Field(ge=1)]
    """The server may decode a JPEG at 1/2, 1/4 or 1/8 of its size as long as the crop box of the result keeps at
    least this many pixels per output pixel."""


class Resize(_Part):
    """How pixels become the network's input: a centred box, resampled once."""

    shorter_edge: Annotated[int, Field(ge=1)]
    """Pixels that the shorter edge of the whole image has after the resize."""
    squeeze: Annotated[float, Field(ge=1)]
    """Along the longer edge of an image the box is up to this many times as long as the crop asks for, as far as the
    image reaches, and is squeezed into the crop; 1 keeps the proportions."""
    filter: Literal["triangle"]
    antialias: Literal[True]
    """The filter's support grows with the reduction."""
    rounding: Literal["pillow-fixed-point-8bit"]
    """Horizontal pass, then vertical pass; 22-bit fixed-point coefficients; each pass rounds to 8 bits."""
    box_precision: Literal["float32"]
    """The edges of the box are rounded to float32 before the coefficients are computed in float64."""


class Crop(_Part):
    """The part of the resized image that the network sees."""

    height: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    position: Literal["center"]


class Normalize(_Part):
    """What the graphs do themselves to uint8 values: ``(x * scale - mean) / std``, per RGB channel."""

    scale: Annotated[float, Field(gt=0)]
    mean: Triple
    std: Triple


class TensorSpec(_Part):
    """Name, shape and dtype of an input or an output; ``null`` in a shape is the batch."""

    name: str
    shape: list[int | None]
    dtype: Literal["uint8", "int32", "float32"]


class Rules(Protocol):
    """What decoding and preprocessing follow: these parts of a contract, or of a run that has no contract yet."""

    @property
    def formats(self) -> Formats:
        """Which image formats each side reads."""

    @property
    def decode(self) -> Decode:
        """How a file becomes pixels."""

    @property
    def resize(self) -> Resize:
        """How pixels become the size of the input."""

    @property
    def crop(self) -> Crop:
        """The part that the network sees."""


class Graph(_Part):
    """One exported graph: where it lies, and the tensors that go in and come out."""

    path: str
    """Path of the graph's main file, relative to the contract."""
    input: TensorSpec
    logits: TensorSpec
    embedding: TensorSpec
    """The pooled input of the classifier block."""
    features: TensorSpec
    """The last spatial map, before pooling."""


class Graphs(_Part):
    """The two exports of the same numbers."""

    onnx: Graph
    tfjs: Graph


class ClassMap(_Part):
    """Where a class activation map's weights are: ``map[h, w, label] = features[h, w, :] @ weights[:, label]``."""

    tfjs_weight: str
    """Name of the TF.js weight of shape (channels, labels)."""
    onnx_initializer: str
    """Name of the ONNX tensor of shape (labels, channels)."""


class WeightEncoding(_Part):
    """A tensor of weights that is stored in floating point; both graphs hold the numbers that it can hold."""

    shape: list[int]
    encoding: Literal["float32", "float16"]


class StoredIntegers(_Part):
    """One weight of the TF.js graph that is stored as int8, in TF.js' own order of axes."""

    name: str
    axes: list[int]
    """Axes of the stored tensor along which the scale differs; of two, the scales lie row by row."""
    scales: str
    """Name of the stored float32 tensor of its scales; the graph itself does not use it."""


class IntegerEncoding(_Part):
    """A tensor of weights that is stored as integers with one scale for each output channel.

    ``weight = integer * scale``; the product is exact in float32, so both graphs hold the same numbers.
    """

    shape: list[int]
    encoding: Literal["integer"]
    bits: Annotated[int, Field(ge=2, le=8)]
    """No integer is larger than ``2 ** (bits - 1) - 1`` in magnitude."""
    axes: list[int]
    """Axes of ``shape`` along which the scale differs."""
    scales: str
    """Name of the float32 tensor of its scales in the ONNX graph."""
    tfjs: list[StoredIntegers]
    """The weights of the TF.js graph that hold its numbers: one, or the parts that it was cut into."""


Encoding = Annotated[WeightEncoding | IntegerEncoding, Field(discriminator="encoding")]


class File(_Part):
    """One file of this version; one that ends in ``.gz.bin`` is to be opened with gzip, and listed as it lies there."""

    path: str
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class DataSet(_Part):
    """What the model was trained on."""

    digest: Sha256
    """SHA-256 over the sorted lines ``split/label/sha256-of-file``; of photos with a manifest, its digest."""
    counts: dict[str, int]
    """Number of photos by split."""


class Tolerances(_Part):
    """How far an answer may be from the golden one."""

    logits: Annotated[float, Field(gt=0)]
    """Largest ``max |difference| / max |logit|``, from the same uint8 tensor."""
    score_lossy: Annotated[float, Field(gt=0)]
    """Largest difference of a score where another decoder made the pixels (JPEG, lossy WebP, AVIF)."""


class Golden(_Part):
    """Pictures with the answers that every runtime must give."""

    path: str
    sha256: Sha256
    tolerances: Tolerances


class NotSure(_Part):
    """Below which top score an answer is shown as "not sure"."""

    threshold: Annotated[float, Field(ge=0, le=1)]
    rule: str
    """How the threshold was chosen."""


class Contract(_Part):
    """Everything that a runtime must know about one version of one model."""

    schema_version: Literal[2]
    model: ModelName
    labels: Annotated[list[Label], Field(min_length=2)]
    formats: Formats
    decode: Decode
    resize: Resize
    crop: Crop
    normalize: Normalize
    graphs: Graphs
    embedding_size: Annotated[int, Field(ge=1)]
    class_map: ClassMap | None
    """``null`` where the head allows no class activation map without a gradient."""
    weights: dict[str, Encoding]
    """By name of the tensor in the ONNX graph."""
    temperature: Annotated[float, Field(gt=0)]
    """Scores are ``softmax(logits / temperature)``; fitted on validation."""
    not_sure: NotSure
    files: list[File]
    """Every other file of this version that a runtime reads."""
    dataset: DataSet
    golden: Golden

    @model_validator(mode="after")
    def _consistent(self) -> Contract:
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError("labels: the same name stands there twice")
        for label in self.labels:
            if "en" not in label.display:
                raise ValueError(f"labels: {label.name!r} has no English display name")
        for side, graph in (("onnx", self.graphs.onnx), ("tfjs", self.graphs.tfjs)):
            if graph.logits.shape[-1] != len(names):
                raise ValueError(
                    f"labels: there are {len(names)}, but the {side} graph has {graph.logits.shape[-1]} logits"
                )
        if max(self.crop.height, self.crop.width) > self.resize.shorter_edge:
            raise ValueError("crop: larger than the resized shorter edge")
        return self

    @property
    def label_names(self) -> list[str]:
        """The labels in the order of the logits."""
        return [label.name for label in self.labels]


def parse(data: bytes) -> Contract:
    """Read a contract.

    :param data: the bytes of a ``contract.json``.
    :raises TwinlensError: ``invalid_contract`` if it is not JSON or breaks the schema; the message names the
        first field that is wrong.
    """
    try:
        return Contract.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise TwinlensError(
            "invalid_contract",
            f"contract.json: {where}: {first['msg']}. Export the model again with this version of Twinlens.",
        ) from None


def digest(data: bytes) -> str:
    """SHA-256 of a contract's bytes: the digest of the model, since the contract holds those of all its files."""
    return hashlib.sha256(data).hexdigest()


def dump(contract: Contract) -> bytes:
    """The bytes of a ``contract.json``: UTF-8, two spaces, ending with a newline."""
    return (json.dumps(contract.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n").encode()


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a contract."""
    body = Contract.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "contract.schema.json", **body}


def write_schema() -> None:
    """Write :data:`SCHEMA_PATH` anew from the classes of this module."""
    SCHEMA_PATH.write_text(json.dumps(schema(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schema()
