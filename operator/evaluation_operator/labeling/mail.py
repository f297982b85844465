"""The one mail of a labelling: to whom the job names, when it ends."""

from __future__ import annotations

import asyncio
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.email_address import is_email_address, is_in_domains
from evaluation_operator.labeling.settings import Smtp
from evaluation_operator.redaction import redact
from evaluation_operator.visible import visible

SECONDS = 15.0
"""For each answer of the server."""
ALL_SECONDS = 60.0
"""For the whole mail, which a server that answers a byte at a time would never let end."""


async def send(smtp: Smtp, dataset: Dataset, to: str, text: str) -> str | None:
    """What went wrong, in words without secrets; None: it is sent, to `to` alone.

    The same end told twice has the same Message-ID, by which mail readers show it once.
    """
    if fault := fault_of(to, smtp):
        return f"no mail was sent: {fault}"
    try:
        message, password = compose(smtp, dataset, to, text), _password(smtp)
        async with asyncio.timeout(ALL_SECONDS):
            await aiosmtplib.send(
                message,
                # What the server is told does not depend on how anybody reads a header.
                sender=smtp.sender_address,
                recipients=[to],
                hostname=smtp.host,
                port=smtp.port,
                username=smtp.user,
                password=password,
                start_tls=not smtp.is_plain,
                timeout=SECONDS,
            )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return (
            f"no mail could be sent by {smtp.host}:{smtp.port} ({_kind(error)}): check "
            "EVALUATION_SMTP_* of the labeler"
        )
    return None


def fault_of(to: str, smtp: Smtp) -> str | None:
    """Why nothing is sent to an address, and the cure. A job that was stored before its schema was
    as strict may hold any text."""
    if not is_email_address(to):
        return (
            f"userEmailAddress: '{visible(to):.100}': is no single address like ann@example.com: "
            "correct it in the job, for its next runs"
        )
    if smtp.allowed_domains and not is_in_domains(to, smtp.allowed_domains):
        return (
            f"userEmailAddress: {to}: its domain is not among EVALUATION_ALLOWED_EMAIL_DOMAINS "
            f"({', '.join(smtp.allowed_domains)}): name another address in the job, or ask whoever "
            "runs the labeler to allow it"
        )
    return None


def compose(smtp: Smtp, dataset: Dataset, to: str, text: str) -> EmailMessage:
    """The mail, whose header names `to` and nobody else."""
    job = dataset.spec.evaluation_job.name
    message = EmailMessage()
    message["From"] = smtp.sender
    message["To"] = Address(addr_spec=to)
    message["Subject"] = f"Labelling for {job} has ended"
    message["Message-ID"] = f"<labeled.{dataset.uid}@evaluations.dev>"
    told = visible(text, keeps_layout=True)
    message.set_content(f"Job: {dataset.namespace}/{job}\nRun: {dataset.name}\n\n{told}\n")
    return message


def _password(smtp: Smtp) -> str | None:
    if smtp.password_file is None:
        return None
    password = smtp.password_file.read_text(encoding="utf-8").strip()
    redact.learn([password], source=str(smtp.password_file))
    return password


def _kind(error: Exception) -> str:
    """The library's word and the server's number: its text may repeat what it was sent."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if isinstance(code, int) else type(error).__name__
