"""Manifests in files, read as kubectl reads them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluation_operator.domain.faults import Fault
from evaluation_operator.domain.stalled import Limits

from .judging import OFFLINE_LIMITS, is_ours, validate_manifests

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object and the file that it stands in."""

    file: str
    body: Mapping[str, Any]

    @property
    def title(self) -> str:
        """`Kind/name`, as far as the object says them."""
        metadata = self.body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        name = metadata.get("name") or metadata.get("generateName") or "?"
        return f"{self.body.get('kind', '?')}/{name}"


@dataclass(frozen=True, slots=True)
class FileFault:
    """A fault, with the place where a person finds it."""

    file: str
    title: str
    fault: Fault

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.title, str(self.fault)) if part)


class UnreadableManifestError(ValueError):
    """A file that is not YAML or JSON, or that holds something else than objects."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file
        self.message = message


def validate_files(
    paths: Sequence[str | Path],
    *,
    limits: Limits = OFFLINE_LIMITS,
    namespace: str | None = None,
) -> list[FileFault]:
    """Faults of all objects of this API group in files and folders; `-` is standard input.

    Objects of other groups are left to kubectl. OSError for a file that cannot be opened.
    """
    manifests: list[Manifest] = []
    faults: list[FileFault] = []
    for path in paths:
        try:
            manifests += read_manifests(path)
        except UnreadableManifestError as error:
            faults.append(FileFault(error.file, "", Fault("", "", error.message, "Schema")))
    ours = [it for it in manifests if is_ours(it.body)]
    results = validate_manifests([it.body for it in ours], limits=limits, namespace=namespace)
    for manifest, found in zip(ours, results, strict=True):
        faults += [FileFault(manifest.file, manifest.title, fault) for fault in found]
    return faults


def read_manifests(path: str | Path) -> list[Manifest]:
    """The objects in a file, or in the files of a folder (not below it); Lists are unfolded.

    Raises UnreadableManifestError, and OSError for a file that cannot be opened.
    """
    if str(path) == "-":
        return list(_objects("standard input", sys.stdin.read()))
    path = Path(path)
    if path.is_dir():
        files = sorted(it for it in path.iterdir() if it.suffix in _SUFFIXES)
        return [manifest for file in files for manifest in read_manifests(file)]
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableManifestError(str(path), f"is not UTF-8: {error}") from error
    return list(_objects(str(path), text))


def _objects(file: str, text: str) -> Iterator[Manifest]:
    try:
        # YAML does not take all of JSON: tabs, for one.
        documents = [json.loads(text)] if text.lstrip().startswith("{") else _documents(text)
    except (yaml.YAMLError, json.JSONDecodeError, RecursionError) as error:
        raise UnreadableManifestError(file, " ".join(str(error).split())) from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            kind = type(document).__name__
            raise UnreadableManifestError(file, f"holds a {kind} where an object should be")
        items = document.get("items")
        if str(document.get("kind")).endswith("List") and isinstance(items, list):
            yield from (Manifest(file, item) for item in items if isinstance(item, dict))
        else:
            yield Manifest(file, document)


def _documents(text: str) -> list[Any]:
    return list(yaml.load_all(text, _Loader))


class _Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: times stay text, 10:00 is no number, no key comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} is there twice: remove one", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    integer = re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|0o?[0-7]+)$")
    number = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$")
    replaced = {"int", "float", "timestamp"}
    result = {
        first: [it for it in entries if it[0].rpartition(":")[2] not in replaced]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        entries = result.setdefault(first, [])
        entries.append(("tag:yaml.org,2002:int", integer))
        entries.append(("tag:yaml.org,2002:float", number))
    return result


_Loader.yaml_implicit_resolvers = _resolvers()
