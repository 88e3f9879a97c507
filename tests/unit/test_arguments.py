import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinlens.arguments import integer, number, path


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (integer(1), "1", 1),
        (integer(0), "0", 0),
        (integer(1, 65535), "65535", 65535),
        (number(0), "1e3", 1000.0),
        (number(0, 1), "1", 1.0),
        (number(0, 1, above=True, below=True), ".5", 0.5),
        (integer(1), "9" * 30, 10**30 - 1),
        (path, "a b", Path("a b")),
    ],
)
def test_what_fits_is_read(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value
    assert type(read(text)) is type(value)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (integer(1), "0", "'0' is no whole number from 1 up"),
        (integer(1, 65535), "65536", "'65536' is no whole number from 1 to 65535"),
        (integer(0, 1_000_000), "1000001", "from 0 to 1000000"),
        *[(integer(0), text, "whole number from 0 up") for text in ("-1", "1.0", "", " 1", "1_0", "٣", "two")],
        pytest.param(integer(0), "9" * 5000, "whole number from 0 up", id="5000 digits"),
        (number(0), "-1", "'-1' is no number from 0 up"),
        (number(0, above=True), "0", "'0' is no number above 0"),
        (number(0, 1), "1.5", "'1.5' is no number from 0 to 1"),
        (number(0, 1, above=True), "0", "above 0, up to 1"),
        (number(0, 1, below=True), "1", "from 0 to below 1"),
        (number(0, 0.99999), "1", "from 0 to 0.99999"),
        *[(number(0), text, "no number from 0 up") for text in ("nan", "inf", "", "cheap", " 1", "1_0")],
        (path, "", "the name of a file or folder is empty"),
    ],
)
def test_what_does_not_is_named_with_what_would(read: Callable[[str], Any], text: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read(text)
    assert said in str(caught.value)
