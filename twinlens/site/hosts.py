"""The page's headers in the words of the usual hosts: each file is read by its own host and is a plain file elsewhere.

Without any of them the page works too, and says so in its own policy; from the second visit on its service worker
isolates it. With them it is isolated from the first, and its files are cached as long as they may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from twinlens.headers import IMMUTABLE, PAGE_HEADERS, REVALIDATE

_ALWAYS: Final[Mapping[str, str]] = {**PAGE_HEADERS, "X-Content-Type-Options": "nosniff"}
_CACHE: Final = "Cache-Control"
_IN_PLACE: Final = ("/", "/index.html", "/sw.js", "/app.webmanifest", "/model/current")
_COMPRESSED: Final = (
    "application/json",
    "application/manifest+json",
    "application/wasm",
    "text/css",
    "text/html",
    "text/javascript",
    "text/markdown",
    "text/plain",
)


_NOT_FOUND: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Not found</title><p>Not found.</html>
"""


def host_files(version: str) -> dict[str, str]:
    """The files for hosts, by name.

    :param version: the model's version, whose folder never changes.
    """
    rules = _rules(version)
    return {
        "_headers": _headers(rules),
        "vercel.json": _vercel(rules),
        ".htaccess": _htaccess(),
        "nginx.conf": _nginx(),
        ".nojekyll": "",
        # Without it Cloudflare Pages answers every address with index.html, and status 200.
        "404.html": _NOT_FOUND,
    }


def _rules(version: str) -> list[tuple[str, dict[str, str]]]:
    """Pattern and headers. No header is given twice to one file: some hosts join them, some send both."""
    return [
        ("/*", dict(_ALWAYS)),
        *((path, {_CACHE: REVALIDATE}) for path in _IN_PLACE),
        ("/assets/*", {_CACHE: IMMUTABLE}),
        (f"/model/{version}/*", {_CACHE: IMMUTABLE}),
    ]


def _headers(rules: list[tuple[str, dict[str, str]]]) -> str:
    """Netlify and Cloudflare Pages."""
    blocks = [
        "# Netlify and Cloudflare Pages. In a sub-folder of a site: move this file to the site's own root, and put\n"
        "# the folder's path before each pattern."
    ]
    for pattern, headers in rules:
        blocks.append("\n".join([pattern, *(f"  {name}: {value}" for name, value in headers.items())]))
    return "\n\n".join(blocks) + "\n"


def _vercel(rules: list[tuple[str, dict[str, str]]]) -> str:
    """Vercel."""
    listed = [
        {
            "source": pattern.replace("*", "(.*)"),
            "headers": [{"key": name, "value": value} for name, value in headers.items()],
        }
        for pattern, headers in rules
    ]
    return json.dumps({"headers": listed}, indent=2) + "\n"


def _htaccess() -> str:
    """Apache: of this folder, wherever it lies."""
    always = "\n".join(f'  Header always set {name} "{value}"' for name, value in _ALWAYS.items())
    return f"""# Apache, where AllowOverride lets it be read.
<IfModule mod_headers.c>
{always}
  Header set {_CACHE} "{REVALIDATE}"
  <If "%{{REQUEST_URI}} =~ m#/(assets|model/[^/]+)/[^/]#">
    Header set {_CACHE} "{IMMUTABLE}"
  </If>
</IfModule>
<IfModule mod_mime.c>
  AddType application/manifest+json .webmanifest
  AddType application/octet-stream .bin
  AddType application/wasm .wasm
  AddType text/javascript .js
  # The page itself opens *.gz.bin, after it has checked their digests.
  RemoveEncoding .gz
</IfModule>
<IfModule mod_deflate.c>
  AddOutputFilterByType DEFLATE {" ".join(_COMPRESSED)}
</IfModule>
"""


def _nginx() -> str:
    """nginx: not read by itself."""
    always = "\n".join(f'        add_header {name} "{value}" always;' for name, value in _ALWAYS.items())
    # text/html nginx compresses unasked; its own table calls scripts application/javascript.
    types = " ".join(["application/javascript", *(kind for kind in _COMPRESSED if kind != "text/html")])
    return f"""# nginx: a part of the http block. Change the two paths in it, and include it.
map $uri $twinlens_cache {{
    default "{REVALIDATE}";
    ~/(assets|model/[^/]+)/[^/] "{IMMUTABLE}";
}}
server {{
    listen 80;
    root /srv/www;
    location /path/ {{
        include mime.types;
        types {{
            application/manifest+json webmanifest;
        }}
{always}
        add_header {_CACHE} $twinlens_cache;
        gzip on;
        gzip_types {types};
    }}
}}
"""
