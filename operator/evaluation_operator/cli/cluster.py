"""One connection a command, and the API server's errors in the words of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from evaluation_operator.api.codes import Code
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.target import Target
from evaluation_operator.kube import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Kube,
    NoCluster,
    NotFound,
    Transient,
    connect_as_kubectl,
)

T = TypeVar("T")

_CODES = (
    (NotFound, Code.NOT_FOUND, "see what there is with `kubectl evaluations list -A`"),
    (AlreadyExists, Code.ALREADY_EXISTS, "choose another name"),
    (Conflict, Code.ABORTED, "somebody else changed it at the same time: try again"),
    (
        Forbidden,
        Code.PERMISSION_DENIED,
        "ask for the role `edit` here, or `view` to look only",
    ),
    (Transient, Code.UNAVAILABLE, "check the kubeconfig and try again"),
)
_NO_SUCH_KIND = ("could not find the requested resource", "page not found")


def in_cluster(target: Target, work: Callable[[Kube, str], Awaitable[T]]) -> T:
    """The result of `work(kube, namespace)`; CliError for what the cluster refuses."""

    async def run() -> T:
        kube, namespace = await connect_as_kubectl(target.kubeconfig, target.context)
        try:
            return await work(kube, target.namespace or namespace)
        finally:
            await kube.close()

    try:
        return asyncio.run(run())
    except NoCluster as error:
        raise CliError(str(error), code=Code.UNAVAILABLE) from error
    except ApiError as error:
        raise _of_api(error) from error


def _of_api(error: ApiError) -> CliError:
    if isinstance(error, NotFound) and any(text in error.message for text in _NO_SUCH_KIND):
        message = (
            "the cluster does not know the kinds of evaluations.dev; install the operator "
            "with `kubectl apply --server-side -k manifests/base`"
        )
        return CliError(message, code=Code.FAILED_PRECONDITION)
    for kind, code, cure in _CODES:
        if isinstance(error, kind):
            return CliError(f"{error.message}; {cure}", code=code)
    return CliError(error.message)
