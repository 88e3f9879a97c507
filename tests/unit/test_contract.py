import json

import jsonschema
import pytest

from tests import models
from twinlens.contract import SCHEMA_PATH, Contract, digest, dump, parse, schema
from twinlens.errors import TwinlensError


@pytest.fixture
def data(models_folder):
    return (models_folder / models.NAME / models.VERSION / "contract.json").read_bytes()


def changed(data, change):
    document = json.loads(data)
    change(document)
    return json.dumps(document).encode()


def test_what_is_written_reads_back_the_same(data):
    contract = parse(data)
    assert dump(contract) == data
    assert contract.label_names == list(models.LABELS)


def test_the_schema_file_is_that_of_the_classes():
    assert json.loads(SCHEMA_PATH.read_bytes()) == schema()


def test_a_contract_keeps_to_the_schema(data):
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(data), schema())


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: c.pop("crop"), "crop"),
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: c["resize"].update(filter="bicubic"), "resize.filter"),
        (lambda c: c["resize"].update(shorter_edge="224"), "resize.shorter_edge"),
        (lambda c: c["resize"].update(squeeze=0.9), "resize.squeeze"),
        (lambda c: c.update(temperature=0), "temperature"),
        (lambda c: c["labels"].append(c["labels"][0]), "same name"),
        (lambda c: c["labels"][0].update(display={"zh": "红"}), "English"),
        (lambda c: c["crop"].update(width=1000), "crop"),
        (lambda c: c["files"][0].update(sha256="0" * 63), "files.0.sha256"),
        (lambda c: c.update(schema_version=1), "schema_version"),
    ],
)
def test_the_first_wrong_field_is_named(data, change, where):
    with pytest.raises(TwinlensError) as caught:
        parse(changed(data, change))
    assert caught.value.code == "invalid_contract"
    assert where in caught.value.detail


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"a": NaN}'])
def test_what_is_no_contract_is_refused(data):
    with pytest.raises(TwinlensError) as caught:
        parse(data)
    assert caught.value.code == "invalid_contract"


def test_no_field_has_a_default():
    def required(part):
        return [name for name, field in part.model_fields.items() if not field.is_required()]

    def within(annotation):
        inner = getattr(annotation, "__args__", ())
        return [part for each in inner for part in within(each)] if inner else [annotation]

    parts = [Contract]
    seen = set()
    while parts:
        part = parts.pop()
        seen.add(part.__name__)
        assert required(part) == [], part
        for field in part.model_fields.values():
            parts += [each for each in within(field.annotation) if hasattr(each, "model_fields")]
    assert {"Contract", "Decode", "Label", "Graphs", "WeightEncoding", "IntegerEncoding", "StoredIntegers"} <= seen


INTEGERS = {
    "shape": [32, 1, 3, 3],
    "encoding": "integer",
    "bits": 6,
    "axes": [0],
    "scales": "w.scales",
    "tfjs": [{"name": "w", "axes": [2], "scales": "w.scales"}],
}


def test_a_contract_may_tell_of_integers_and_reads_those_that_do_not(data):
    both = changed(data, lambda c: c["weights"].update(w=INTEGERS))
    jsonschema.validate(json.loads(both), schema())
    contract = parse(both)
    assert json.loads(dump(contract))["weights"]["w"] == INTEGERS
    assert {"float16", "float32", "integer"} >= {weight.encoding for weight in contract.weights.values()}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"bits": 9}, "weights.w.integer.bits"),
        ({"encoding": "int6"}, "weights.w"),
        ({"encoding": "float16"}, "weights.w.float16.bits"),
        ({"tfjs": [{"name": "w"}]}, "weights.w.integer.tfjs.0.axes"),
    ],
)
def test_a_wrong_encoding_is_named(data, change, where):
    wrong = changed(data, lambda c: c["weights"].update(w={**INTEGERS, **change}))
    with pytest.raises(TwinlensError) as caught:
        parse(wrong)
    assert where in caught.value.detail
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(wrong), schema())


def test_the_digest_changes_with_any_byte(data):
    assert digest(data) != digest(data.replace(b"v1", b"v2"))
    assert len(digest(data)) == 64


def test_as_many_labels_as_logits(data):
    with pytest.raises(TwinlensError, match=f"the onnx graph has {len(models.LABELS)} logits"):
        parse(changed(data, lambda contract: contract["labels"].pop()))
