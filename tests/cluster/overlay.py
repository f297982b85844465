"""A workload of the manifests with more variables than they give, applied as any kustomization."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Overlay:
    """A kustomization of `resource` whose workload has more variables.

    Its pods are new ones whenever it is written anew, since images keep their name. `operations`
    are JSON patches of the workload, `parts` further fields of the kustomization, which may name
    files of the folder that it is written to.
    """

    resource: Path
    kind: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    operations: Sequence[Body] = ()
    patches: Sequence[Body] = ()
    parts: Body = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The folder, for `kubectl apply -k`; it has to be there."""
        target = {"kind": self.kind, "name": self.name}
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(self.resource, folder.resolve())],
            "patches": [
                {"target": target, "patch": json.dumps(self._operations())},
                *self.patches,
            ],
            **self.parts,
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
        return folder

    def _operations(self) -> list[Body]:
        variables = "/spec/template/spec/containers/0/env/-"
        annotations = {"tests/installation": uuid.uuid4().hex}
        return [
            *self.operations,
            *(
                {"op": "add", "path": variables, "value": {"name": name, "value": value}}
                for name, value in self.environment.items()
            ),
            {"op": "add", "path": "/spec/template/metadata/annotations", "value": annotations},
        ]


def shifted_clock(offset: timedelta) -> dict[str, str]:
    """The variables of a program whose clock is ahead of the real one."""
    if not offset:
        return {}
    return {
        "EVALUATION_ALLOW_TEST_CLOCK": "true",
        "EVALUATION_CLOCK_OFFSET_SECONDS": f"{offset.total_seconds():.0f}",
    }
