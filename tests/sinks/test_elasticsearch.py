"""Alerts into real Elasticsearch servers, 8 and 9: none lost, none twice, whatever happens in between."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from detector.alerts.ecs import timestamp
from detector.errors import InputError, InputErrors
from detector.settings import Secret
from detector.sinks.destination import CAUSES, Receipt, Record, Unavailable
from detector.sinks.elasticsearch import ElasticsearchDestination, Outcome, storable
from detector.sinks.elasticsearch_settings import ElasticsearchSettings, check, with_port
from tests.samples import sample
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import RELEASES, Server, server_for
from tests.servers.nginx import Nginx
from tests.servers.ports import free_ports, wait_until
from tests.sinks.elastic import (
    CuttingProxy,
    a_namespace,
    destination_for,
    names,
    record,
    roll_over,
    set_up,
    settings_for,
    some_records,
    stored,
)


@pytest.fixture
def settings(elasticsearch: Server) -> ElasticsearchSettings:
    """Of a data stream of the test's own, on a server that is set up."""
    made = settings_for(elasticsearch.url)
    set_up(made)
    return made


@pytest.fixture
def destination(settings: ElasticsearchSettings) -> Iterator[ElasticsearchDestination]:
    made = destination_for(settings)
    yield made
    made.close()


@pytest.fixture(scope="module", params=sample(sorted(RELEASES), 1), ids=lambda major: f"small{major}")
def small_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has room for 64 KB of requests at a time."""
    limits = {"indexing_pressure.memory.limit": "64kb"}
    for server in server_for(request.param, tmp_path_factory.mktemp("small"), limits):
        yield server.require_own()


def failure(destination: ElasticsearchDestination, records: list[Record], *, is_resent: bool = False) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        destination.deliver(records, is_resent=is_resent)
    assert caught.value.cause in CAUSES and caught.value.why
    return caught.value


def test_alerts_are_created_under_their_ids(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    """What was there already is delivered: a spool that is read again must not wait for it."""
    records = some_records(20)
    assert destination.deliver(records[:15], is_resent=False) == Receipt(15, [], [], "", "")
    assert destination.deliver(records[10:], is_resent=False) == Receipt(10, [], [], "", "")
    assert stored(elasticsearch, settings) == names(records)
    hit = elasticsearch.call("GET", f"/{settings.data_stream}/_search?q=_id:a3")["hits"]["hits"][0]
    stream = {"type": "logs", "dataset": "detector.alert", "namespace": settings.namespace}
    assert hit["_source"] == json.loads(records[3].body) | {"data_stream": stream}
    assert destination.present(["a1", "x", "a19"]) == {"a1", "a19"}


def test_nanoseconds_order_alerts(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    start = 1_714_550_400_123_456_789
    times = {f"t{shift}": timestamp(start + shift) for shift in (3, 1, 2, 0)}
    destination.deliver([record(name, **{"@timestamp": text}) for name, text in times.items()], is_resent=False)
    assert destination.present(list(times)) == set(times)
    hits = elasticsearch.call("GET", f"/{settings.data_stream}/_search?sort=@timestamp")["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["t0", "t1", "t2", "t3"]


def test_a_lost_answer_makes_no_duplicate(elasticsearch: Server, settings: ElasticsearchSettings) -> None:
    """The server wrote the alerts, rolled over, and nobody heard of it. More ids than one search takes."""
    records = some_records(2300)
    with CuttingProxy(elasticsearch.port, cut=lambda request: b"_bulk" in request) as proxy:
        destination = destination_for(replace(settings, hosts=(proxy.url,)))
        assert failure(destination, records).cause == "unreachable"
        assert proxy.cuts == 1
        roll_over(elasticsearch, settings)
        assert destination.deliver(records, is_resent=True) == Receipt(2300, [], [], "", "")  # no bulk: nothing to cut
        assert proxy.cuts == 1
        proxy.cut = lambda request: False
        more = some_records(10, "b")
        assert destination.deliver([*records[-10:], *more], is_resent=True).delivered == 20
        destination.close()
    assert stored(elasticsearch, settings) == names([*records, *more])


def test_without_looking_there_would_be_duplicates(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    """Why a resent batch is looked up: the fact that the tests above would hide if servers changed it."""
    records = some_records(3)
    destination.deliver(records, is_resent=False)
    roll_over(elasticsearch, settings)
    assert destination.deliver(records, is_resent=False).delivered == 3
    assert set(stored(elasticsearch, settings).values()) == {2}


def test_a_request_cut_half_way_is_sent_again(elasticsearch: Server, settings: ElasticsearchSettings) -> None:
    records = some_records(200, message="x" * 500)
    with CuttingProxy(elasticsearch.port, most=20_000) as proxy:
        destination = destination_for(replace(settings, hosts=(proxy.url,), compress=False))
        assert failure(destination, records).cause == "unreachable"
        proxy.most = -1
        roll_over_if_there(elasticsearch, settings)
        assert destination.deliver(records, is_resent=True).delivered == 200
        destination.close()
    assert stored(elasticsearch, settings) == names(records)


def roll_over_if_there(server: Server, settings: ElasticsearchSettings) -> None:
    try:
        roll_over(server, settings)
    except urllib.error.HTTPError as error:
        with error:
            assert error.code in (400, 404)  # the half request did not make the data stream


def test_it_waits_until_its_earlier_request_has_ended(elasticsearch: Server, settings: ElasticsearchSettings) -> None:
    """A request that the server is still busy with would write after we have looked."""
    destination = destination_for(settings)
    destination.deliver([record("first")], is_resent=False)
    body = json.dumps({"create": {"_id": "late"}}) + "\n" + record("late").body.decode() + "\n"
    # Held back by the server for want of a second copy of the shard; then it says 503.
    url = f"{elasticsearch.url}/{settings.data_stream}/_bulk?wait_for_active_shards=2&timeout=4s"
    headers = {"Content-Type": "application/x-ndjson", "X-Opaque-Id": destination.opaque_id}
    request = urllib.request.Request(url, body.encode(), headers, method="POST")
    ended: list[float] = []

    def send() -> None:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.loads(answer.read())["items"][0]["create"]["status"] == 503
        ended.append(time.monotonic())

    early = threading.Thread(target=send)
    early.start()
    assert wait_until(lambda: "X-Opaque-Id" in str(elasticsearch.call("GET", "/_tasks?actions=*bulk*")), 3, 0.05)
    impatient = destination_for(replace(settings, timeout=10**9))
    assert failure(impatient, [record("late")], is_resent=True).cause == "busy"
    assert not ended
    assert destination.deliver([record("late")], is_resent=True).delivered == 1
    looked = time.monotonic()
    early.join(30)
    assert ended and looked > ended[0] - 0.5
    assert stored(elasticsearch, settings) == {"first": 1, "late": 1}
    for one in (destination, impatient):
        one.close()


def test_a_paused_server(elasticsearch: Server, settings: ElasticsearchSettings) -> None:
    """SIGSTOP: the request lies in its socket, and is carried out when it goes on. Then it rolls over at once."""
    elasticsearch.require_own()
    destination = destination_for(replace(settings, timeout=10**9))
    destination.deliver([record("first")], is_resent=False)
    records = some_records(300)
    elasticsearch.pause()
    try:
        assert failure(destination, records).cause == "timeout"
        assert failure(destination, records, is_resent=True).cause == "timeout"
    finally:
        elasticsearch.resume()
    assert wait_until(elasticsearch.answers, 20)
    patient = destination_for(settings)
    roll_over(elasticsearch, settings)
    assert patient.deliver(records, is_resent=True).delivered == 300
    assert stored(elasticsearch, settings) == names([record("first"), *records])
    for one in (destination, patient):
        one.close()


def test_a_killed_server(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    """kill -9: what was acknowledged is there afterwards, the rest follows."""
    elasticsearch.require_own()
    records = some_records(300)
    assert destination.deliver(records[:100], is_resent=False).delivered == 100
    elasticsearch.kill()
    assert failure(destination, records[100:]).cause == "unreachable"
    elasticsearch.start()
    roll_over(elasticsearch, settings)
    assert destination.deliver(records, is_resent=True).delivered == 300
    assert stored(elasticsearch, settings) == names(records)


def test_a_write_block_is_waited_out(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    records = some_records(5)
    destination.deliver(records[:1], is_resent=False)
    elasticsearch.call("PUT", f"/{settings.data_stream}/_settings", {"index.blocks.write": True})
    receipt = destination.deliver(records, is_resent=False)
    assert (receipt.delivered, list(receipt.again), receipt.refused, receipt.cause) == (0, records, [], "blocked")
    assert receipt.why.startswith("403: cluster_block_exception")
    elasticsearch.call("PUT", f"/{settings.data_stream}/_settings", {"index.blocks.write": False})
    assert destination.deliver(records, is_resent=False).delivered == 5
    assert stored(elasticsearch, settings) == names(records)


@pytest.mark.slow
def test_a_full_disk_is_waited_out(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    """The flood stage of the disk's watermarks."""
    elasticsearch.require_own()
    destination.deliver([record("first")], is_resent=False)
    seen: list[Receipt] = []

    def is_blocked() -> bool:
        seen.append(destination.deliver([record(f"r{len(seen)}")], is_resent=False))
        return bool(seen[-1].again)

    elasticsearch.fill()
    try:
        assert wait_until(is_blocked, 45, 1)
        assert (seen[-1].cause, seen[-1].why[:4]) == ("blocked", "429:")
    finally:
        elasticsearch.free()
    assert wait_until(lambda: not is_blocked(), 45, 1)


def test_a_busy_server_is_waited_out(small_server: Server) -> None:
    """429: more than the server holds in memory at a time."""
    settings = settings_for(small_server.url, compress=False)
    set_up(settings)
    destination = destination_for(settings)
    large = some_records(40, message="x" * 4000)
    assert failure(destination, large).cause == "busy"
    assert destination.deliver(large[:2], is_resent=True).delivered == 2
    assert stored(small_server, settings) == names(large[:2])
    destination.close()


def test_refused_documents_come_back_with_the_reason(elasticsearch: Server, settings: ElasticsearchSettings, destination: ElasticsearchDestination) -> None:  # fmt: skip
    """And hold up nobody."""
    bad = [Record("no-time", b'{"message": "when?"}'), Record("no-json", b'{"message": '), record("no-date", **{"@timestamp": "noon"}),
           record("object", message={"a": 1})]  # fmt: skip
    good = some_records(3)
    receipt = destination.deliver([good[0], bad[0], bad[1], good[1], bad[2], bad[3], good[2]], is_resent=False)
    assert (receipt.delivered, receipt.again) == (3, [])
    assert [refused for refused, _ in receipt.refused] == bad
    reasons = [why for _, why in receipt.refused]
    assert all(why.startswith("400: ") for why in reasons)
    assert "@timestamp" in reasons[0] and "noon" in reasons[2] and "message" in reasons[3]
    assert stored(elasticsearch, settings) == names(good)


def test_a_server_that_is_not_set_up_gets_nothing(elasticsearch: Server) -> None:
    """Without the template the server would make an ordinary index with types of its own guess. Nothing is sent into
    quarantine: the alerts wait for the operator."""
    settings = settings_for(elasticsearch.url)
    destination = destination_for(Elsewhere(hosts=settings.hosts, namespace=a_namespace()))
    receipt = destination.deliver([record("a")], is_resent=False)
    assert (receipt.delivered, len(receipt.again), receipt.cause) == (0, 1, "refused")
    assert "data stream" in receipt.why
    assert destination.deliver([record("a")], is_resent=True).cause == "refused"
    destination.close()
    with pytest.raises(urllib.error.HTTPError) as caught:
        elasticsearch.call("GET", f"/{destination.settings.data_stream}")
    with caught.value as error:
        assert error.code == 404


class Elsewhere(ElasticsearchSettings):
    """A data stream that no template is for."""

    @property
    def data_stream(self) -> str:
        return f"elsewhere-{self.namespace}"


def test_what_the_server_put_aside_is_not_delivered() -> None:
    """A failure store takes documents that do not fit, and answers 201. The jars of the tests' servers have none: the
    answer is that of Elasticsearch's documentation."""
    outcome = Outcome()
    outcome.note(record("a"), {"status": 201, "failure_store": "used"})
    outcome.note(record("b"), {"status": 201, "failure_store": "not_enabled"})
    receipt = outcome.receipt()
    assert receipt.delivered == 1 and [one.id for one, _ in receipt.refused] == ["a"]


@pytest.mark.parametrize("time_ns", [-1, -(2**63), 0, 2**63 - 1])
def test_every_time_that_a_capture_can_hold_is_stored(time_ns: int, elasticsearch: Server, settings: ElasticsearchSettings,
                                                      destination: ElasticsearchDestination) -> None:  # fmt: skip
    """date_nanos begins in 1970; an earlier alert is filed there and keeps its time."""
    text = timestamp(time_ns)
    assert destination.deliver([record("a", **{"@timestamp": text})], is_resent=False) == Receipt(1, [], [], "", "")
    assert destination.present(["a"]) == {"a"}
    source = elasticsearch.call("GET", f"/{settings.data_stream}/_search")["hits"]["hits"][0]["_source"]
    if time_ns < 0:
        assert source["@timestamp"] == timestamp(0) and source["event"] == {"kind": "alert", "start": text}
    else:
        assert source["@timestamp"] == text and "start" not in source["event"]


def test_a_document_that_is_no_json_is_left_to_the_server() -> None:
    body = b'{"@timestamp":"1969-'
    assert storable(body) == body


def test_a_node_that_is_away_is_passed_over(elasticsearch: Server, settings: ElasticsearchSettings) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    destination = destination_for(replace(settings, hosts=(dead, elasticsearch.url)))
    results = []
    for number in range(4):
        try:
            results.append(destination.deliver([record(f"n{number}")], is_resent=False).delivered)
        except Unavailable as error:
            results.append(error.cause)
    assert results.count("unreachable") == 1 and results.count(1) == 3, results
    destination.close()


def test_requests_larger_than_a_proxy_takes_are_split(elasticsearch: Server, settings: ElasticsearchSettings, tmp_path: Path) -> None:  # fmt: skip
    """413. One alert that is too large by itself is refused, not tried for ever."""
    records = [*some_records(40, message="x" * 500), record("large", message="x" * 20_000), *some_records(10, "b")]
    with Nginx(tmp_path / "nginx", elasticsearch.url, most_body="8k") as proxy:
        destination = destination_for(replace(settings, hosts=(proxy.url,), compress=False))
        receipt = destination.deliver(records, is_resent=False)
        destination.close()
    assert receipt.delivered == 50 and [one.id for one, _ in receipt.refused] == ["large"] and not receipt.again
    assert stored(elasticsearch, settings) == names(one for one in records if one.id != "large")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "somebody else")


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"username": "sensor", "password": "geheim"}, "Basic c2Vuc29yOmdlaGVpbQ=="),
        ({"bearer": "token"}, "Bearer token"),
    ],
    ids=["api key", "basic", "bearer"],
)
def test_tls_and_credentials(credentials: dict[str, str], header: str, elasticsearch: Server, settings: ElasticsearchSettings,
                             authority: Authority, tmp_path: Path) -> None:  # fmt: skip
    """A server with a certificate of the operator's authority, that asks for a client's certificate and credentials."""
    server, client = authority.issue("server"), authority.issue("sensor")
    with Nginx(tmp_path / "nginx", elasticsearch.url, server, authority.certificate, header) as proxy:
        good = replace(settings_for(proxy.url, **credentials), namespace=settings.namespace, ca=str(authority.certificate),
                       client_certificate=str(client.certificate), client_key=str(client.key))  # fmt: skip
        destination = destination_for(good)
        assert destination.deliver([record("a")], is_resent=False).delivered == 1
        assert destination.deliver([record("a"), record("b")], is_resent=True).delivered == 2
        destination.close()
        wrong = {"api_key": "d3Jvbmc=", "password": "falsch", "bearer": "wrong"}
        name = next(iter(set(wrong) & set(credentials)))
        impostor = destination_for(replace(good, **{name: Secret(wrong[name])}))
        error = failure(impostor, [record("c")])
        assert error.cause == "refused" and "401" in error.why
        impostor.close()
    assert stored(elasticsearch, settings) == {"a": 1, "b": 1}


def test_certificates_that_do_not_fit(elasticsearch: Server, settings: ElasticsearchSettings, authority: Authority, stranger: Authority,
                                      tmp_path: Path) -> None:  # fmt: skip
    """Each is told as TLS: what waits for it must not look like a network that is away."""
    server, client, other = authority.issue("server"), authority.issue("sensor"), stranger.issue("stranger")
    with Nginx(tmp_path / "nginx", elasticsearch.url, server, authority.certificate) as proxy:
        good = replace(settings, hosts=(proxy.url,), ca=str(authority.certificate), client_certificate=str(client.certificate),
                       client_key=str(client.key))  # fmt: skip
        wrong = {
            "a server of another authority": replace(good, ca=str(stranger.certificate)),
            "no authority given": replace(good, ca=""),
            "no client certificate": replace(good, client_certificate="", client_key=""),
            "a client of another authority": replace(good, client_certificate=str(other.certificate), client_key=str(other.key)),
        }  # fmt: skip
        for name, one in wrong.items():
            destination = destination_for(one)
            assert failure(destination, [record("a")]).cause == "tls", name
            destination.close()
        unchecked = destination_for(replace(good, ca=str(stranger.certificate), verify=False))
        assert unchecked.deliver([record("a")], is_resent=False).delivered == 1
        unchecked.close()


def test_files_that_cannot_be_used_are_told_at_once(authority: Authority, stranger: Authority, tmp_path: Path) -> None:
    """With their names, when the daemon starts, and not by the first alert."""
    client, other = authority.issue("sensor"), stranger.issue("stranger")
    good = settings_for(
        "https://127.0.0.1:9200", client_certificate=str(client.certificate), client_key=str(client.key)
    )
    gone = str(tmp_path / "gone")
    for wrong, named in (
        (replace(good, client_key=str(other.key)), str(client.certificate)),
        (replace(good, ca=str(client.key)), str(client.key)),
        (replace(good, ca=gone), gone),
        (replace(good, api_key=Secret("", f"file {gone}")), gone),
    ):
        with pytest.raises(InputError) as caught:
            destination_for(wrong)
        assert caught.value.problem.startswith(f"{named}: cannot be used as ")


def test_nobody_is_trusted_beside_the_given_authority(authority: Authority) -> None:
    """The client's library adds the authorities of browsers to a TLS context, unless it is told not to."""
    destination = destination_for(settings_for("https://127.0.0.1:9200", ca=str(authority.certificate)))
    (node,) = destination._client.transport.node_pool.all()
    context = node.pool._new_conn().ssl_context
    assert node.pool._new_conn().ca_certs is None
    assert [dict(pair for (pair,) in one["subject"]) for one in context.get_ca_certs()] == [
        {"commonName": "test authority"}
    ]
    destination.close()


def test_a_certificate_for_another_name(elasticsearch: Server, settings: ElasticsearchSettings, authority: Authority, tmp_path: Path) -> None:  # fmt: skip
    server = authority.issue("elsewhere", "DNS:elsewhere.example")
    with Nginx(tmp_path / "nginx", elasticsearch.url, server) as proxy:
        destination = destination_for(replace(settings, hosts=(proxy.url,), ca=str(authority.certificate)))
        assert failure(destination, [record("a")]).cause == "tls"
        destination.close()


def test_reopen_reads_certificates_and_secrets_again(elasticsearch: Server, settings: ElasticsearchSettings, authority: Authority,
                                                     stranger: Authority, tmp_path: Path,
                                                     caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    """A key that was renewed, and an authority that was exchanged, on SIGHUP; a broken file leaves what there was."""
    ca, key = tmp_path / "ca.pem", tmp_path / "key"
    ca.write_bytes(authority.certificate.read_bytes())
    key.write_text("old\n")
    with Nginx(tmp_path / "nginx", elasticsearch.url, authority.issue("server"), authorization="ApiKey new") as proxy:
        destination = destination_for(
            replace(settings, hosts=(proxy.url,), ca=str(ca), api_key=Secret("old", f"file {key}"))
        )
        assert failure(destination, [record("a")]).cause == "refused"
        key.write_text("new\n")
        assert failure(destination, [record("a")]).cause == "refused"
        destination.reopen()
        assert destination.deliver([record("a")], is_resent=True).delivered == 1
        ca.write_text("no certificate")
        destination.reopen()
        assert "goes on with the certificates and secrets it had" in caplog.text
        assert destination.deliver([record("b")], is_resent=False).delivered == 1
        proxy.stop()
        assert failure(destination, [record("c")]).cause == "unreachable"
        proxy.start()
        assert destination.deliver([record("c")], is_resent=True).delivered == 1  # a new connection, the old authority
        ca.write_bytes(stranger.certificate.read_bytes())
        destination.reopen()
        assert failure(destination, [record("c")]).cause == "tls"
        destination.close()


def test_what_answers_and_is_not_elasticsearch(tmp_path: Path, authority: Authority) -> None:
    """A gateway whose server is away is unreachable; a web server is refused."""
    (tmp_path / "nginx").mkdir()
    with Nginx(tmp_path / "nginx", f"http://127.0.0.1:{free_ports(1)[0]}") as proxy:
        destination = destination_for(settings_for(proxy.url))
        assert failure(destination, [record("a")]).cause == "unreachable"  # 502
        destination.close()
    with Nginx(tmp_path / "inner", "http://127.0.0.1:9", authorization="never") as inner:
        destination = destination_for(settings_for(inner.url))
        assert failure(destination, [record("a")]).cause == "refused"
        destination.close()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"hosts": ()}, "hosts has no entry"),
        ({"hosts": ("es.example:9200",)}, "the host 'es.example:9200' is no URL of http or https"),
        ({"hosts": ("https://user:secret@es.example",)}, "a host has a password in its URL"),
        ({"hosts": ("https://es.example:port",)}, "a host is no URL"),
        ({"namespace": "a-b"}, "namespace 'a-b' cannot end the name of a data stream"),
        ({"namespace": ""}, "namespace '' cannot end the name of a data stream"),
        ({"api_key": Secret("a"), "bearer": Secret("b")}, "api_key and bearer are given: only one kind of credentials can be used"),
        ({"username": "a"}, "username is given without password"),
        ({"password": Secret("a")}, "password is given without username"),
        ({"client_key": "/k"}, "client_key is given without client_certificate"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together(given: dict[str, object], problem: str) -> None:
    """Told with the setting's name, so that `detector config check` can point at it."""
    settings = ElasticsearchSettings(**{"hosts": ("https://es.example",), **given})  # type: ignore[arg-type]
    ((name, said, hint),) = settings.mistakes()
    assert name in given and said == problem and hint and "secret" not in said
    with pytest.raises(InputErrors):
        check(settings)


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("https://es.example", "https://es.example:9200"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:9200"),
        ("https://es.example:443/elastic/", "https://es.example:443/elastic"),
    ],
)
def test_hosts_with_and_without_port(host: str, full: str) -> None:
    assert with_port(host) == full
