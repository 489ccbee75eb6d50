"""flow and its kin."""

from __future__ import annotations

import pytest

from detector.rules.keywords import Unsupported
from detector.rules.model import FieldValue, Literal_, Membership, Or
from detector.rules.signature import FlowCondition, Where
from tests.rules.keywords.written import conditions, refused, signature


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("established", FlowCondition.ESTABLISHED),
        ("to_server, established", FlowCondition.TO_SERVER | FlowCondition.ESTABLISHED),
        ("from_client", FlowCondition.TO_SERVER),
        ("from_server,not_established", FlowCondition.TO_CLIENT | FlowCondition.NOT_ESTABLISHED),
        ("no_frag", FlowCondition.NO_FRAG),
        ("only_frag", FlowCondition.ONLY_FRAG),
        ("stateless", FlowCondition(0)),
        ("ESTABLISHED", FlowCondition.ESTABLISHED),
    ],
)
def test_conditions(value: str, expected: FlowCondition) -> None:
    assert signature(f"flow:{value};").header.flow == expected


def test_a_lone_syn_to_a_port_goes_to_the_server() -> None:
    """Suricata's log says so: "SYN-only to port(s) w/o direction specified, disabling for toclient direction"."""
    whole = FlowCondition.WHOLE  # flags are asked for, which no fragment has
    assert signature("flags:S;", "alert tcp any any -> any 502").header.flow == FlowCondition.TO_SERVER | whole
    assert signature("flags:S;").header.flow == whole


@pytest.mark.parametrize(
    ("value", "where"), [("only_stream", Where.STREAM), ("no_stream", Where.PACKET), ("established", Where.STREAM)]
)
def test_where(value: str, where: Where) -> None:
    assert signature(f'flow:{value}; content:"a";').where == where


def test_age_is_of_whole_seconds() -> None:
    assert conditions("flow.age:>5;") == (
        Membership(FieldValue("flow.peer_age", occurrence=1), ((Literal_(6), Literal_(2**32 - 1)),)),
    )


def test_amounts() -> None:
    server = Membership(FieldValue("flow.packets_from_client", occurrence=1), ((Literal_(6), Literal_(2**32 - 1)),))
    client = Membership(FieldValue("flow.packets_from_server", occurrence=1), ((Literal_(6), Literal_(2**32 - 1)),))
    assert conditions("flow.pkts_toserver:>5;") == conditions("flow.pkts:toserver,>5;") == (server,)
    assert conditions("flow.pkts:either,>5;") == (Or((server, client)),)


def sizes(side: str, low: int, high: int) -> Membership:
    return Membership(FieldValue(f"stream.{side}_size", occurrence=1), ((Literal_(low), Literal_(high)),))


def test_sizes_of_streams() -> None:
    most = 2**32 - 1
    client, server = sizes("client", 6, most), sizes("server", 6, most)
    assert conditions("stream_size:client,>,5;") == conditions("stream_size: client , >= , 6;") == (client,)
    assert conditions("stream_size:both,>,5;") == (client, server)
    assert conditions("stream_size:either,>,5;") == (Or((client, server)),)
    assert conditions("stream_size:server,<,7;") == (sizes("server", 0, 6),)
    assert conditions("stream_size:server,<,0;") == conditions(f"stream_size:server,>,{most};") == (Or(()),)


@pytest.mark.parametrize("sign", ["!=", "!"])
def test_every_other_size(sign: str) -> None:
    found = conditions(f"stream_size:server,{sign},3;")
    assert found == (
        Membership(
            FieldValue("stream.server_size", occurrence=1),
            ((Literal_(0), Literal_(2)), (Literal_(4), Literal_(2**32 - 1))),
        ),
    )


def test_a_size_lets_a_content_be_sought_in_packets_as_well() -> None:
    """As Suricata does; unless the rule says streams or packets only."""
    assert signature('stream_size:client,>,5; content:"a";').where == Where.STREAM | Where.PACKET
    assert signature('flow:only_stream; stream_size:client,>,5; content:"a";').where == Where.STREAM
    assert signature('flow:no_stream; stream_size:client,>,5; content:"a";').where == Where.PACKET


@pytest.mark.parametrize(
    "value",
    [
        "client,>5",
        "server,==,1",
        "any,>,5",
        "Server,>,5",
        "client,>,0x10",
        "client,>,-1",
        "client,>,4294967296",
        "client,<>,3",
    ],
)
def test_sizes_that_suricata_refuses(value: str) -> None:
    assert not isinstance(refused(f"stream_size:{value};"), Unsupported)


@pytest.mark.parametrize(
    ("options", "column", "problem"),
    [
        ("flow:foo;", 45, "unknown flow option 'foo'"),
        ("flow:established,not_established;", 57, "not_established does not go with what stands before it"),
        ("flow:to_server,from_client;", 55, "from_client does not go with what stands before it"),
        ("flow:established; flow:to_server;", 63, "flow is given twice"),
        ("flow.pkts:>5;", 50, "flow.pkts cannot be read: >5"),
    ],
)
def test_mistakes(options: str, column: int, problem: str) -> None:
    error = refused(options)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint
