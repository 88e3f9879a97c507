"""README's pictures of the page, taken by their command."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.heavy
def test_they_are_taken_anew_in_the_size_that_they_have(tmp_path: Path) -> None:
    # In a process of its own: it starts a Chromium, which the process that has one for the tests cannot.
    subprocess.run([sys.executable, "-m", "browser.pictures", "--out", tmp_path], cwd=ROOT, check=True)
    taken = sorted(path.name for path in tmp_path.iterdir())
    assert taken == ["page-phone.png", "page.png"]
    for name in taken:
        with Image.open(tmp_path / name) as new, Image.open(ROOT / "docs" / name) as kept:
            assert (new.size, new.mode) == (kept.size, "RGB")
            assert len(new.getcolors(2**24) or ()) > 100
