"""The real API server keeps the promises that the one in memory is trusted for."""

from __future__ import annotations

import pytest

from evaluation_operator.kube import ApiServer
from tests.integration.lab import Lab
from tests.unit.kube.contract import ApiServerContract


class TestRealApiServer(ApiServerContract):
    @pytest.fixture
    def api(self, bare_lab: Lab) -> ApiServer:
        return bare_lab.kube

    @pytest.fixture
    def namespace(self, bare_lab: Lab) -> str:
        return bare_lab.namespace
