"""Header files of hosts, read as those hosts read them."""

from __future__ import annotations

import re

Rules = list[tuple[str, dict[str, str]]]
"""A pattern that matches a whole path, and the headers that it adds."""


def matching(rules: Rules, path: str) -> dict[str, str]:
    """The headers of a path; every rule whose pattern fits adds its own, and none may add one twice."""
    found: dict[str, str] = {}
    for pattern, headers in rules:
        if re.fullmatch(pattern, path):
            assert not found.keys() & headers.keys(), (pattern, path)
            found |= headers
    return found


def of_headers(text: str) -> Rules:
    """``_headers``, of Netlify and Cloudflare Pages."""
    rules: Rules = []
    for line in text.splitlines():
        if line.startswith("/"):
            rules.append((re.escape(line).replace(r"\*", ".*"), {}))
        elif line.strip() and not line.startswith("#"):
            name, value = line.strip().split(": ", 1)
            rules[-1][1][name] = value
    return rules
