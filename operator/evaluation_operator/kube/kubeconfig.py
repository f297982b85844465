"""Connecting as a person does: by the kubeconfig that kubectl would use, and its namespace."""

from __future__ import annotations

import logging
from pathlib import Path

from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config
from yaml import YAMLError

from evaluation_operator.kube.client import Kube

DEFAULT_NAMESPACE = "default"
# A file that is no kubeconfig at all fails anywhere in the library.
_UNREADABLE = (
    kubernetes_config.ConfigException,
    YAMLError,
    OSError,
    AttributeError,
    KeyError,
    TypeError,
)
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class NoCluster(Exception):
    """No kubeconfig leads to a cluster; `str(error)` says why, with the cure."""


async def connect_as_kubectl(
    kubeconfig: str | None = None, context: str | None = None
) -> tuple[Kube, str]:
    """A connection, and the namespace to work in when the user names none.

    By `kubeconfig`, else by the file that KUBECONFIG names, else `~/.kube/config`; where there is
    none, as the service account of the pod that this runs in. Raises NoCluster.
    """
    _check_file(kubeconfig)
    configuration = kubernetes_client.Configuration()
    # The library warns of a missing file in a line of its own; NoCluster says it better.
    logging.getLogger("kubernetes.aio.config.kube_config").setLevel(logging.ERROR)
    try:
        loader = await kubernetes_config.load_kube_config(
            config_file=kubeconfig,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except _UNREADABLE as error:
        pod_namespace = _pod_namespace()
        if kubeconfig is not None or context is not None or pod_namespace is None:
            raise NoCluster(_no_cluster(error, kubeconfig, context)) from error
        kubernetes_config.load_incluster_config(client_configuration=configuration)
        return Kube(configuration), pod_namespace
    namespace = loader.current_context["context"].get("namespace")
    return Kube(configuration), namespace or DEFAULT_NAMESPACE


def _check_file(kubeconfig: str | None) -> None:
    if kubeconfig is not None and not Path(kubeconfig).is_file():
        raise NoCluster(f"kubeconfig {kubeconfig}: no such file; name one that kubectl can use")


def _pod_namespace() -> str | None:
    return _POD_NAMESPACE.read_text() if _POD_NAMESPACE.exists() else None


def _no_cluster(error: Exception, kubeconfig: str | None, context: str | None) -> str:
    what = f"kubeconfig {kubeconfig}" if kubeconfig else "kubeconfig"
    if context:
        what += f", context {context}"
    return f"{what}: no cluster to talk to ({error}); name a kubeconfig that kubectl can use"
