"""A reviewer's machine that reads what visitors said from a real server, and writes its decisions back."""

import hashlib

import httpx

from tests import images, models
from tests.servers import running
from twinlens.feedback.source import ServerSource
from twinlens.feedback.verdict import Verdict

TOKEN = "the-admins-own-token"


def test_it_reads_and_decides_over_http(made, tmp_path):
    settings = {"TWINLENS_FEEDBACK": f"sqlite:///{tmp_path}/x.db", "TWINLENS_FEEDBACK_TOKEN": TOKEN}
    with running({**made, **settings}) as server:
        for colour, label in (("blue", "red"), ("blue", ""), ("green", "green")):
            photo = images.encoded(models.picture(colour), "JPEG")
            headers = {"X-Forwarded-For": f"192.0.2.{len(label) + 1}"}
            files = {"image": ("a.jpg", photo)}
            said = httpx.post(f"{server.url}/v1/feedback", files=files, data={"label": label}, headers=headers)
            assert said.status_code == 201
        source = ServerSource(server.url, TOKEN)
        first, *others = list(source.waiting())
        assert len(others) == 2
        assert hashlib.sha256(source.photo(first.id)).hexdigest() == first.photo
        source.record(first.id, Verdict(action="accept", label="red", who="ana"))
        left = [each for each in others if each.photo != first.photo]
        assert len(left) == 1 and list(source.waiting()) == left
        source.record(first.id, Verdict(action="reopen"))
        assert [each.id for each in source.waiting()] == [each.id for each in (first, *others)]
