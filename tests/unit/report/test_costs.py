from twinlens.report.costs import Cost, costs
from twinlens.report.html import render

MACHINE = {"cores": 2, "processor": "A <fast> one", "onnxruntime": "1.2.3"}


def cost(name, colour, megabytes, milliseconds):
    exports = {
        export: {"files": 1, "bytes": round(megabytes * 1e6), "gzip_bytes": round(megabytes * 0.9e6)}
        for export in ("onnx", "tfjs")
    }
    timed = {"median_ms": milliseconds, "p95_ms": 2 * milliseconds, "all_ms": [milliseconds, 9 * milliseconds]}
    return Cost(name, colour, exports, {"photo": timed, "network": timed})


def test_one_model_is_not_named_in_every_row():
    text = render(costs([cost("mine", "one", 4.5, 10.0)], MACHINE))
    assert "mine" not in text
    assert text.count("4.50 MB") == 2
    assert "A &lt;fast&gt; one, 2 cores" in text
    assert "10.0 ms" in text and "20.0 ms" in text


def test_two_models_share_one_scale_and_what_is_beyond_it_is_counted():
    text = render(costs([cost("A", "one", 9.0, 10.0), cost("B", "two", 4.5, 20.0)], MACHINE))
    assert text.count('width="100.00%"') == text.count('width="50.00%"') == 2
    assert "50 ms" in text  # the 95th percentile of B, 40 ms, and what is round above it
    assert "4 took longer than the scale shows" in text
