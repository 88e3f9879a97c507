// Generated from twinlens/contract.schema.json by `npm run generate`; not edited by hand.

/**
 * Everything that a runtime must know about one version of one model.
 */
export interface Contract {
  schema_version: 2;
  model: ModelName;
  labels: Label[];
  formats: Formats;
  decode: Decode;
  resize: Resize;
  crop: Crop;
  normalize: Normalize;
  graphs: Graphs;
  embedding_size: number;
  /**
   * ``null`` where the head allows no class activation map without a gradient.
   */
  class_map: ClassMap | null;
  /**
   * By name of the tensor in the ONNX graph.
   */
  weights: {
    [k: string]: WeightEncoding | IntegerEncoding;
  };
  /**
   * Scores are ``softmax(logits / temperature)``; fitted on validation.
   */
  temperature: number;
  not_sure: NotSure;
  /**
   * Every other file of this version that a runtime reads.
   */
  files: File[];
  dataset: DataSet;
  golden: Golden;
}
/**
 * Which model this is.
 */
export interface ModelName {
  /**
   * Name of the model: the folder that holds its versions.
   */
  name: string;
  /**
   * Name of this version: the folder that holds this file.
   */
  version: string;
  /**
   * torchvision's name of the network.
   */
  architecture: string;
}
/**
 * One class, at the position of its logit.
 */
export interface Label {
  /**
   * The label as the data set has it; what the API answers.
   */
  name: string;
  /**
   * What people are shown, by language (``en`` is always there).
   */
  display: {
    [k: string]: string;
  };
}
/**
 * Which image formats each side reads.
 */
export interface Formats {
  server: ("jpeg" | "png" | "webp" | "gif" | "bmp" | "tiff" | "avif")[];
  browser: ("jpeg" | "png" | "webp" | "gif" | "bmp" | "tiff" | "avif")[];
}
/**
 * How an encoded image becomes opaque 8-bit RGB pixels, the same on both sides.
 */
export interface Decode {
  /**
   * The EXIF orientation is applied before anything else.
   */
  exif_orientation: "apply";
  /**
   * RGB colour on which transparent pixels are composited: ``(c * a + bg * (255 - a) + 127) // 255``.
   *
   * @minItems 3
   * @maxItems 3
   */
  alpha_background: [number, number, number];
  /**
   * Embedded colour profiles are ignored.
   */
  icc_profile: "ignore";
  /**
   * 16-bit samples keep their upper 8 bits.
   */
  sixteen_bit: "shift-right-8";
  /**
   * Of several frames the first one is read.
   */
  animation: "first-frame";
  /**
   * The server may decode a JPEG at 1/2, 1/4 or 1/8 of its size as long as the crop box of the result keeps at
   * least this many pixels per output pixel.
   */
  jpeg_dct_headroom: number;
}
/**
 * How pixels become the network's input: a centred box, resampled once.
 */
export interface Resize {
  /**
   * Pixels that the shorter edge of the whole image has after the resize.
   */
  shorter_edge: number;
  /**
   * Along the longer edge of an image the box is up to this many times as long as the crop asks for, as far as the
   * image reaches, and is squeezed into the crop; 1 keeps the proportions.
   */
  squeeze: number;
  filter: "triangle";
  /**
   * The filter's support grows with the reduction.
   */
  antialias: true;
  /**
   * Horizontal pass, then vertical pass; 22-bit fixed-point coefficients; each pass rounds to 8 bits.
   */
  rounding: "pillow-fixed-point-8bit";
  /**
   * The edges of the box are rounded to float32 before the coefficients are computed in float64.
   */
  box_precision: "float32";
}
/**
 * The part of the resized image that the network sees.
 */
export interface Crop {
  height: number;
  width: number;
  position: "center";
}
/**
 * What the graphs do themselves to uint8 values: ``(x * scale - mean) / std``, per RGB channel.
 */
export interface Normalize {
  scale: number;
  /**
   * @minItems 3
   * @maxItems 3
   */
  mean: [number, number, number];
  /**
   * @minItems 3
   * @maxItems 3
   */
  std: [number, number, number];
}
/**
 * The two exports of the same numbers.
 */
export interface Graphs {
  onnx: Graph;
  tfjs: Graph;
}
/**
 * One exported graph: where it lies, and the tensors that go in and come out.
 */
export interface Graph {
  /**
   * Path of the graph's main file, relative to the contract.
   */
  path: string;
  input: TensorSpec;
  logits: TensorSpec;
  embedding: TensorSpec1;
  features: TensorSpec2;
}
/**
 * Name, shape and dtype of an input or an output; ``null`` in a shape is the batch.
 */
export interface TensorSpec {
  name: string;
  shape: (number | null)[];
  dtype: "uint8" | "int32" | "float32";
}
/**
 * Name, shape and dtype of an input or an output; ``null`` in a shape is the batch.
 */
export interface TensorSpec1 {
  name: string;
  shape: (number | null)[];
  dtype: "uint8" | "int32" | "float32";
}
/**
 * Name, shape and dtype of an input or an output; ``null`` in a shape is the batch.
 */
export interface TensorSpec2 {
  name: string;
  shape: (number | null)[];
  dtype: "uint8" | "int32" | "float32";
}
/**
 * Where a class activation map's weights are: ``map[h, w, label] = features[h, w, :] @ weights[:, label]``.
 */
export interface ClassMap {
  /**
   * Name of the TF.js weight of shape (channels, labels).
   */
  tfjs_weight: string;
  /**
   * Name of the ONNX tensor of shape (labels, channels).
   */
  onnx_initializer: string;
}
/**
 * A tensor of weights that is stored in floating point; both graphs hold the numbers that it can hold.
 */
export interface WeightEncoding {
  shape: number[];
  encoding: "float32" | "float16";
}
/**
 * A tensor of weights that is stored as integers with one scale for each output channel.
 *
 * ``weight = integer * scale``; the product is exact in float32, so both graphs hold the same numbers.
 */
export interface IntegerEncoding {
  shape: number[];
  encoding: "integer";
  /**
   * No integer is larger than ``2 ** (bits - 1) - 1`` in magnitude.
   */
  bits: number;
  /**
   * Axes of ``shape`` along which the scale differs.
   */
  axes: number[];
  /**
   * Name of the float32 tensor of its scales in the ONNX graph.
   */
  scales: string;
  /**
   * The weights of the TF.js graph that hold its numbers: one, or the parts that it was cut into.
   */
  tfjs: StoredIntegers[];
}
/**
 * One weight of the TF.js graph that is stored as int8, in TF.js' own order of axes.
 */
export interface StoredIntegers {
  name: string;
  /**
   * Axes of the stored tensor along which the scale differs; of two, the scales lie row by row.
   */
  axes: number[];
  /**
   * Name of the stored float32 tensor of its scales; the graph itself does not use it.
   */
  scales: string;
}
/**
 * Below which top score an answer is shown as "not sure".
 */
export interface NotSure {
  threshold: number;
  /**
   * How the threshold was chosen.
   */
  rule: string;
}
/**
 * One file of this version; one that ends in ``.gz.bin`` is to be opened with gzip, and listed as it lies there.
 */
export interface File {
  path: string;
  sha256: string;
  bytes: number;
}
/**
 * What the model was trained on.
 */
export interface DataSet {
  /**
   * SHA-256 over the sorted lines ``split/label/sha256-of-file``; of photos with a manifest, its digest.
   */
  digest: string;
  /**
   * Number of photos by split.
   */
  counts: {
    [k: string]: number;
  };
}
/**
 * Pictures with the answers that every runtime must give.
 */
export interface Golden {
  path: string;
  sha256: string;
  tolerances: Tolerances;
}
/**
 * How far an answer may be from the golden one.
 */
export interface Tolerances {
  /**
   * Largest ``max |difference| / max |logit|``, from the same uint8 tensor.
   */
  logits: number;
  /**
   * Largest difference of a score where another decoder made the pixels (JPEG, lossy WebP, AVIF).
   */
  score_lossy: number;
}
