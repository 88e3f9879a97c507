import tomllib

import pytest

from twinlens.errors import TwinlensError
from twinlens.extras import EXTRAS, need
from twinlens.settings import ROOT


def test_a_package_that_is_there_is_given():
    assert need("pyarrow.parquet").__name__ == "pyarrow.parquet"


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module"), ImportError("libomp.so: cannot open")])
def test_an_absent_one_is_an_error_that_names_its_extra(error, monkeypatch):
    def refuse(name, package=None):
        raise error

    monkeypatch.setattr("importlib.import_module", refuse)
    for module, extra in EXTRAS.items():
        with pytest.raises(TwinlensError, match=rf"\[{extra}\]") as caught:
            need(module)
        assert caught.value.code == "missing_requirement"


def test_every_extra_is_declared_and_no_server_needs_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])
    names = {"faiss-cpu", "pyarrow", "ray"}
    assert not any(line.startswith(tuple(names)) for line in project["dependencies"])
