"""Draw the page's icons into web/public/icons: the two lenses of its masthead, on its paper.

``python web/scripts/icons.py`` writes them anew, with ``--check`` it fails where one has other pixels.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parents[1] / "public" / "icons"
PAPER = (250, 248, 244)
# As in index.html, of a drawing that is 32 units wide: centre, colour; radius and width of the stroke for both.
LENSES = (((12, 16), (15, 122, 104)), ((20, 16), (217, 130, 43)))
RADIUS, STROKE, DRAWING = 9, 3, 32
FINER = 4
COLOURS = 64

# Name: pixels, the share of them that the drawing takes, and the corners' radius as a share. What is cut by the device
# (maskable: to a circle of 0.8 at worst) has no corners of its own, and its drawing lies within what is left.
ICONS = {
    "icon-192.png": (192, 0.8, 0.22),
    "icon-512.png": (512, 0.8, 0.22),
    "maskable-512.png": (512, 0.72, 0.0),
    "touch-180.png": (180, 0.76, 0.0),
}


def draw(pixels: int, share: float, corners: float) -> Image.Image:
    """One icon."""
    edge = pixels * FINER
    image = Image.new("RGBA", (edge, edge), (*PAPER, 0))
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((0, 0, edge - 1, edge - 1), corners * edge, (*PAPER, 255))
    unit = edge * share / DRAWING
    outer = (RADIUS + STROKE / 2) * unit
    for (x, y), colour in LENSES:
        left, top = (edge / 2 + (centre - DRAWING / 2) * unit for centre in (x, y))
        box = (left - outer, top - outer, left + outer, top + outer)
        canvas.ellipse(box, outline=(*colour, 255), width=round(STROKE * unit))
    small = image.resize((pixels, pixels), Image.Resampling.BOX)
    return small if corners else small.convert("RGB")


def encode(icon: Image.Image) -> bytes:
    """As a PNG of few colours."""
    buffer = io.BytesIO()
    method = Image.Quantize.FASTOCTREE if icon.mode == "RGBA" else Image.Quantize.MEDIANCUT
    icon.quantize(COLOURS, method).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> int:
    """Write the icons, or look whether they are fresh."""
    stale = []
    for name, options in ICONS.items():
        data, path = encode(draw(*options)), FOLDER / name
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            continue
        pixels = [Image.open(io.BytesIO(each)).convert("RGBA").tobytes() for each in (data, path.read_bytes())]
        if pixels[0] != pixels[1]:
            stale.append(name)
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: run python web/scripts/icons.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
