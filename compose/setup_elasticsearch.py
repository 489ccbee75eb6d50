"""Makes what the services of docker-compose.yml need of Elasticsearch: templates, roles, users. Runs once, may run again.

Whoever delivers alerts can add them and look them up, whoever shows them can read them; nobody but `elastic` can change them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from elasticsearch import Elasticsearch

from detector.cli.setup import set_up
from detector.settings import Secret
from detector.sinks.elasticsearch_settings import ElasticsearchSettings
from detector.sinks.elasticsearch_template import PATTERN, SENSOR_ROLE

HOST, CA = "https://elasticsearch:9200", "/run/secrets/ca.pem"
READER_ROLE = {"cluster": ["monitor"], "indices": [{"names": [PATTERN], "privileges": ["read", "view_index_metadata"]}]}
# user: (role, what it may, secret)
USERS = {
    "detector": ("detector-sensor", SENSOR_ROLE, "detector_es_password"),
    "detector-dashboards": ("detector-reader", READER_ROLE, "grafana_es_password"),
}


def secret(name: str) -> str:
    """A secret's text."""
    return Path("/run/secrets", name).read_text(encoding="utf-8").strip()


def main() -> int:
    """Templates, roles, users."""
    elastic = secret("elastic_password")
    settings = ElasticsearchSettings(hosts=(HOST,), username="elastic", password=Secret(elastic), ca=CA)
    if code := set_up(settings, is_dry=False):
        return code
    with Elasticsearch(HOST, basic_auth=("elastic", elastic), ca_certs=CA, request_timeout=30) as client:
        client.security.change_password(username="kibana_system", password=secret("kibana_password"))
        for user, (role, privileges, name) in USERS.items():
            client.security.put_role(name=role, **privileges)
            client.security.put_user(username=user, password=secret(name), roles=[role])
            print(f"user {user} with role {role}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
