"""The one mail of a labelling: to whom the job names, when it ends."""

from __future__ import annotations

from email.message import EmailMessage

import aiosmtplib

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.labeling.settings import Smtp

SECONDS = 15


async def send(smtp: Smtp, dataset: Dataset, to: str, text: str) -> str | None:
    """What went wrong, in words without secrets; None: it is sent.

    The same end told twice has the same Message-ID, by which mail readers show it once.
    """
    job = dataset.spec.evaluation_job.name
    message = EmailMessage()
    try:
        message["From"] = smtp.sender
        message["To"] = to
        message["Subject"] = f"Labelling for {job} has ended"
        message["Message-ID"] = f"<labeled.{dataset.uid}@evaluations.dev>"
        message.set_content(f"Job: {dataset.namespace}/{job}\nRun: {dataset.name}\n\n{text}\n")
        password = smtp.password_file.read_text().strip() if smtp.password_file else None
        await aiosmtplib.send(
            message,
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.user,
            password=password,
            start_tls=not smtp.is_plain,
            timeout=SECONDS,
        )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return (
            f"no mail could be sent by {smtp.host}:{smtp.port} ({type(error).__name__}): check "
            "EVALUATION_SMTP_* of the labeler"
        )
    return None
