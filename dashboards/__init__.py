"""Dashboards of Grafana and Kibana, built from code; rules of Prometheus beside them. `make dashboards` writes the files."""
