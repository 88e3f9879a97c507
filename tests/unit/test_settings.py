from dataclasses import fields
from pathlib import Path

import pytest

from twinlens.errors import TwinlensError
from twinlens.settings import PREFIX, ROOT, Settings, table, variable


def refused(**environment):
    with pytest.raises(TwinlensError) as caught:
        Settings.from_environment({PREFIX + name: value for name, value in environment.items()})
    assert caught.value.code == "invalid_setting"
    return caught.value.detail


def test_defaults_lie_beside_the_package_whatever_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    assert settings.model_folder == ROOT / "bentos" / "clothing"
    assert settings.page == ROOT / "web" / "dist"
    assert (ROOT / "twinlens" / "settings.py").is_file()


def test_a_folder_that_is_set_is_taken_as_it_is():
    assert Settings.from_environment({"TWINLENS_MODELS": "here"}).models == Path("here")


def test_every_value_is_cast():
    settings = Settings.from_environment(
        {"TWINLENS_PORT": "8080", "TWINLENS_BATCHING": "FALSE", "TWINLENS_MAX_BODY_MIB": "0.5", "PATH": "/bin"}
    )
    assert (settings.port, settings.batching, settings.max_body_bytes) == (8080, False, 2**19)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PORT", value) for value in ("", "0", "65536", "-1", "80.0", " 80", "8_0", "８０", "9" * 5000)),
        *(("MAX_BODY_MIB", value) for value in ("", "nan", "inf", "-1", "1e3", "1_0", "0", "4097", " 1")),
        *(("BATCHING", value) for value in ("", "yes", "1", "on")),
        *(("LOG_FORMAT", value) for value in ("", "JSON", "xml")),
        *(("GRACE_S", value) for value in ("0", "1.5", "-1")),
        *(("MODEL", value) for value in ("", "a/b", "..", ".hidden", "/")),
        *(("MODELS", value) for value in ("", " ")),
        ("HOST", ""),
        *(
            ("FEEDBACK", value)
            for value in ("x.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?b=c")
        ),
        *(("FEEDBACK", value) for value in ("mysql://host/x", "postgresql://", "postgresql+asyncpg://host/x", " ")),
        *(("FEEDBACK_TOKEN", value) for value in ("short", "fifteen-letters", "with a space in it", "with-ünïcode-it")),
        ("FEEDBACK_PHOTOS", " "),
        ("FEEDBACK_PER_DAY", "0"),
    ],
)
def test_a_bad_value_is_named_with_what_would_do(name, value):
    detail = refused(**{name: value})
    assert PREFIX + name in detail
    assert "must be" in detail


def test_feedback_is_off_unless_a_database_is_named():
    assert Settings().feedback == Settings.from_environment({"TWINLENS_FEEDBACK": ""}).feedback == ""
    assert Settings().feedback_token == ""


def test_a_database_is_named_in_full_whatever_folder_another_process_works_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"TWINLENS_FEEDBACK": "sqlite:///x.db", "TWINLENS_FEEDBACK_PHOTOS": "photos"})
    assert settings.feedback == f"sqlite:///{tmp_path}/x.db"
    assert settings.feedback_photos == f"{tmp_path}/photos"
    monkeypatch.chdir("/")
    assert Settings.from_environment(settings.to_environment()) == settings
    assert Settings.from_environment({"TWINLENS_FEEDBACK": "sqlite:////srv/x.db"}).feedback == "sqlite:////srv/x.db"
    kept = Settings.from_environment({"TWINLENS_FEEDBACK_PHOTOS": "s3://bucket/folder"})
    assert kept.feedback_photos == "s3://bucket/folder"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_has_one_driver_however_it_is_called(scheme):
    found = Settings.from_environment({"TWINLENS_FEEDBACK": f"{scheme}://ana@host/x"}).feedback
    assert found == "postgresql+psycopg://ana@host/x"


def test_a_secret_is_in_no_error_and_no_repr():
    secret = "swordfish-swordfish"
    for name in ("FEEDBACK", "FEEDBACK_TOKEN"):
        assert secret not in refused(**{name: f"mysql://{secret} "})
    given = {"TWINLENS_FEEDBACK": f"postgresql://ana:{secret}@host/x", "TWINLENS_FEEDBACK_TOKEN": secret}
    settings = Settings.from_environment({**given, "TWINLENS_FEEDBACK_PHOTOS": f"ftp://ana:{secret}@host"})
    assert secret not in repr(settings)
    assert settings.to_environment()["TWINLENS_FEEDBACK_TOKEN"] == secret


def test_a_misspelt_name_is_not_ignored():
    assert "TWINLENS_PROT" in refused(PROT="3000")


def test_the_environment_gives_the_same_settings_in_another_folder(tmp_path, monkeypatch):
    settings = Settings.from_environment({"TWINLENS_MODELS": "m", "TWINLENS_PAGE": "p", "TWINLENS_TIMEOUT_S": "2.5"})
    there = settings.to_environment()
    assert there["TWINLENS_MODELS"] == str(Path("m").absolute())
    monkeypatch.chdir(tmp_path)
    again = Settings.from_environment(there)
    assert again.to_environment() == there
    assert (again.timeout_s, again.batching) == (2.5, True)


def test_a_setting_that_is_off_by_default_stays_off_in_another_process():
    assert Settings.from_environment({}).index is None
    assert "TWINLENS_INDEX" not in Settings().to_environment()
    there = Settings.from_environment({"TWINLENS_INDEX": "photos.index"})
    assert there.index == Path("photos.index")
    assert there.to_environment()["TWINLENS_INDEX"] == str(Path("photos.index").absolute())
    assert "| `TWINLENS_INDEX` | folder | none |" in table()


def test_what_may_arrive_is_what_may_wait_unless_it_is_set():
    assert Settings(max_waiting_mib=2).max_arriving_bytes == 2 * 2**20
    assert Settings(max_waiting_mib=2, max_arriving_mib=0.5).max_arriving_bytes == 2**19


def test_the_limits_are_in_pixels():
    limits = Settings(max_jpeg_megapixels=1.5, max_megapixels=0.001).limits
    assert (limits.jpeg_pixels, limits.other_pixels) == (1_500_000, 1000)


def test_the_defaults_are_those_that_were_promised():
    settings = Settings()
    assert (settings.max_body_mib, settings.max_jpeg_megapixels, settings.max_megapixels) == (32, 120, 50)
    assert settings.batching


def test_by_default_the_deadlines_are_within_those_of_what_stands_around():
    """BentoML's traffic timeout is 60 seconds; Kubernetes kills what has not ended 30 seconds after SIGTERM."""
    settings = Settings()
    assert settings.timeout_s < 60
    assert settings.drain_s + settings.grace_s + 5 <= 30


def test_by_default_connections_are_kept_for_longer_than_proxies_keep_theirs():
    """nginx and the load balancers of AWS keep theirs for 60 seconds."""
    assert Settings().keep_alive_s > 60


def test_the_table_has_a_row_for_every_setting_and_machine_free_defaults():
    rows = table().splitlines()
    assert len(rows) == 2 + len(fields(Settings))
    assert all(f"`{variable(entry.name)}`" in row for entry, row in zip(fields(Settings), rows[2:], strict=True))
    assert str(ROOT) not in table()
