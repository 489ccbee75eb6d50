"""nginx in front of a server: TLS, a required client certificate, a check of the Authorization header."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.differential.tshark import require_tool
from tests.servers.certificates import Pair
from tests.servers.ports import free_ports, listens, wait_until

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size {most_body};
    server {{
        listen 127.0.0.1:{port}{ssl};
        {tls}
        {client}
        location / {{
            {check}
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout 600s;
        }}
    }}
}}
"""


@dataclass
class Nginx:
    """Use as a context manager. server: certificate of the listener, None: without TLS. client_authority: whose client
    certificates are asked for. authorization: the one value of the header that is let through; another gives 401."""

    folder: Path
    upstream: str
    server: Pair | None = None
    client_authority: Path | None = None
    authorization: str = ""
    most_body: str = "100m"
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.server else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Nginx:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it, again on the same port after it was stopped."""
        require_tool("nginx")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_ports(1)[0]
        self._write()
        self.process = subprocess.Popen(["nginx", "-p", str(self.folder), "-e", str(self.folder / "error.log"),
                                         "-c", str(self.folder / "nginx.conf")], stderr=subprocess.DEVNULL)  # fmt: skip
        process = self.process
        assert wait_until(lambda: listens(self.port) or process.poll() is not None, 20) and process.poll() is None, (
            self.folder / "error.log"
        ).read_text()

    def stop(self) -> None:
        """Ends it and its connections."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def _write(self) -> None:
        tls = client = check = ""
        if self.server:
            tls = f"ssl_certificate {self.server.certificate}; ssl_certificate_key {self.server.key};"
        if self.client_authority:
            client = f"ssl_client_certificate {self.client_authority}; ssl_verify_client on;"
        if self.authorization:
            check = f"if ($http_authorization != '{self.authorization}') {{ return 401; }}"
        text = CONFIGURATION.format(folder=self.folder, port=self.port, ssl=" ssl" if self.server else "", tls=tls, client=client,
                                    check=check, upstream=self.upstream, most_body=self.most_body,
                                    user="user root;" if os.geteuid() == 0 else "")  # fmt: skip
        (self.folder / "nginx.conf").write_text(text)
