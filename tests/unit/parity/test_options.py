from pathlib import Path

import pytest

from benchmarks.results import ROOT
from parity.options import parse
from twinlens.errors import TwinlensError

OUT = Path("out.json")


@pytest.mark.parametrize(
    ("module", "arguments", "command"),
    [
        ("parity", [], "python -m parity"),
        ("parity", ["--large", "3"], "python -m parity --large 3"),
        ("parity", [str(ROOT / "docs")], "make parity PHOTOS=docs"),
        ("parity.dct", [str(ROOT / "docs"), "--large", "3"], 'make parity-dct PHOTOS=docs ARGS="--large 3"'),
    ],
)
def test_the_command_that_is_recorded_makes_the_result_again(module: str, arguments: list[str], command: str) -> None:
    options = parse(module, "", OUT, arguments)
    assert options.command == command
    assert options.large == (3 if "--large" in arguments else 24)
    assert options.out == OUT


def test_photos_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="is not a folder") as caught:
        parse("parity", "", OUT, [str(tmp_path / "none")])
    assert caught.value.code == "invalid_data"
