"""Who reaches which port, as the manifests say it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.settings import CHECKOUT

SCRAPERS = {"namespaceSelector": {"matchLabels": {"evaluations.dev/scrape": "true"}}}
PROGRAMS = {
    "base": {"health": 8081},
    "labeler": {"health": 8081},
    "sampler": {"http": 8080, "health": 8081},
}
"""The ports of each, by folder."""


def bodies(folder: str, *kinds: str) -> Iterator[dict[str, Any]]:
    for path in sorted((CHECKOUT / "manifests" / folder).glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            if body.get("kind") in kinds:
                yield body


def container(folder: str) -> dict[str, Any]:
    [workload] = bodies(folder, "Deployment", "StatefulSet")
    [found] = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("folder", PROGRAMS)
def test_probes_ask_the_port_of_health(folder: str) -> None:
    found = container(folder)

    assert {it["name"]: it["containerPort"] for it in found["ports"]} == PROGRAMS[folder]
    probes = {name: it["httpGet"]["port"] for name, it in found.items() if name.endswith("Probe")}
    assert {"readinessProbe", "livenessProbe"} <= set(probes)
    assert set(probes.values()) == {"health"}


@pytest.mark.parametrize("folder", PROGRAMS)
def test_no_pod_reaches_health_but_those_of_namespaces_that_may_scrape(folder: str) -> None:
    """Every pod of the cluster reached the operator's, and whoever may send the sampler's."""
    [policy] = bodies(folder, "NetworkPolicy")
    assert "Ingress" in policy["spec"]["policyTypes"]

    rules = policy["spec"]["ingress"]
    admitted = {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}
    assert admitted["health"] == [SCRAPERS]
    senders: dict[str, Any] = {"http": [{"podSelector": {}}]} if "http" in PROGRAMS[folder] else {}
    assert {port: by for port, by in admitted.items() if port != "health"} == senders


@pytest.mark.parametrize("folder", PROGRAMS)
def test_scrapers_are_told_the_port_of_health(folder: str) -> None:
    annotated = [
        it["metadata"].get("annotations") or {}
        for body in bodies(folder, "Service", "Deployment")
        for it in (body, (body["spec"].get("template") or body))
    ]
    ports = {it["prometheus.io/port"] for it in annotated if "prometheus.io/scrape" in it}
    assert ports == {"8081"}
