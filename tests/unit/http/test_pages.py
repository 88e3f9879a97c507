import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from tests import models
from twinlens.errors import TwinlensError
from twinlens.headers import CONTENT_SECURITY_POLICY
from twinlens.http import problems
from twinlens.http.pages import ModelFiles, Page


class Browser:
    """Asks an application for files, by the raw path that it is given."""

    def __init__(self, page, model, *in_use, feedback=False):
        self.app = Starlette(
            routes=[Route("/model/{path:path}", ModelFiles(model, *in_use).respond)],
            exception_handlers={HTTPException: problems.handle, TwinlensError: problems.handle},
        )
        self.app.router.redirect_slashes = False
        self.app.router.default = Page(page, feedback=feedback)

    def __call__(self, path, method="GET", **headers):
        async def ask():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def site(tmp_path):
    page = tmp_path / "dist"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>page")
    (page / "assets" / "index-a1b2.js").write_text("run()")
    (page / "assets" / "tfjs.wasm").write_bytes(b"\0asm")
    (page / "app.webmanifest").write_text("{}")
    (page / "sw.js").write_text("serve()")
    (tmp_path / "secret.txt").write_text("secret")
    (page / "link.txt").symlink_to(tmp_path / "secret.txt")
    return tmp_path


@pytest.fixture
def browse(site):
    models.write(site / "models")
    return Browser(site / "dist", site / "models" / models.NAME)


def test_the_page_and_its_promise(browse):
    answer = browse("/")
    assert answer.text == "<!doctype html>page"
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self' 'wasm-unsafe-eval'",
        "worker-src": "'self' blob:",
        "connect-src": "'self'",
        "img-src": "'self' blob: data:",
        "style-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"


@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/assets/index-a1b2.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/tfjs.wasm", "application/wasm", "public, max-age=31536000, immutable"),
        ("/app.webmanifest", "application/manifest+json", "no-cache"),
        ("/sw.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/model/current", "text/plain; charset=utf-8", "no-cache"),
        ("/model/v1/contract.json", "application/json", "public, max-age=31536000, immutable"),
        ("/model/v1/tfjs/model.json", "application/json", "public, max-age=31536000, immutable"),
        ("/model/v1/model.onnx", "application/octet-stream", "public, max-age=31536000, immutable"),
    ],
)
def test_media_types_and_caching(browse, path, media_type, caching):
    answer = browse(path)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (media_type, caching)
    again = browse(path, **{"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", caching)


@pytest.mark.parametrize(
    "path",
    [
        "/nope", "/assets", "/assets/", "/link.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/..\\secret.txt",
        "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "//etc/passwd", "/%00", "/" + "x" * 5000,
        "/model", "/model/", "/model/v1", "/model/v1/", "/model/v2/contract.json", "/model/v1/MODEL_CARD.md",
        "/model/current/", "/model/v1/../../../secret.txt", "/model/v1/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/model/../secret.txt", "/model/%2e%2e/dist/index.html", "/model/v1//model.onnx", "/model/.v1/contract.json",
    ],
)  # fmt: skip
def test_nothing_else_is_there(browse, site, path):
    (site / "models" / models.NAME / "v1" / "MODEL_CARD.md").write_text("not listed")
    answer = browse(path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] in ("not_found", "missing_page")
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/", "/assets/tfjs.wasm", "/model/current"])
def test_files_are_only_read(browse, path):
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = browse(path, method)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    head = browse(path, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == browse(path).headers["content-length"]


def test_an_unknown_path_is_not_found_by_any_method(browse):
    assert browse("/nope", "POST").status_code == 404


def test_a_page_that_was_not_built_says_what_to_run(browse, site):
    (site / "dist" / "index.html").unlink()
    answer = browse("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "missing_page")
    assert "make page" in answer.json()["detail"] and str(site) not in answer.text
    assert not Page(site / "dist").is_built() and not Page(site / "nowhere").is_built()
    assert browse("/model/current").text == "v1\n"


def test_a_new_version_is_there_at_once(browse, site):
    assert browse("/model/v2/contract.json").status_code == 404
    models.write(site / "models", version="v2")
    assert browse("/model/current").text == "v2\n"
    assert browse("/model/v2/contract.json").json()["model"]["version"] == "v2"
    assert browse("/model/v1/contract.json").status_code == 200


def test_the_page_is_sent_to_the_version_that_answers_here(site):
    models.write(site / "models")
    models.write(site / "models", version="v2")
    in_use = "v1"
    browse = Browser(site / "dist", site / "models" / models.NAME, lambda: in_use)
    answer = browse("/model/current")
    assert (answer.text, answer.headers["cache-control"]) == ("v1\n", "no-cache")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    again = browse("/model/current", **{"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = browse("/model/current", "HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "3")
    in_use = "v2"
    later = browse("/model/current", **{"if-none-match": answer.headers["etag"]})
    assert (later.status_code, later.text) == (200, "v2\n")
    in_use = None
    assert browse("/model/current").text == "v2\n", "without an engine the disk's word is given out"
    for version in ("v1", "v2"):
        assert browse(f"/model/{version}/contract.json").status_code == 200


def test_a_part_of_a_file(browse):
    answer = browse("/model/v1/model.onnx", range="bytes=0-3")
    assert (answer.status_code, len(answer.content)) == (206, 4)


def test_the_page_is_told_that_there_is_a_server(browse, site):
    index = site / "dist" / "index.html"
    index.write_text('<!doctype html><meta name="twinlens-server" content=""><title>页</title>')
    first = browse("/")
    assert first.text == '<!doctype html><meta name="twinlens-server" content="v1/classify"><title>页</title>'
    assert int(first.headers["content-length"]) == len(first.content)
    same = browse("/index.html", **{"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    index.write_text("<!doctype html>another build")
    again = browse("/", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.text) == (200, "<!doctype html>another build")


@pytest.mark.parametrize(("feedback", "address"), [(False, ""), (True, "v1/feedback")])
def test_the_page_is_told_whether_feedback_is_taken(site, feedback, address):
    (site / "dist" / "index.html").write_text('<meta name="twinlens-feedback" content="">')
    browse = Browser(site / "dist", site, feedback=feedback)
    assert browse("/").text == f'<meta name="twinlens-feedback" content="{address}">'
