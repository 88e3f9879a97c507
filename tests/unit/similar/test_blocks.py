import numpy as np
import pytest

from twinlens.errors import TwinlensError
from twinlens.similar.blocks import Blocks

DIGESTS = [f"{number:064x}" for number in range(10)]
EMBEDDINGS = np.arange(40, dtype=np.float16).reshape(10, 4)


@pytest.fixture
def kept(tmp_path):
    blocks = Blocks(tmp_path / "kept", 4)
    blocks.keep(DIGESTS[:6], EMBEDDINGS[:6])
    blocks.keep(DIGESTS[6:], EMBEDDINGS[6:])
    return blocks


def everything(blocks, digests):
    return np.concatenate(list(blocks.read(digests, 3)))


def test_what_is_kept_comes_back_in_any_order(kept, tmp_path):
    for blocks in (kept, Blocks(tmp_path / "kept", 4)):
        assert blocks.known == set(DIGESTS) and DIGESTS[3] in blocks and "x" not in blocks
        order = [7, 0, 9, 3, 3]
        assert np.array_equal(everything(blocks, [DIGESTS[at] for at in order]), EMBEDDINGS[order])


def test_nothing_is_kept_where_there_is_no_folder(tmp_path):
    blocks = Blocks(tmp_path / "none", 4)
    assert not blocks.known and list(blocks.read([])) == []
    assert not (tmp_path / "none").exists()


def test_what_is_not_kept_is_an_error(kept):
    with pytest.raises(TwinlensError) as caught:
        everything(kept, ["f" * 64])
    assert caught.value.code == "invalid_index"


def test_others_are_forgotten_on_the_disk_too(kept, tmp_path):
    kept.keep_only(DIGESTS[4:8])
    for blocks in (kept, Blocks(tmp_path / "kept", 4)):
        assert blocks.known == set(DIGESTS[4:8])
        assert np.array_equal(everything(blocks, DIGESTS[4:8]), EMBEDDINGS[4:8])
    stored = np.concatenate([np.load(path) for path in (tmp_path / "kept").glob("*.npy")])
    assert sorted(stored[:, 0]) == [16, 20, 24, 28]
    before = sorted((tmp_path / "kept").iterdir())
    kept.keep_only([*DIGESTS[4:8], "f" * 64])
    assert sorted((tmp_path / "kept").iterdir()) == before


def test_a_block_that_was_cut_off_is_none(kept, tmp_path):
    folder = tmp_path / "kept"
    (folder / "000001.sha256").unlink()
    assert Blocks(folder, 4).known == set(DIGESTS[:6])
    (folder / "000000.npy").write_bytes((folder / "000000.npy").read_bytes()[:100])
    blocks = Blocks(folder, 4)
    assert not blocks.known
    blocks.keep(DIGESTS[:2], EMBEDDINGS[:2])  # under a name that nothing has
    assert Blocks(folder, 4).known == set(DIGESTS[:2])


def test_numbers_that_half_precision_cannot_hold_keep_their_direction(tmp_path):
    rng = np.random.default_rng(0)
    embeddings = rng.random((4, 6)).astype(np.float32) * np.array([[1e6], [1], [1e-7], [0]], np.float32)
    blocks = Blocks(tmp_path / "kept", 6)
    blocks.keep(DIGESTS[:4], embeddings)
    found = everything(blocks, DIGESTS[:4]).astype(np.float32)
    assert np.isfinite(found).all() and (found[3] == 0).all()
    assert found[1] == pytest.approx(embeddings[1], abs=1e-3)
    for kept, embedding in zip(found[:3], embeddings[:3], strict=True):
        assert kept @ embedding / np.linalg.norm(kept) / np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_embeddings_of_another_size_are_none(kept, tmp_path):
    assert not Blocks(tmp_path / "kept", 5).known
