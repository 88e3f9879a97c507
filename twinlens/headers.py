"""The headers of the page, wherever it is hosted: by ``twinlens serve``, and by the hosts that ``twinlens site`` writes for.

The page may talk to its own host and to nobody else, and it is isolated from other origins, which is what lets its
WebAssembly use threads. ``web/src/policy.ts`` has the same policies for pages whose host sends no headers.
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
"""Of the document. A page cannot say for itself who may frame it, so the last part stands only here."""

WORKER_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' blob: 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "connect-src 'self'",
    )
)
"""Of scripts: a worker obeys the headers of its own script. WebAssembly's threads are started from ``blob:``."""

ISOLATION: Final[Mapping[str, str]] = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
EVERYWHERE: Final[Mapping[str, str]] = {**ISOLATION, "Referrer-Policy": "no-referrer"}
"""Of every file, whatever its policy."""

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Of files whose name changes with their content."""
REVALIDATE: Final = "no-cache"
"""Of files that change in place: the copy in a cache is asked about, and mostly still right (304)."""
