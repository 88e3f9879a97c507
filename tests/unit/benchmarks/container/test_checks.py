import pytest

from benchmarks.container.__main__ import goals
from benchmarks.container.archive import Image, Layer
from benchmarks.container.checks import Check, of_image

LABELS = ("title", "description", "licenses", "version", "revision", "base.name")
GOOD = {
    "User": "10001:10001",
    "Labels": {f"org.opencontainers.image.{name}": "x" for name in LABELS},
    "Healthcheck": {"Test": ["CMD", "healthy"]},
}


def looked(config: dict, *files: str) -> list[Check]:
    layer = Layer("sha256:0", 1, "COPY", files)
    return list(of_image(Image(config, (layer,)), [layer]))


def test_an_image_as_it_must_be() -> None:
    assert all(check.passed for check in looked(GOOD, "app/src/service.py"))


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"User": ""}, "the user is a number and not 0"),
        ({"User": "0"}, "the user is a number and not 0"),
        ({"User": "0:10001"}, "the user is a number and not 0"),
        ({"User": "bentoml"}, "the user is a number and not 0"),
        ({"Labels": None}, "labels of the OCI image specification"),
        ({"Labels": {"org.opencontainers.image.title": "x"}}, "labels of the OCI image specification"),
        ({"Healthcheck": None}, "it has a health check"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "it has a health check"),
    ],
)
def test_an_image_that_is_not(change: dict, failed: str) -> None:
    assert [check.name for check in looked(GOOD | change) if not check.passed] == [failed]


def test_a_compiler_in_a_layer() -> None:
    (failed,) = [check for check in looked(GOOD, "usr/bin/gcc") if not check.passed]
    assert "compiler" in failed.name and failed.found == "usr/bin/gcc"


def test_the_goals() -> None:
    rounds = [{"ratio": 1.0}, {"ratio": 5.0}, {"ratio": 2.0}]
    checks = [Check("a", True, ""), Check("b", False, "")]
    found = {goal.name: (goal.value, goal.met) for goal in goals(350.0, rounds, checks)}
    assert found == {"app_layers_mb": (350.0, True), "ready_ratio": (2.0, True), "checks_failed": (1, False)}
