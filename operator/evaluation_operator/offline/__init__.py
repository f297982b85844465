"""Judging manifests without a cluster, by the schemas and rules that the API server judges by."""

from .files import FileFault, Manifest, read_manifests, validate_files
from .judging import (
    OFFLINE_LIMITS,
    believed_namespace,
    validate_manifest,
    validate_manifests,
    validate_update,
)

__all__ = [
    "OFFLINE_LIMITS",
    "FileFault",
    "Manifest",
    "believed_namespace",
    "read_manifests",
    "validate_files",
    "validate_manifest",
    "validate_manifests",
    "validate_update",
]
