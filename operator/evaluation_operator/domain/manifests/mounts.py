"""What a run's pod has mounted besides its table: Secrets of stores, and who it is."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation_operator.api.kubernetes import EnvVar, SecretSource, Volume, VolumeMount
from evaluation_operator.environment import SECRETS_FOLDER

SECRET_MODE = 0o440
"""For the pod's own group, which is its fsGroup."""


def secrets_env(names: Sequence[str]) -> list[EnvVar]:
    if not names:
        return []
    return [
        {"name": "EVALUATION_SECRETS_DIR", "value": SECRETS_FOLDER},
        {"name": "EVALUATION_SECRETS", "value": ",".join(names)},
    ]


def secret_volume(number: int, name: str) -> Volume:
    """Of one Secret alone, so that nothing of it is taken for another's. One that is missing must
    not keep the pod from starting: without a container it could not say so."""
    secret: SecretSource = {"secretName": name, "optional": True, "defaultMode": SECRET_MODE}
    return {"name": f"secret-{number}", "secret": secret}


def secret_mount(number: int, name: str) -> VolumeMount:
    return {"name": f"secret-{number}", "mountPath": f"{SECRETS_FOLDER}/{name}", "readOnly": True}


def token_volume() -> Volume:
    """What the automatic mount would hold, with a token that lives an hour."""
    sources: list[dict[str, object]] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return {"name": "token", "projected": {"sources": sources}}
