from pathlib import Path

import pytest
import torch

from training import checkpoint
from twinlens.errors import TwinlensError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"a": torch.arange(4.0), "count": 3, "nested": {"b": [torch.ones(2), "text"]}}
    checkpoint.save(tmp_path / "run" / checkpoint.BEST, state)
    loaded = checkpoint.load_best(tmp_path / "run")
    assert torch.equal(loaded["a"], state["a"])
    assert loaded["count"] == 3
    assert [path.name for path in (tmp_path / "run").iterdir()] == [checkpoint.BEST]


def test_an_interrupted_save_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / checkpoint.LAST, {"epoch": 1})
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(tmp_path / checkpoint.LAST, {"epoch": lambda: 2})
    assert checkpoint.load(tmp_path / checkpoint.LAST) == {"epoch": 1}


def test_a_missing_or_broken_checkpoint_is_an_invalid_run(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError) as missing:
        checkpoint.load_best(tmp_path)
    assert missing.value.code == "invalid_run"
    (tmp_path / checkpoint.BEST).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(TwinlensError, match=r"best\.pt cannot be read"):
        checkpoint.load_best(tmp_path)
