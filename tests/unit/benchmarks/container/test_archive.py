import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from benchmarks.container.archive import Image, Layer, above, read, unwanted
from twinlens.errors import TwinlensError


def tar(files: dict[str, bytes]) -> bytes:
    """A tar of some files; a name that ends with a slash is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def saved(path: Path, layers: list[bytes], *, packed: bool = False, history: bool = True) -> Path:
    """A file as ``docker save`` writes it."""
    config = {
        "config": {"User": "10001:10001"},
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created_by": "ENV A=b", "empty_layer": True}, *({"created_by": "COPY"} for _ in layers)],
    }
    if not history:
        config["history"] = []
    names = [f"blobs/{index}" for index in range(len(layers))]
    manifest = [{"Config": "config.json", "Layers": names, "RepoTags": ["a:b"]}]
    contents = [gzip.compress(layer) if packed else layer for layer in layers]
    files = {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode()}
    path.write_bytes(tar(files | dict(zip(names, contents, strict=True))))
    return path


BASE = tar({"usr/bin/": b"", "usr/bin/python3": b"python", "usr/bin/git": b"git"})
APP = tar({"app/venv/lib/site-packages/onnxruntime/__init__.py": b"x" * 5000, "./app/src/service.py": b"y"})


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("history", [False, True])
def test_an_image_is_read_layer_by_layer(packed: bool, history: bool, tmp_path: Path) -> None:
    image = read(saved(tmp_path / "image.tar", [BASE, APP], packed=packed, history=history))
    assert image.config == {"User": "10001:10001"}
    assert [layer.size for layer in image.layers] == [len(BASE), len(APP)]
    assert [layer.made_by for layer in image.layers] == (["COPY"] * 2 if history else [""] * 2)
    assert image.layers[0].files == ("usr/bin/python3", "usr/bin/git")
    assert image.layers[1].files == ("app/venv/lib/site-packages/onnxruntime/__init__.py", "app/src/service.py")


def test_the_applications_layers_are_those_that_the_base_lacks(tmp_path: Path) -> None:
    base = read(saved(tmp_path / "base.tar", [BASE]))
    image = read(saved(tmp_path / "image.tar", [BASE, APP]))
    assert above(image, base) == image.layers[1:]
    assert above(base, base) == ()


def test_an_image_of_another_base_is_refused(tmp_path: Path) -> None:
    base = read(saved(tmp_path / "base.tar", [BASE]))
    image = read(saved(tmp_path / "image.tar", [APP, BASE]))
    with pytest.raises(TwinlensError, match="does not begin with") as caught:
        above(image, base)
    assert caught.value.code == "container_failed"


@pytest.mark.parametrize("content", [b"", b"no tar", tar({"other.json": b"{}"}), tar({"manifest.json": b"[]"})])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    with pytest.raises(TwinlensError, match="cannot be read as a saved image") as caught:
        read(path)
    assert caught.value.code == "container_failed"


def holding(*files: str) -> list[Layer]:
    return [Layer("sha256:0", 1, "COPY", files)]


@pytest.mark.parametrize(
    "file",
    [
        "usr/bin/gcc",
        "usr/local/bin/git",
        "bin/cc",
        "app/venv/lib/python3.11/site-packages/torch/__init__.py",
        "usr/lib/python3/dist-packages/tensorflow/a/b.so",
        "app/venv/lib/python3.11/site-packages/nvidia/cublas/lib.so",
    ],
)
def test_what_has_no_place_is_found(file: str) -> None:
    assert unwanted(holding("etc/passwd", file)) == [file]


@pytest.mark.parametrize(
    "file",
    [
        "app/venv/lib/python3.11/site-packages/onnxruntime/capi/onnxruntime.so",
        "app/venv/lib/python3.11/site-packages/torchless.py",
        "app/src/bentos/clothing/git",
        "usr/share/doc/gcc/copyright",
        "usr/bin/gcc-ranlib-not",
    ],
)
def test_what_only_looks_like_it_is_not(file: str) -> None:
    assert unwanted(holding(file)) == []


def test_one_file_of_each_is_named() -> None:
    package = "app/venv/lib/python3.11/site-packages/torch"
    assert unwanted(holding(f"{package}/a.py", f"{package}/b.py", "bin/git")) == [f"{package}/a.py", "bin/git"]


def test_a_base_names_its_own() -> None:
    assert unwanted(Image({}, tuple(holding("usr/bin/make"))).layers) == ["usr/bin/make"]
