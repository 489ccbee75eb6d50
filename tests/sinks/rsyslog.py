"""rsyslogd as a reference: what it understands of our messages."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.differential.tshark import require_tool
from tests.sinks.certificates import Certificates
from tests.sinks.spooled import until

PROPERTIES = ("pri", "timereported", "hostname", "app-name", "procid", "msgid", "structured-data", "msg")
LISTENERS = {
    "udp": 'module(load="imudp") input(type="imudp" address="127.0.0.1" port="{udp}")',
    "tcp": 'module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{folder}/port")',
    "tls": 'module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid") '
    'input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{folder}/port")',
}


@dataclass(frozen=True)
class Rsyslog:
    """A running one."""

    address: tuple[str, int]
    written: Path

    def messages(self) -> list[dict[str, str]]:
        """What it has received so far, by property."""
        if not self.written.exists():
            return []
        return [json.loads(line) for line in self.written.read_bytes().split(b"\n")[:-1]]


@contextmanager
def rsyslog(folder: Path, protocol: str, certificates: Certificates) -> Iterator[Rsyslog]:
    require_tool("rsyslogd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        udp = free.getsockname()[1]
    written, config, port = folder / "received", folder / "rsyslog.conf", folder / "port"
    fields = 'constant(value=",") '.join(
        f'property(outname="{name}" name="{name}" format="jsonf" dateFormat="rfc3339") '
        if name == "timereported"
        else f'property(outname="{name}" name="{name}" format="jsonf") '
        for name in PROPERTIES
    )
    config.write_text(
        f'global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off" '
        f'defaultNetstreamDriverCAFile="{certificates.ca}" defaultNetstreamDriverCertFile="{certificates.server}" '
        f'defaultNetstreamDriverKeyFile="{certificates.server_key}")\n'
        + LISTENERS[protocol].format(udp=udp, folder=folder)
        + f'\ntemplate(name="all" type="list") {{ constant(value="{{") {fields} constant(value="}}\\n") }}\n'
        + f'action(type="omfile" file="{written}" template="all")\n'
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["rsyslogd", "-n", "-f", str(config), "-i", str(folder / "pid")], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            if protocol == "udp":
                until(lambda: f"0100007F:{udp:04X}" in Path("/proc/net/udp").read_text())
            else:
                until(lambda: port.exists() and port.read_text().strip())
            yield Rsyslog(("localhost", udp if protocol == "udp" else int(port.read_text())), written)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
