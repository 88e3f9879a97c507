from pathlib import Path

import psutil
import pytest
import torch

from training import device
from twinlens.errors import TwinlensError


def test_cuda_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [device.choose(name).type for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [device.choose(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(TwinlensError, match="--device cpu") as refused:
        device.choose("cuda")
    assert refused.value.code == "invalid_arguments"


@pytest.mark.parametrize(
    ("there", "precision"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: there)
    assert device.precision(torch.device("cpu")) == precision


@pytest.mark.parametrize(("supported", "precision"), [(True, "bfloat16"), (False, "float16")])
def test_an_old_gpu_takes_float16(monkeypatch: pytest.MonkeyPatch, supported: bool, precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: supported)
    assert device.precision(torch.device("cuda")) == precision


def test_workers_are_forked_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_threads", lambda: 12)
    monkeypatch.setattr("sys.platform", "linux")
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert device.workers(None, cpu, held=True) == 1
    assert device.workers(None, cpu, held=False) == 12
    assert device.workers(None, cuda, held=True) == 12
    assert [device.workers(count, cpu, held=False) for count in (0, 3)] == [0, 3]
    monkeypatch.setattr("sys.platform", "darwin")
    assert device.workers(3, cpu, held=True) == 0


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 8 << 30),
        ({"memory.max": "max", "memory.current": "5", "memory.stat": ""}, 8 << 30),
        ({"memory.max": str(2 << 30), "memory.current": str(1 << 30), "memory.stat": "anon 1\n"}, 1 << 30),
        ({"memory.max": "1000", "memory.current": "900", "memory.stat": "anon 1\ninactive_file 300\n"}, 400),
        ({"memory.max": "1000", "memory.current": "2000", "memory.stat": ""}, 0),
        (
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "10",
                "memory/memory.stat": "cache 1\n",
            },
            990,
        ),
    ],
)
def test_a_containers_limit_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], free: int
) -> None:
    memory = psutil.virtual_memory()._replace(available=8 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert device.free_memory(tmp_path) == free


def test_photos_are_held_in_half_of_what_is_free_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "free_memory", lambda: 6 << 20)
    assert device.photo_memory(4) == 3 << 20
    assert device.photo_memory(2) == 2 << 20
    assert device.photo_memory(4096, processes=3) == 1 << 20
