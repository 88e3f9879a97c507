"""The two programs are played by a script in place of the environment's Python: what is tested is how they are run."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.unit.training.official.graph_models import files, onnx_model
from training.official.route import complaint, convert
from twinlens.errors import TwinlensError
from twinlens.isolated import Environment

PROGRAMS = """#!/bin/sh
echo "$@" >> "{log}/arguments"
ls > "{log}/$3"
cp model.onnx "{log}"
cp calibration_image_sample_data_20x128x128x3_float32.npy "{log}/calibration.npy"
case "$3" in
onnx2tf) {onnx2tf} ;;
*) mkdir graph_model; cp "{log}"/files/* graph_model ;;
esac
"""
# What onnx2tf 1.28.8 prints when it cannot convert a Concat, shortened.
LOG = """\x1b[31mERROR:\x1b[0m The trace log is below.
Traceback (most recent call last):
ValueError: Exception encountered when calling layer "tf.concat_2" (type TFOpLambda).
\x1b[31mERROR:\x1b[0m onnx_op_name: node_conv
Traceback (most recent call last):
  File "onnx2tf/ops/Concat.py", line 282, in make_node
    tf.concat(
ValueError: Exception encountered when calling layer "tf.concat_2" (type TFOpLambda).

Dimension 1 in both shapes must be equal, but are 12 and 58.

Call arguments received by layer "tf.concat_2" (type TFOpLambda):
  • name='node_cat_1'
ERROR: Also, for models that include NonMaxSuppression in the post-processing, try the -onwdt option.
"""


@pytest.fixture
def environment(tmp_path: Path):
    """Makes an environment whose Python plays both programs; what they saw is in the folder ``log``."""
    log = tmp_path / "log"
    (log / "files").mkdir(parents=True)
    for name, data in files().items():
        (log / "files" / name).write_bytes(data)

    def make(onnx2tf: str = "mkdir saved_model; touch saved_model/saved_model.pb") -> Environment:
        python = tmp_path / "environment" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(PROGRAMS.format(log=log, onnx2tf=onnx2tf))
        python.chmod(0o755)
        return Environment(tmp_path / "environment", 1.0, "3.11")

    return make


def test_both_programs_run_apart_in_one_folder(environment, tmp_path: Path) -> None:
    converted = convert(onnx_model(), environment())
    assert list(json.loads(converted["model.json"])["signature"]["outputs"]) == ["logits", "embedding", "features"]
    first, second = (tmp_path / "log" / "arguments").read_text().splitlines()
    assert first.startswith("-I -m onnx2tf -i model.onnx -o saved_model")
    assert "-kat image" in first and "-dgc" in first
    assert second.startswith("-I -m tensorflowjs.converters.converter")
    assert second.endswith("saved_model graph_model")


def test_nothing_has_to_be_fetched_or_searched_for(environment, tmp_path: Path) -> None:
    convert(onnx_model(), environment())
    log = tmp_path / "log"
    there = (log / "onnx2tf").read_text().split()
    assert "replacements.json" in there
    calibration = np.load(log / "calibration.npy")
    assert calibration.shape == (20, 128, 128, 3) and calibration.dtype == np.float32
    assert onnx.load(log / "model.onnx") == onnx_model()


def test_a_failure_names_the_program_the_node_and_what_was_said(environment, tmp_path: Path) -> None:
    (tmp_path / "said").write_text(LOG, encoding="utf-8")
    with pytest.raises(TwinlensError) as caught:
        convert(onnx_model(), environment(f"cat {tmp_path / 'said'}; exit 1"))
    assert caught.value.code == "unsupported_operation"
    assert caught.value.detail == (
        "onnx2tf cannot convert this network at node 'node_conv' (Conv): ValueError: Exception encountered when "
        'calling layer "tf.concat_2" (type TFOpLambda). Dimension 1 in both shapes must be equal, but are 12 and 58. '
        "Nothing was written."
    )


def test_a_program_that_ends_well_without_a_result_has_failed(environment) -> None:
    with pytest.raises(TwinlensError, match="onnx2tf cannot convert this network: it ended with status 0"):
        convert(onnx_model(), environment("true"))


def test_the_second_program_is_named_too(environment, tmp_path: Path) -> None:
    made = environment()
    (tmp_path / "log" / "files" / "model.json").unlink()
    with pytest.raises(TwinlensError, match="tensorflowjs cannot convert this network"):
        convert(onnx_model(), made)


def test_what_was_said_is_kept_short() -> None:
    assert complaint("", 1) == "it ended with status 1."
    assert complaint("Loading\nKilled\n", -9) == "it ended with status -9 after saying: Killed."
    assert complaint("tensorflow.errors.OpError: no", 1) == "tensorflow.errors.OpError: no."
    assert complaint("ERROR: Det OP is not yet implemented.\nERROR: See", 1) == "ERROR: Det OP is not yet implemented."
    long = complaint(f"ValueError: {'x' * 5000}", 1)
    assert long.startswith("ValueError: xxx") and len(long) < 500
