"""The systems whose files can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from evaluation_operator.tables.sources.azure_ml import AzureML
from evaluation_operator.tables.sources.databricks import Databricks
from evaluation_operator.tables.sources.kserve_blob import KServeBlob
from evaluation_operator.tables.sources.records import Source
from evaluation_operator.tables.sources.sagemaker import SageMaker
from evaluation_operator.tables.sources.vertex import Vertex

ROW_SOURCES: Final[Mapping[str, Callable[[], Source]]] = {
    "azure-ml": AzureML,
    "databricks": Databricks,
    "kserve-blob": KServeBlob,
    "sagemaker": SageMaker,
    "vertex": Vertex,
}
