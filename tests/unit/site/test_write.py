import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests import models
from twinlens import store
from twinlens.cli import main
from twinlens.errors import TwinlensError
from twinlens.similar.folder import Model, Photo
from twinlens.similar.gallery import encode
from twinlens.similar.projection import Projection
from twinlens.site.write import write_site

INDEX = '<!doctype html><script type="application/json" id="build">{"id":"0123456789abcdef","files":{}}</script>'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    for name, text in {
        "index.html": INDEX,
        "sw.js": "//",
        "assets/main-1.js": "run()",
        "icons/icon.png": "png",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = models.write(tmp_path / "models")
    (folder / "v1" / "MODEL_CARD.md").write_text("# Card")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_what_the_page_reads_and_no_more(page: Path, model: Path, tmp_path: Path) -> None:
    site = write_site(page, model, tmp_path / "new" / "site")
    found = contents(site.path)
    for name in contents(page):
        assert found[name] == (page / name).read_bytes()
    assert found["model/current"] == b"v1\n"
    of_model = {name.removeprefix("model/v1/") for name in found if name.startswith("model/v1/")}
    version = store.open_current(model)
    read = {file.path for file in version.contract.files if file.path.startswith("tfjs/")}
    assert of_model == {"contract.json", "MODEL_CARD.md", *read}
    assert all(found[f"model/v1/{name}"] == (model / "v1" / name).read_bytes() for name in of_model)
    assert {"_headers", "vercel.json", ".htaccess", "nginx.conf", ".nojekyll"} < set(found)
    record = json.loads(found["site.json"])
    assert {*record["files"], "site.json"} == set(found)
    assert record["page"] == "0123456789abcdef"
    assert record["model"] == {"name": models.NAME, "version": "v1", "digest": version.digest}
    assert (site.files, site.size) == (len(found), sum(map(len, found.values())))
    assert site.path.stat().st_mode & 0o777 == 0o755


def test_a_gallery_is_published_under_its_digest_and_the_page_told_of_it(
    page: Path, model: Path, tmp_path: Path
) -> None:
    version = store.open_current(model)
    photos = [Photo(f"{number}.jpg", "0" * 64) for number in range(3)]
    about = Model(name=models.NAME, version="v1", digest=version.digest)
    data, _ = encode(about, Projection.none(3), np.eye(3, dtype=np.float32), photos, 3)
    (tmp_path / "photos.gallery").write_bytes(data)
    with pytest.raises(TwinlensError) as caught:
        write_site(page, model, tmp_path / "site", tmp_path / "photos.gallery")
    assert caught.value.code == "missing_page"  # it has no place for it
    (page / "index.html").write_text(f'{INDEX}<meta name="twinlens-gallery" content="">')
    found = contents(write_site(page, model, tmp_path / "site", tmp_path / "photos.gallery").path)
    (name,) = (name for name in found if "gallery" in name)
    assert name == f"model/v1/gallery-{hashlib.sha256(data).hexdigest()}.bin" and found[name] == data
    assert f'<meta name="twinlens-gallery" content="{name}">' in found["index.html"].decode()
    assert name in json.loads(found["site.json"])["files"]
    # Without one the page that is written is the page that was built.
    assert contents(write_site(page, model, tmp_path / "site").path)["index.html"] == (page / "index.html").read_bytes()


@pytest.mark.parametrize(("data", "code"), [(b"GIF89a", "invalid_index"), (None, "invalid_index")])
def test_what_is_no_gallery_is_not_published(
    data: bytes | None, code: str, page: Path, model: Path, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / "g").write_bytes(data)
    with pytest.raises(TwinlensError) as caught:
        write_site(page, model, tmp_path / "site", tmp_path / "g")
    assert caught.value.code == code and not (tmp_path / "site").exists()


def test_a_site_is_replaced_as_a_whole(page: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(page, model, out)
    models.write(model.parent, version="v2")
    (page / "assets" / "main-1.js").rename(page / "assets" / "main-2.js")
    write_site(page, model, out)
    found = contents(out)
    assert found["model/current"] == b"v2\n"
    assert "assets/main-2.js" in found and "assets/main-1.js" not in found
    assert not any(name.startswith("model/v1/") for name in found)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dist", "models", "site"], "something was left lying"


def test_the_same_site_is_written_the_same(page: Path, model: Path, tmp_path: Path) -> None:
    first = contents(write_site(page, model, tmp_path / "a").path)
    assert contents(write_site(page, model, tmp_path / "b").path) == first


def test_an_empty_folder_and_a_link_to_one_are_filled(page: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    write_site(page, model, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "empty" / "index.html").is_file()


def test_a_folder_that_is_no_site_is_never_replaced(page: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("years of work")
    for record in (None, "{", "[]", '{"generator": "something else", "files": ["chapter.tex"]}'):
        if record is not None:
            (out / "site.json").write_text(record)
        with pytest.raises(TwinlensError, match="not written by") as caught:
            write_site(page, model, out)
        assert caught.value.code == "already_exists"
        assert (out / "chapter.tex").read_text() == "years of work"


@pytest.mark.parametrize("name", ["CNAME", ".git/HEAD", "model/v1/notes.txt", "assets/link"])
def test_a_site_with_something_else_in_it_is_not_replaced(page: Path, model: Path, tmp_path: Path, name: str) -> None:
    out = write_site(page, model, tmp_path / "site").path
    (out / name).parent.mkdir(exist_ok=True)
    if name.endswith("link"):
        (out / name).symlink_to(page)
    else:
        (out / name).write_text("mine")
    with pytest.raises(TwinlensError, match=name.replace(".", r"\.")) as caught:
        write_site(page, model, out)
    assert caught.value.code == "already_exists"
    assert os.path.lexists(out / name)


def test_a_file_is_not_a_folder(page: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TwinlensError, match="is a file"):
        write_site(page, model, tmp_path / "file")


def test_it_does_not_lie_where_it_is_made_from(page: Path, model: Path, tmp_path: Path) -> None:
    for out in (page, page / "site", model, model / "v1" / "site", tmp_path, model.parent):
        with pytest.raises(TwinlensError) as caught:
            write_site(page, model, out)
        assert caught.value.code == "invalid_arguments"


def test_a_page_that_was_not_built(page: Path, model: Path, tmp_path: Path) -> None:
    def fails() -> None:
        with pytest.raises(TwinlensError, match="make page") as caught:
            write_site(page, model, tmp_path / "site")
        assert caught.value.code == "missing_page"
        assert not (tmp_path / "site").exists()

    (page / "sw.js").unlink()
    fails()
    (page / "index.html").write_text("<!doctype html>")
    fails()
    (page / "index.html").unlink()
    fails()


def test_a_damaged_model_leaves_the_old_site(page: Path, model: Path, tmp_path: Path) -> None:
    out = write_site(page, model, tmp_path / "site").path
    before = contents(out)
    graph = model / "v1" / "tfjs" / "model.json"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(TwinlensError) as caught:
        write_site(page, model, out)
    assert caught.value.code == "invalid_model"
    assert contents(out) == before


def test_the_old_site_is_back_if_the_new_one_cannot_be_put_there(
    page: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_site(page, model, tmp_path / "site").path
    before = contents(out)
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "site" and target == out and self != out:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        write_site(page, model, out)
    assert contents(out) == before


def test_the_command(page: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "site"
    given = ["site", str(out), "--page", str(page), "--models", str(model.parent), "--model", models.NAME]
    assert main(given) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{out}: {models.NAME} v1, ") and captured.err == ""
    (out / "mine").write_text("x")
    assert main(given) == 2
    assert capsys.readouterr().err.startswith("twinlens: already_exists: ")
    assert main(["site", str(out / "other"), "--models", "nowhere", "--page", str(page)]) == 2
    assert capsys.readouterr().err.startswith("twinlens: model_not_found: ")
