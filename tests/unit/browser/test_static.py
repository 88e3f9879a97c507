import gzip
import http.client
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from browser.static import ISOLATION_HEADERS, Request, StaticServer


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    page, model = tmp_path / "page", tmp_path / "model"
    (page / "assets").mkdir(parents=True)
    (model / "1").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>")
    (page / "assets" / "app.js").write_text("export {}")
    (page / "assets" / "simd.wasm").write_bytes(b"\0asm")
    (model / "current").write_text("1\n")
    (model / "1" / "contract.json").write_text("{}")
    (model / "1" / "shard.bin").write_bytes(bytes(range(256)))
    (tmp_path / "secret").write_text("not served")
    return {"/some/path/": page, "/some/path/model/": model}


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {key.lower(): value for key, value in error.headers.items()}, error.read()


def test_the_longest_prefix_wins(folders: dict[str, Path]) -> None:
    with StaticServer(folders) as server:
        assert get(f"{server.url}/some/path/")[2] == b"<!doctype html>"
        assert get(f"{server.url}/some/path/?query=1")[2] == b"<!doctype html>"
        assert get(f"{server.url}/some/path")[2] == b"<!doctype html>", "redirected to the folder"
        assert get(f"{server.url}/some/path/model/current")[2] == b"1\n"
        assert get(f"{server.url}/some/path/model/1/shard.bin")[2] == bytes(range(256))


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("assets/app.js", "text/javascript"),
        ("assets/simd.wasm", "application/wasm"),
        ("model/1/contract.json", "application/json"),
        ("model/1/shard.bin", "application/octet-stream"),
    ],
)
def test_media_types(folders: dict[str, Path], path: str, media_type: str) -> None:
    with StaticServer(folders) as server:
        assert get(f"{server.url}/some/path/{path}")[1]["content-type"] == media_type


def test_nothing_outside_the_folders_is_served(folders: dict[str, Path]) -> None:
    with StaticServer(folders) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        for path in ("/", "/some/", "/some/path/assets/", "/some/path/../../secret", "/some/path/%2e%2e/secret"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, b"not served" in answer.read()) == (404, False), path
        connection.close()


def test_headers_are_added_to_every_answer(folders: dict[str, Path]) -> None:
    with StaticServer(folders, ISOLATION_HEADERS) as server:
        for path in ("/some/path/", "/nothing"):
            headers = get(server.url + path)[1]
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-embedder-policy"] == "require-corp"
    with StaticServer(folders) as server:
        assert "cross-origin-opener-policy" not in get(f"{server.url}/some/path/")[1]


def test_the_log_has_every_request(folders: dict[str, Path]) -> None:
    with StaticServer(folders) as server:
        get(f"{server.url}/some/path/?a=1")
        get(f"{server.url}/nothing")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{server.url}/some/path/", data=b"photo", timeout=10)
        caught.value.close()
        assert server.requests == [
            Request("GET", "/some/path/?a=1", 200),
            Request("GET", "/nothing", 404),
            Request("POST", "/some/path/", 501),
        ]


def test_it_ends_though_a_connection_is_kept_open(folders: dict[str, Path]) -> None:
    before = set(threading.enumerate())
    with StaticServer(folders) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        connection.request("GET", "/some/path/")
        connection.getresponse().read()
        address = server.url
    assert set(threading.enumerate()) == before
    connection.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=10)


def test_a_prefix_without_slashes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must begin and end"):
        StaticServer({"/model": tmp_path})


def test_headers_may_differ_by_path(folders: dict[str, Path]) -> None:
    with StaticServer(folders, lambda path: {"X-Path": path} if path.endswith(".js") else {}) as server:
        assert get(f"{server.url}/some/path/assets/app.js?a=1")[1]["x-path"] == "/some/path/assets/app.js"
        assert "x-path" not in get(f"{server.url}/some/path/")[1]


def fetched(url: str, accepted: str) -> tuple[dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={"Accept-Encoding": accepted})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {key.lower(): value for key, value in answer.headers.items()}, answer.read()


@pytest.mark.parametrize("path", ["", "assets/app.js", "assets/simd.wasm", "model/1/contract.json"])
def test_text_and_webassembly_are_compressed_for_who_accepts_it(folders: dict[str, Path], path: str) -> None:
    with StaticServer(folders, {"X-Added": "1"}, compress=True) as server:
        plain, whole = fetched(f"{server.url}/some/path/{path}", "identity")
        headers, body = fetched(f"{server.url}/some/path/{path}", "gzip, deflate, br")
    assert "content-encoding" not in plain
    assert (headers["content-encoding"], headers["content-type"]) == ("gzip", plain["content-type"])
    assert int(headers["content-length"]) == len(body) and headers["x-added"] == "1"
    assert gzip.decompress(body) == whole


def test_weights_are_sent_as_they_lie_there(folders: dict[str, Path]) -> None:
    with StaticServer(folders, compress=True) as server:
        headers, body = fetched(f"{server.url}/some/path/model/1/shard.bin", "gzip")
        assert "content-encoding" not in headers and body == bytes(range(256))
        assert get(f"{server.url}/some/path")[2] == b"<!doctype html>", "redirected to the folder"
        assert get(f"{server.url}/nothing.js")[0] == 404
    with StaticServer(folders) as server:
        assert "content-encoding" not in fetched(f"{server.url}/some/path/assets/app.js", "gzip")[0]


def test_a_file_that_changes_is_compressed_anew(folders: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "page" / "assets" / "app.js"
    with StaticServer(folders, compress=True) as server:
        fetched(f"{server.url}/some/path/assets/app.js", "gzip")
        path.write_text("export const changed = 1")
        os.utime(path, ns=(1, 1))
        assert gzip.decompress(fetched(f"{server.url}/some/path/assets/app.js", "gzip")[1]) == path.read_bytes()
