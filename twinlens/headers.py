"""The headers of the page, wherever it is hosted: by ``twinlens serve``, or by a host that ``twinlens site`` knows.

The page may talk to its own host and to nobody else, and it is isolated from other origins, which is what lets its
WebAssembly use threads. ``web/src/policy.ts`` has the same policy for pages whose host sends no headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "style-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Of the document, and of the workers that it starts. A page cannot say for itself who may frame it, so the last part
stands only here."""

PAGE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
}
"""Of every file."""

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Of files whose name changes with their content."""
REVALIDATE: Final = "no-cache"
"""Of files that change in place: the copy in a cache is asked about, and mostly still right (304)."""
