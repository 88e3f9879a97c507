import json
import re

import pytest

from tests.hosts import Rules, matching, of_headers
from twinlens.headers import IMMUTABLE, PAGE_HEADERS, REVALIDATE
from twinlens.site.hosts import host_files

CACHE = "Cache-Control"
# What each of the site's files is to be sent with, beside what every file is.
WANTED = {
    "/": {CACHE: REVALIDATE},
    "/index.html": {CACHE: REVALIDATE},
    "/sw.js": {CACHE: REVALIDATE},
    "/app.webmanifest": {CACHE: REVALIDATE},
    "/model/current": {CACHE: REVALIDATE},
    "/assets/worker-a1.js": {CACHE: IMMUTABLE},
    "/assets/tfjs-simd.wasm": {CACHE: IMMUTABLE},
    "/model/v1/contract.json": {CACHE: IMMUTABLE},
    "/model/v1/tfjs/weights.0.gz.bin": {CACHE: IMMUTABLE},
    "/icons/icon-192.png": {},
}


def of_vercel(text: str) -> Rules:
    rules = []
    for rule in json.loads(text)["headers"]:
        pattern = re.escape(rule["source"]).replace(re.escape("(.*)"), "(.*)")
        rules.append((pattern, {each["key"]: each["value"] for each in rule["headers"]}))
    return rules


@pytest.mark.parametrize("path", WANTED)
@pytest.mark.parametrize(("name", "read"), [("_headers", of_headers), ("vercel.json", of_vercel)])
def test_every_file_gets_its_headers(name, read, path):
    found = matching(read(host_files("v1")[name]), path)
    assert found == {**PAGE_HEADERS, "X-Content-Type-Options": "nosniff", **WANTED[path]}


def test_apache_has_every_header_and_leaves_packed_weights_packed():
    text = host_files("v1")[".htaccess"]
    for name, value in PAGE_HEADERS.items():
        assert f'Header always set {name} "{value}"' in text
    (pattern,) = re.findall(r"=~ m#(.*)#\"", text)
    immutable = [path for path in WANTED if re.search(pattern, f"/some/path{path}")]
    assert immutable == [path for path, headers in WANTED.items() if headers.get(CACHE) == IMMUTABLE]
    assert "RemoveEncoding .gz" in text
    opened = re.findall(r"^ *<([A-Za-z]+)", text, re.MULTILINE)
    assert sorted(opened) == sorted(re.findall(r"^ *</([A-Za-z]+)>", text, re.MULTILINE))


def test_nginx_has_every_header():
    text = host_files("v1")["nginx.conf"]
    for name, value in PAGE_HEADERS.items():
        assert f'add_header {name} "{value}" always;' in text
    (pattern,) = re.findall(r"~(/\(assets.*) \"", text)
    immutable = [path for path in WANTED if re.search(pattern, f"/some/path{path}")]
    assert immutable == [path for path, headers in WANTED.items() if headers.get(CACHE) == IMMUTABLE]
    assert text.count("{") == text.count("}")


def test_github_pages_is_told_not_to_leave_anything_out():
    assert host_files("v1")[".nojekyll"] == ""
