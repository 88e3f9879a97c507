import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests import images
from tests.images import HEIGHT, QUADRANTS, WIDTH, encoded, oriented, png, quadrants
from twinlens.decode import Limits, decode, read_header, sniff
from twinlens.errors import TwinlensError
from twinlens.preprocess import load
from twinlens.settings import ROOT

COLOURED, GREY = dict(images.in_colour()), dict(images.in_grey())
BOMBS, TRAPS = images.bombs(), images.traps()


@pytest.fixture(scope="module")
def contract(classifier):
    return classifier.contract


def corners(image):
    """The colour in the middle of each quadrant."""
    return [
        image.getpixel((x, y))
        for y in (image.height // 4, image.height * 3 // 4)
        for x in (image.width // 4, image.width * 3 // 4)
    ]


def near(found, expected, by=3):
    return np.abs(np.asarray(found, int) - np.asarray(expected, int)).max() <= by


def refused(data, contract, limits=None):
    with pytest.raises(TwinlensError) as caught:
        decode(data, contract, limits or Limits())
    return caught.value


@pytest.mark.parametrize("name", COLOURED)
def test_every_kind_of_file_shows_the_picture(name, contract):
    decoded = decode(COLOURED[name], contract, Limits())
    assert decoded.format == name.split("-")[0]
    assert (decoded.image.mode, decoded.image.size) == ("RGB", (WIDTH, HEIGHT))
    assert (decoded.width, decoded.height) == (WIDTH, HEIGHT)
    assert near(corners(decoded.image), QUADRANTS)


@pytest.mark.parametrize("name", GREY)
def test_grey_files_show_it_in_grey(name, contract):
    found = corners(decode(GREY[name], contract, Limits()).image)
    luma = [round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in QUADRANTS]
    assert near(found, [(value, value, value) for value in luma])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(kind, orientation, contract):
    decoded = decode(oriented(orientation, kind), contract, Limits())
    assert (decoded.width, decoded.height) == decoded.image.size == (WIDTH, HEIGHT)
    assert near(corners(decoded.image), QUADRANTS, by=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_that_is_decoded_scaled_keeps_its_exact_size(orientation, contract):
    # 1003 and 751 are no multiples of 4: the decoder rounds up, and the crop box must not shift by that.
    decoded = decode(oriented(orientation, "JPEG", 1003, 751), contract, Limits())
    assert decoded.dct_scale == 4
    assert (decoded.width, decoded.height) == (1003 / 4, 751 / 4)
    assert decoded.image.size == (251, 188)
    assert near(corners(decoded.image), QUADRANTS, by=6)


@pytest.mark.parametrize(("edge", "scale"), [(287, 1), (288, 2), (575, 2), (576, 4), (1151, 4), (1152, 8), (3000, 8)])
def test_a_jpeg_is_scaled_as_far_as_twice_the_resized_edge_is_left(edge, scale, contract):
    assert contract.decode.jpeg_dct_headroom * contract.resize.shorter_edge == 144
    assert decode(encoded(quadrants(edge, edge + 9), "JPEG"), contract, Limits()).dct_scale == scale


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_none(orientation, contract):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert near(corners(decode(encoded(quadrants(), "PNG", exif=exif), contract, Limits()).image), QUADRANTS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_a_damaged_exif_block_is_passed_over(contract):
    data = encoded(quadrants(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert near(corners(decode(data, contract, Limits()).image), QUADRANTS)


def test_an_orientation_in_xmp_alone_is_not_followed(contract):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    data = encoded(quadrants(), "JPEG", quality=95, xmp=xmp)
    assert xmp in data
    assert near(corners(decode(data, contract, Limits()).image), QUADRANTS)


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (10, 200, 30)])
def test_transparent_pixels_are_laid_on_the_contracts_colour(background, contract):
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (32, 48, 4), dtype=np.uint8)
    decode_rules = contract.decode.model_copy(update={"alpha_background": background})
    changed = contract.model_copy(update={"decode": decode_rules})
    found = np.asarray(decode(encoded(Image.fromarray(rgba), "PNG"), changed, Limits()).image)
    colour, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    assert np.array_equal(found, (colour * alpha + np.asarray(background) * (255 - alpha) + 127) // 255)


def test_one_transparent_colour(contract):
    """PNG's tRNS, for RGB, grey, 16-bit grey and palettes; GIF's transparent index."""
    white, black = (255, 255, 255), (0, 0, 0)
    image = quadrants()
    for data, hidden in (
        (encoded(image, "PNG", transparency=QUADRANTS[0]), 0),
        (encoded(image.convert("L"), "PNG", transparency=82), 0),
        (encoded(image.quantize(8), "PNG", transparency=image.quantize(8).getpixel((0, 0))), 0),
        (encoded(image.quantize(8), "GIF", transparency=image.quantize(8).getpixel((0, 0))), 0),
    ):
        assert corners(decode(data, contract, Limits()).image)[hidden] == white
    grey16 = np.full((4, 4), 0x1234, np.uint16)
    grey16[0, 0] = 0x1200
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in grey16)
    key = images.chunk(b"tRNS", struct.pack(">H", 0x1200))
    found = decode(png(4, 4, zlib.compress(rows), depth=16, colours=0, extra=key), contract, Limits()).image
    assert found.getpixel((0, 0)) == white and found.getpixel((1, 1)) == (0x12, 0x12, 0x12) != black


def test_sixteen_bits_keep_the_upper_eight(contract):
    rng = np.random.default_rng(2)
    colour = rng.integers(0, 65_536, (20, 30, 3), dtype=np.uint16)
    found = np.asarray(decode(images.png_16_bit(colour), contract, Limits()).image)
    assert np.array_equal(found, (colour >> 8).astype(np.uint8))
    grey = rng.integers(0, 65_536, (20, 30), dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        found = np.asarray(decode(encoded(Image.fromarray(grey), kind), contract, Limits()).image)
        assert np.array_equal(found, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_an_embedded_profile_changes_nothing(contract):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    plain, tagged = encoded(quadrants(), "PNG"), encoded(quadrants(), "PNG", icc_profile=profile)
    assert profile[36:40] == b"acsp" and len(tagged) > len(plain)
    found = [np.asarray(decode(data, contract, Limits()).image) for data in (plain, tagged)]
    assert np.array_equal(*found)


def test_samples_that_are_not_read_are_named(contract):
    floats = Image.fromarray(np.ones((8, 8), np.float32))
    whole = Image.fromarray(np.full((8, 8), 200, np.int32))
    assert "32-bit" in refused(encoded(whole, "TIFF"), contract).detail
    assert "floating-point" in refused(encoded(floats, "TIFF"), contract).detail
    lab = Image.new("LAB", (8, 8))
    error = refused(encoded(lab, "TIFF"), contract)
    assert error.code == "unsupported_format" and "CIELAB" in error.detail


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg/>", "SVG"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (b"PK\x03\x04" + bytes(20), "ZIP"),
        (b"8BPS\0\1", "Photoshop"),
    ],
)
def test_a_known_format_that_is_not_read_is_named(data, name, contract):
    error = refused(data, contract)
    assert error.code == "unsupported_format" and f" {name} " in error.detail


@pytest.mark.parametrize("data", [b"", b"x", b"BM", b"hello, world", b"RIFF\0\0\0\0WAVE", bytes(100), b"\xff\xd8"])
def test_what_is_no_image(data, contract):
    error = refused(data, contract)
    assert error.code == "not_an_image"
    assert ("empty" in error.detail) == (not data)


def test_a_format_that_the_contract_does_not_list_is_refused(contract):
    only_png = contract.model_copy(update={"formats": contract.formats.model_copy(update={"server": ["png"]})})
    decode(COLOURED["png"], only_png, Limits())
    error = refused(COLOURED["jpeg"], only_png)
    assert error.code == "unsupported_format" and error.detail.endswith("png.")


def test_avif_is_told_by_its_compatible_brands_too():
    data = COLOURED["avif"]
    assert sniff(data) == "avif"
    assert sniff(data[:8] + b"mif1" + data[12:]) == "avif"


@pytest.mark.filterwarnings("ignore:(Corrupt|Truncated):UserWarning")
@pytest.mark.parametrize("name", [*COLOURED, *GREY])
def test_a_file_that_is_cut_off_is_broken(name, contract):
    data = {**COLOURED, **GREY}[name]
    frames = 2 if name.endswith(("animated", "pages")) else 1  # a first frame that is whole is answered
    error = refused(data[: len(data) // 2 // frames], contract)
    assert error.code == "broken_image" and f"begins like {name.split('-')[0]}" in error.detail


def test_no_pixels_at_all_is_broken(contract):
    assert refused(images.png(0, 0, zlib.compress(b"")), contract).code == "broken_image"
    assert refused(b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\2\0;", contract).code == "broken_image"


def test_the_limits_are_exact_and_of_each_format(contract):
    limits = Limits(jpeg_pixels=WIDTH * HEIGHT, other_pixels=WIDTH * HEIGHT - 1)
    decode(COLOURED["jpeg"], contract, limits)
    error = refused(COLOURED["png"], contract, limits)
    assert error.code == "too_many_pixels" and f"{WIDTH} x {HEIGHT}" in error.detail
    assert refused(COLOURED["jpeg"], contract, Limits(jpeg_pixels=WIDTH * HEIGHT - 1)).code == "too_many_pixels"


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(name, contract):
    assert refused(BOMBS[name], contract).code == "too_many_pixels"


def test_what_decoding_will_allocate_is_known_beforehand(contract):
    def allocates(data):
        return read_header(data, contract, Limits()).allocates

    image = quadrants(1200, 1200)
    assert allocates(encoded(image, "PNG")) == 1200 * 1200
    assert allocates(encoded(image, "JPEG")) == 150 * 150
    assert allocates(encoded(image, "JPEG", progressive=True)) == 1200 * 1200
    assert allocates(images.jpeg_in_scans(1200, 1200, 3)) == 1200 * 1200


def test_a_jpeg_with_a_scan_for_each_component_is_read_and_one_with_hundreds_is_not(contract):
    decode(images.jpeg_in_scans(64, 64, 3), contract, Limits())
    assert "1000 scans" in refused(images.jpeg_in_scans(64, 64, 1000), contract).detail


MEMORY = """
import json, pathlib, sys
from tests import images
from twinlens.contract import parse
from twinlens.decode import Limits
from twinlens.errors import TwinlensError
from twinlens.preprocess import load

def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

contract = parse(pathlib.Path(sys.argv[1]).read_bytes())
hostile = {
    **images.bombs(),
    **images.traps(),
    "png-strip": images.png(16, 3_000_000, images.zeros(3_000_000 * 49)),
    "jpeg-three-scans": images.jpeg_in_scans(10_900, 11_000, 3),
}
for data in images.files().values():
    load(data, contract, Limits())
for name, data in hostile.items():
    before = peak()
    try:
        load(data, contract, Limits())
        outcome = "decoded"
    except TwinlensError as error:
        outcome = error.code
    print(json.dumps([name, outcome, peak() - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak memory from /proc")
def test_no_bomb_and_no_trap_takes_memory(models_folder):
    """Peak memory of a process of its own, as the system counts it, around each file."""
    contract = models_folder / "colours" / "v1" / "contract.json"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, contract], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    grown = {name: (outcome, kibibytes) for name, outcome, kibibytes in map(json.loads, done.stdout.splitlines())}
    assert set(grown) == {*BOMBS, *TRAPS, "png-strip", "jpeg-three-scans"}
    # A strip of 48 megapixels is within the limits: its own pixels, 4 bytes each, and little more.
    assert grown.pop("png-strip")[1] < 260 * 1024
    # 120 megapixels with a scan for each component: libjpeg holds every coefficient, 2 bytes each.
    assert grown.pop("jpeg-three-scans")[1] < 900 * 1024
    assert {name: value for name, value in grown.items() if value[1] > 16 * 1024} == {}
    assert {name for name, value in grown.items() if value[0] == "decoded"} <= {"png-pixels"}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_fuzz_every_answer_is_an_image_or_a_known_error(contract):
    """Thousands of damaged files: bytes changed at the front and anywhere, cut off, doubled, mixed with one another."""
    rng = np.random.default_rng(20_261_122)
    good = list(images.files().values())
    limits = Limits(jpeg_pixels=4_000_000, other_pixels=2_000_000)
    outcomes = set()
    for _ in range(6_000):
        data = bytearray(good[rng.integers(len(good))])
        kind = rng.integers(6)
        if kind == 0:
            del data[rng.integers(len(data)) :]
        elif kind == 1:
            other = good[rng.integers(len(good))]
            at = int(rng.integers(min(len(data), len(other))))
            data[at:] = other[at:]
        elif kind == 2:
            at = int(rng.integers(len(data)))
            data[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            reach = len(data) if kind == 3 else min(len(data), 400)
            for at in rng.integers(0, reach, rng.integers(1, 12)):
                data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        try:
            pixels = load(bytes(data), contract, limits)
            assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
            outcomes.add("answered")
        except TwinlensError as error:
            assert error.status in (413, 415, 422), error
            outcomes.add(error.code)
    assert outcomes >= {"answered", "broken_image", "not_an_image", "too_many_pixels"}
