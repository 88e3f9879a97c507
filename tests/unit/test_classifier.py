import json

import numpy as np
import pytest

from tests import images, models
from twinlens.classifier import Classifier
from twinlens.errors import TwinlensError
from twinlens.settings import Settings


def answered(classifier, data, top_k=5):
    pixels = classifier.pixels(classifier.read_header(data))
    return classifier.answer(classifier.scores(pixels[None])[0], top_k)


@pytest.mark.parametrize("colour", models.LABELS)
def test_the_label_is_the_pictures_colour(colour, classifier):
    answer = answered(classifier, images.encoded(models.picture(colour), "PNG"))
    assert answer["predictions"][0]["label"] == colour
    assert len(answer["predictions"]) == 5


def test_scores_are_the_softmax_over_all_labels(classifier):
    pixels = np.asarray(models.picture("cyan", models.SHORTER_EDGE, models.SHORTER_EDGE))
    answer = answered(classifier, images.encoded(models.picture("cyan", 72, 72), "PNG"), 99)
    exponents = np.exp(models.logits(pixels[None, 4:68, 4:68])[0])
    expected = dict(zip(models.LABELS, exponents / exponents.sum(), strict=True))
    assert {each["label"]: each["score"] for each in answer["predictions"]} == pytest.approx(expected, abs=1e-6)
    assert sum(each["score"] for each in answer["predictions"]) == pytest.approx(1)


def test_an_answer_names_its_model_and_is_plain_json(classifier):
    answer = answered(classifier, images.encoded(models.picture("red"), "PNG"), 1)
    assert answer["model"] == {"name": "colours", "version": "v1", "digest": classifier.version.digest}
    assert json.loads(json.dumps(answer)) == answer


def test_the_limits_are_the_settings(models_folder):
    small = Classifier.current(Settings(models=models_folder, model=models.NAME, max_megapixels=0.001))
    with pytest.raises(TwinlensError) as caught:
        small.read_header(images.encoded(models.picture("red"), "PNG"))
    assert caught.value.code == "too_many_pixels"
    small.read_header(images.encoded(models.picture("red"), "JPEG"))


def test_a_warm_up_that_gives_another_answer_fails(tmp_path):
    folder = models.write(tmp_path, resize=dict(models.RESIZE, shorter_edge=100))
    with pytest.raises(TwinlensError) as caught:
        Classifier.current(Settings(models=tmp_path, model=folder.name)).warm_up()
    assert caught.value.code == "invalid_model"


def test_a_missing_model_is_said_so(tmp_path):
    with pytest.raises(TwinlensError) as caught:
        Classifier.current(Settings(models=tmp_path))
    assert caught.value.code == "model_not_found"
