"""The API server in memory keeps the promises that the real one keeps."""

from __future__ import annotations

import pytest

from tests.memory_api import MemoryApi
from tests.unit.kube.contract import ApiServerContract


class TestMemoryApi(ApiServerContract):
    @pytest.fixture
    def api(self) -> MemoryApi:
        return MemoryApi()

    @pytest.fixture
    def namespace(self) -> str:
        return "fruit"
