import json
from pathlib import Path

import numpy as np

from benchmarks.process import step
from benchmarks.similar.vectors import jittered
from tests.unit.similar.made import clusters
from twinlens.similar.projection import fit


def test_an_index_is_built_and_timed_in_a_process(tmp_path: Path) -> None:
    embeddings, _ = clusters(200)
    vectors = fit([embeddings], 32, 16)(embeddings)
    np.save(tmp_path / "vectors.npy", jittered(vectors, 3000, 1))
    np.save(tmp_path / "asked.npy", jittered(vectors, 100, 2))
    files = [str(tmp_path / name) for name in ("vectors.npy", "asked.npy")]
    found = step("benchmarks.similar.search", [*files, "hnsw", "0.95", "2"], 120)
    assert found.get("failed") is None
    assert (found["kind"], found["vectors"], found["questions"]) == ("hnsw", 3000, 100)
    assert found["recall_at_10"] > 0.85
    assert len(found["ours_ms"]) == len(found["exact_ms"]) == 2 and min(found["ours_ms"]) > 0
    assert 3000 * 16 * 4 < found["index_bytes"] < found["peak_bytes"]
    assert json.loads(json.dumps(found)) == found
