"""Keys, certificates and kubeconfigs of one cluster, made by openssl."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.host import need_packages, run

_DAYS = "3650"
_EXTENSIONS = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
{subject}
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{extensions}
"""


@dataclass(frozen=True)
class Credentials:
    certificate: Path
    key: Path


class Authority:
    """The certificate authority of one directory; what exists there already is used again."""

    def __init__(self, directory: Path) -> None:
        need_packages({"openssl": "openssl"})
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = self._issue("ca", "CN = evaluation-ca", "basicConstraints = critical,CA:true")
        self.service_account_key = directory / "service-account.key"
        self.service_account_public_key = directory / "service-account.pub"
        if not self.service_account_public_key.exists():
            key, public = self.service_account_key, self.service_account_public_key
            self._make_key(key)
            run(["openssl", "pkey", "-in", key, "-pubout", "-out", public])

    def client(self, name: str, user: str, group: str = "") -> Credentials:
        """A certificate that authenticates as `user`, and as a member of `group` if given."""
        subject = f"CN = {user}" + (f"\nO = {group}" if group else "")
        return self._issue(name, subject, "extendedKeyUsage = clientAuth")

    def server(self, name: str, *alternatives: str) -> Credentials:
        """A serving certificate; alternatives are written `IP:…` or `DNS:…`."""
        usage = f"extendedKeyUsage = serverAuth\nsubjectAltName = {','.join(alternatives)}"
        return self._issue(name, f"CN = {name}", usage)

    def kubeconfig(self, path: Path, server: str, credentials: Credentials) -> Path:
        """Write a kubeconfig that holds all it needs (JSON is YAML), readable by the owner."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "evaluation",
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _base64(self.ca.certificate),
                    },
                }
            ],
            "users": [
                {
                    "name": "evaluation",
                    "user": {
                        "client-certificate-data": _base64(credentials.certificate),
                        "client-key-data": _base64(credentials.key),
                    },
                }
            ],
            "contexts": [
                {"name": "evaluation", "context": {"cluster": "evaluation", "user": "evaluation"}}
            ],
            "current-context": "evaluation",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1) + "\n")
        return path

    def _issue(self, name: str, subject: str, extensions: str) -> Credentials:
        made = Credentials(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        if made.certificate.exists():
            return made
        self._make_key(made.key)
        config = self._directory / f"{name}.cnf"
        config.write_text(_EXTENSIONS.format(subject=subject, extensions=extensions))
        signer: list[str | Path] = []
        if name != "ca":
            signer = ["-CA", self.ca.certificate, "-CAkey", self.ca.key]
        unfinished = made.certificate.with_suffix(".new")
        run(
            [
                *("openssl", "req", "-x509", "-new", "-key", made.key, "-days", _DAYS),
                *("-config", config, "-out", unfinished, *signer),
            ]
        )
        unfinished.rename(made.certificate)
        return made

    def _make_key(self, path: Path) -> None:
        path.touch(mode=0o600)
        run(
            [
                *("openssl", "genpkey", "-algorithm", "EC", "-out", path),
                *("-pkeyopt", "ec_paramgen_curve:P-256"),
            ]
        )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
