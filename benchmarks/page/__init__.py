"""``make bench-page``: our page beside others that classify a photo on the visitor's device, in one run.

Same Chromium, same network, same photo, same host. ``weights`` finds the smallest weights of each peer that keep the
accuracy, out of what ``graphs`` and ``lite`` make; ``packages`` installs the peers; ``sites`` says what each page is
served from; ``visits`` opens a page and times it; ``plan`` says what is measured and in which order; ``goals``,
``rows``, ``table`` and ``picture`` say what the rounds mean. The peers' pages are in ``benchmarks/page_peers``.
"""
