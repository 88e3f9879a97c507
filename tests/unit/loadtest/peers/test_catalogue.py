import re

from loadtest.peers.catalogue import _COMMANDS, PEERS, RECIPE
from tests.servers import ROOT


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", text, re.MULTILINE))


def test_every_peer_has_a_name_and_a_command():
    assert list(PEERS) == ["fastapi_tutorial", "fastapi_tuned", "bentoml_documented", "litserve", "flask_eager"]
    assert PEERS.keys() == _COMMANDS.keys()
    assert all(peer.name == name and peer.path.startswith("/") for name, peer in PEERS.items())


def test_what_ours_has_too_is_of_the_same_version():
    peers, ours = pins(RECIPE.requirements.name), pins("train.txt")
    assert {
        "onnxruntime",
        "pillow",
        "numpy",
        "torch",
        "torchvision",
        "bentoml",
        "uvicorn",
    } <= peers.keys() & ours.keys()
    assert {name: peers[name] for name in peers.keys() & ours.keys()} == {
        name: ours[name] for name in peers.keys() & ours.keys()
    }
