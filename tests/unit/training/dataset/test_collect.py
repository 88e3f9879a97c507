import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.training.dataset.made import photo
from tests.unit.training.dataset.server import Answer, Asked, serving
from training.dataset.collect import JOURNAL, collect
from training.dataset.intake import About
from training.dataset.sources import Candidate, Openverse, Table
from training.dataset.web import Client, Manners, RefusedError, WaitError
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError

QUICK = Manners(contact="mailto:me@example.org", per_second=1000, retries=2, backoff=0, timeout=5, longest_wait=5)
OK = {"Content-Type": "image/png"}


class Fixed:
    """A source that names what it is told."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls

    def find(self) -> Iterator[Candidate]:
        for url in self.urls:
            yield Candidate(url, About("hat", origin=url, licence="cc0"))


def photos(asked: Asked, _: int) -> Answer:
    name = asked.path.strip("/")
    return (200, OK, photo(int(name))) if name.isdigit() else (404, {}, b"")


def test_photos_arrive_with_licence_and_origin(tmp_path: Path) -> None:
    with serving(photos) as server, Client(QUICK) as client:
        result = collect(tmp_path, Fixed(f"{server.url}/1", f"{server.url}/2", f"{server.url}/none"), client)
        assert {asked.headers["user-agent"] for asked in server.asked} == {QUICK.user_agent}
    assert result.counts == {"saved": 2, "known": 0, "refused": 1, "failed": 0}
    assert [reason for _, reason in result.problems] == ["HTTP 404 Not Found"]
    rows = manifest.require(tmp_path)
    assert {row.origin for row in rows} == {f"{server.url}/1", f"{server.url}/2"}
    assert {row.licence for row in rows} == {"cc0"}
    assert {(tmp_path / row.path).read_bytes() for row in rows} == {photo(1), photo(2)}


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    down = True

    def answer(asked: Asked, before: int) -> Answer:
        return (500, {}, b"") if asked.path == "/2" and down else photos(asked, before)

    with serving(answer) as server, Client(QUICK) as client:
        source = Fixed(f"{server.url}/1", f"{server.url}/2", f"{server.url}/gone")
        assert collect(tmp_path, source, client).counts == {"saved": 1, "known": 0, "refused": 1, "failed": 1}
        assert server.count("/2") == 1 + QUICK.retries
        down = False
        again = collect(tmp_path, source, client)
        assert (again.counts["saved"], again.before) == (1, 2)
        assert (server.count("/1"), server.count("/gone")) == (1, 1)
    assert len(manifest.require(tmp_path)) == 2


def test_a_run_that_was_killed_loses_nothing(tmp_path: Path) -> None:
    with serving(photos) as server, Client(QUICK) as client:
        source = Fixed(f"{server.url}/1", f"{server.url}/2")
        collect(tmp_path, source, client)
        rows = manifest.require(tmp_path)
        # As it is when the process is killed: no manifest yet, no last line, one cut off in the middle.
        (tmp_path / manifest.MANIFEST).unlink()
        lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
        (tmp_path / JOURNAL).write_bytes(b"".join(lines[:2]) + lines[1][:20])
        again = collect(tmp_path, source, client)
        assert again.before == 2 and len(server.asked) == 2
    assert manifest.require(tmp_path) == rows


def test_what_was_taken_out_on_purpose_stays_out(tmp_path: Path) -> None:
    with serving(photos) as server, Client(QUICK) as client:
        source = Fixed(f"{server.url}/1", f"{server.url}/2")
        collect(tmp_path, source, client)
        kept = manifest.require(tmp_path)[:1]
        manifest.write(tmp_path, kept)
        collect(tmp_path, source, client)
    assert manifest.require(tmp_path) == kept


def test_a_line_without_its_end_is_fetched_again(tmp_path: Path) -> None:
    """Else what comes next would be written behind it, on one line."""
    with serving(photos) as server, Client(QUICK) as client:
        collect(tmp_path, Fixed(f"{server.url}/1"), client)
        whole = (tmp_path / JOURNAL).read_bytes().splitlines()[0]
        (tmp_path / JOURNAL).write_bytes(whole)
        for name in ("2", "3"):
            collect(tmp_path, Fixed(f"{server.url}/1", f"{server.url}/{name}"), client)
        assert server.count("/1") == 2
    assert len(manifest.require(tmp_path)) == 3


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("no\n", encoding="utf-8")
    with Client(QUICK) as client, pytest.raises(TwinlensError, match="line 1"):
        collect(tmp_path, Fixed(), client)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b"<html>", "do not begin like an image"),
        ({}, b"", "empty"),
        ({}, photo(1)[:300], "cannot be decoded"),
        ({"X-Robots-Tag": "twinlens: noai, nofollow"}, photo(1), "forbids learning"),
        ({}, bytes(2_000_000), "larger than 1 MiB"),
        ({"Content-Encoding": "gzip"}, gzip.compress(photo(1), mtime=0), "packed"),
        ({"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(bytes(1 << 20), mtime=0), mtime=0), "packed"),
    ],
)
def test_what_is_no_photo_is_refused(tmp_path: Path, headers: dict[str, str], body: bytes, reason: str) -> None:
    manners = Manners(per_second=1000, retries=0, most_bytes=1 << 20)
    with serving(lambda *_: (200, headers, body)) as server, Client(manners) as client:
        result = collect(tmp_path, Fixed(f"{server.url}/1"), client)
    assert result.counts["refused"] == 1
    assert reason in result.problems[0][1]
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://", "no address", "http://a:port/"])
def test_only_web_addresses_are_asked(url: str) -> None:
    with Client(QUICK) as client, pytest.raises(RefusedError, match="address"):
        client.get(url)


def test_a_redirect_to_a_file_is_not_followed() -> None:
    with (
        serving(lambda *_: (302, {"Location": "file:///etc/passwd"}, b"")) as server,
        Client(QUICK) as client,
        pytest.raises((httpx.HTTPError, RefusedError)),
    ):
        client.get(f"{server.url}/1")


def test_redirects_in_a_circle_end() -> None:
    with (
        serving(lambda asked, _: (302, {"Location": asked.path}, b"")) as server,
        Client(QUICK) as client,
        pytest.raises(httpx.TooManyRedirects),
    ):
        client.get(f"{server.url}/1")


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_host_that_cannot_be_asked_is_dealt_with_once(tmp_path: Path, host: str) -> None:
    with Client(Manners(per_second=1000, retries=0)) as client:
        result = collect(tmp_path, Fixed(f"http://{host}/x.jpg"), client)
        assert (result.counts["refused"], result.problems[0][1][:16]) == (1, "it is no address")
        assert collect(tmp_path, Fixed(f"http://{host}/x.jpg"), client).before == 1


class Unread(httpx.SyncByteStream):
    """A body that nobody may read: it may be of any size."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError


def redirecting(place: str) -> httpx.MockTransport:
    """A server that sends on to another place."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/first":
            return httpx.Response(302, headers={"Location": place}, stream=Unread())
        return httpx.Response(200, stream=httpx.ByteStream(b"here"))

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0"]
)
def test_a_stranger_does_not_lead_to_this_machine_or_its_network(host: str) -> None:
    with (
        Client(QUICK, redirecting(f"http://{host}/latest/meta-data/")) as client,
        pytest.raises(RefusedError, match="address of this machine or its network"),
    ):
        client.get("http://93.184.215.14/first")


@pytest.mark.parametrize("host", ["93.184.215.14", "127.0.0.1"])
def test_other_redirects_are_followed(host: str) -> None:
    with Client(QUICK, redirecting("/second")) as client:
        assert client.get(f"http://{host}/first") == b"here"
    with Client(QUICK, redirecting("http://93.184.215.14/second")) as client:
        assert client.get(f"http://{host}/first") == b"here"


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    def answer(asked: Asked, before: int) -> Answer:
        return (429, {"Retry-After": "1"}, b"") if before == 0 else (200, {}, b"here")

    waited: list[float] = []
    with serving(answer) as server, Client(QUICK) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", waited.append)
        assert client.get(f"{server.url}/1") == b"here"
        assert server.count("/1") == 2
    assert max(waited) > 0.5


def test_a_server_that_wants_long_is_left_alone() -> None:
    with serving(lambda *_: (429, {"Retry-After": "3600"}, b"")) as server, Client(QUICK) as client:
        for _ in range(3):
            with pytest.raises(WaitError, match=r"asks to wait 3[56]"):
                client.get(f"{server.url}/1")
        assert server.count("/1") == 1


def test_an_answer_that_drips_is_given_up() -> None:
    manners = Manners(per_second=1000, retries=0, most_seconds=-1)
    with (
        serving(lambda *_: (200, {}, b"here")) as server,
        Client(manners) as client,
        pytest.raises(httpx.ReadTimeout, match="longer than"),
    ):
        client.get(f"{server.url}/1")


def test_photos_are_asked_for_as_they_are() -> None:
    """Not packed once more, which could grow to any size when it is unpacked."""
    with serving(lambda *_: (200, {}, b"")) as server, Client(QUICK) as client:
        client.get(server.url)
        assert server.asked[0].headers["accept-encoding"] == "identity"


def test_requests_to_one_host_keep_their_distance() -> None:
    waited: list[float] = []
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"")))
    with Client(Manners(per_second=0.1), transport) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", waited.append)
        for _ in range(3):
            client.get("http://one.example/")
        client.get("http://two.example/")
    assert [round(seconds / 10) for seconds in waited] == [0, 1, 2, 0]


def table(path: Path, text: str, encoding: str = "utf-8") -> Table:
    path.write_bytes(text.encode(encoding))
    return Table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_says_what_it_knows(tmp_path: Path, delimiter: str) -> None:
    lines = ["URL|Label|License|author|split", 'http://a/1|"hat"|by 4.0|"Ünal"|test', "|||| ", "http://a/2|红色|||"]
    text = "\r\n".join(line.replace("|", delimiter) for line in lines)
    one, two = table(tmp_path / "t.csv", text, "utf-8-sig").find()
    assert one == Candidate("http://a/1", About("hat", "http://a/1", "test", None, None, "Ünal", "by 4.0"))
    assert (two.about.label, two.about.licence) == ("红色", None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no column url"),
        ("url,x\n", "no column label"),
        ("url,label\nhttp://a,a/b\n", "line 2: the label"),
        ("url,label\n,hat\n", "line 2: the url"),
        ("url,label,split\nhttp://a,hat,dev\n", "line 2: the split"),
        ('url,label\n"http://a,hat\n', "line"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(TwinlensError, match=what) as caught:
        list(table(tmp_path / "t.csv", text).find())
    assert caught.value.code == "invalid_data"


def test_a_table_that_is_not_utf_8_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="UTF-8"):
        list(table(tmp_path / "t.csv", "url,label\nhttp://a,é\n", "latin-1").find())


class Search:
    """A server that speaks Openverse's API, over results of its own."""

    def __init__(self, count: int) -> None:
        self.count, self.busy_once = count, True

    def __call__(self, asked: Asked, _: int) -> Answer:
        if asked.path != "/v1/images/":
            return photos(asked, 0)
        if self.busy_once:
            self.busy_once = False
            return 429, {"Retry-After": "0", "X-RateLimit-Available-anon_burst": "0"}, b'{"detail": "throttled"}'
        size, page = int(asked.query["page_size"]), int(asked.query["page"])
        results = [
            {
                "id": str(index),
                "url": f"http://{asked.headers['host']}/{index}",
                "license": "by" if index % 2 else "cc0",
                "license_version": "4.0",
                "license_url": "https://creativecommons.org/licenses/by/4.0/",
                "creator": f"someone {index}",
                "foreign_landing_url": f"https://example.org/{index}",
            }
            for index in range(self.count)[(page - 1) * size : page * size]
        ]
        answer = {"result_count": self.count, "page_count": -(-self.count // size), "results": results}
        return 200, {"X-RateLimit-Limit-anon_burst": "20/min"}, json.dumps(answer).encode()


def test_a_search_finds_page_after_page(tmp_path: Path) -> None:
    with serving(Search(45)) as server, Client(QUICK) as client:
        source = Openverse(client, "red hat", "hat", 43, ("by", "cc0"), server.url, "secret")
        found = list(source.find())
        pages = [asked for asked in server.asked if asked.path == "/v1/images/"]
    assert [candidate.url for candidate in found] == [f"{server.url}/{index}" for index in range(43)]
    assert [asked.query["page"] for asked in pages] == ["1", "1", "2", "3"]  # the first was answered with 429
    assert {asked.query["page_size"] for asked in pages} == {"20"}
    assert {asked.query["q"] for asked in pages} == {"red hat"}
    assert {asked.query["license"] for asked in pages} == {"by,cc0"}
    assert {asked.headers["authorization"] for asked in pages} == {"Bearer secret"}
    about = found[1].about
    assert (about.licence, about.creator, about.page) == ("by 4.0", "someone 1", "https://example.org/1")


def test_a_licence_that_was_not_asked_for_is_not_taken() -> None:
    with serving(Search(10)) as server, Client(QUICK) as client:
        found = list(Openverse(client, "hat", "hat", 10, ("cc0",), server.url).find())
    assert {candidate.about.licence for candidate in found} == {"cc0 4.0"}


def test_halves_of_characters_do_no_harm(tmp_path: Path) -> None:
    search = Search(1)

    def answer(asked: Asked, before: int) -> Answer:
        status, headers, body = search(asked, before)
        return status, headers, body.replace(b"someone 0", b"some\\ud800one")

    with serving(answer) as server, Client(QUICK) as client:
        assert collect(tmp_path, Openverse(client, "hat", "hat", 1, (), server.url), client).counts["saved"] == 1
    assert [row.creator for row in manifest.require(tmp_path)] == ["some?one"]


def test_what_a_search_finds_is_collected(tmp_path: Path) -> None:
    with serving(Search(3)) as server, Client(QUICK) as client:
        result = collect(tmp_path, Openverse(client, "hat", "hat", 3, (), server.url), client)
    assert result.counts["saved"] == 3
    assert {row.licence for row in manifest.require(tmp_path)} == {"by 4.0", "cc0 4.0"}


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"results": 3, "page_count": 1}', b'{"results": [{}], "page_count": 1}']
)
def test_a_service_that_is_another_is_said_to_be(body: bytes) -> None:
    with serving(lambda *_: (200, {}, body)) as server, Client(QUICK) as client, pytest.raises(TwinlensError) as caught:
        list(Openverse(client, "hat", "hat", 3, (), server.url).find())
    assert caught.value.code == "download_failed"


def test_what_came_before_a_source_failed_is_kept(tmp_path: Path) -> None:
    class Failing(Fixed):
        def find(self) -> Iterator[Candidate]:
            yield from super().find()
            raise WaitError("source", 3600)

    with serving(photos) as server, Client(QUICK) as client, pytest.raises(TwinlensError, match="run the same command"):
        collect(tmp_path, Failing(f"{server.url}/1"), client)
    assert len(manifest.require(tmp_path)) == 1
