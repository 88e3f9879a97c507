import io
from pathlib import Path

from PIL import Image

from parity.compare import Comparison
from parity.photos import Photo
from parity.picture import draw
from parity.sides import Answer


def test_a_picture_is_drawn_of_answers_errors_and_nothing() -> None:
    photo = Photo("a.jpg", Path("a.jpg"), {})
    good = Comparison(photo, Answer({"a": 0.6, "b": 0.4}), Answer({"a": 0.61, "b": 0.39}))
    refused = Comparison(photo, Answer(None, "broken_image"), Answer(None, "broken_image"))
    pictures = [draw({"photos": ones}, {"at most": 0.02}) for ones in ([], [refused], [good, refused])]
    for data in pictures:
        assert Image.open(io.BytesIO(data)).size == Image.open(io.BytesIO(pictures[0])).size
    assert pictures[2] != pictures[0]
