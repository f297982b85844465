"""Addresses that mail may go to, and such as it must not."""

from __future__ import annotations

from evaluation_operator.api.email_address import EMAIL_MAX_LENGTH

ONE_MAILBOX = (
    "ann@example.com",
    "Ann.Smith+labels@mail.corp.example",
    "o'brien@example.com",
    "prvs=1234=ann@example.com",
    "ann@xn--bcher-kva.example",
    "a@b.co",
    "1@1.2.example",
)
NO_OR_OTHER_MAILBOXES = (
    # Each was admitted once. These three end a program that parses them, or name a second one.
    "a:b;c@corp.example",
    "x,victim@corp.example",
    "<victim@corp.example>",
    # A name, a comment, quotes, a route: what is meant depends on who reads it.
    "victim(comment)@corp.example",
    "Ann<ann@corp.example>",
    '"a"@corp.example',
    '"x@y',
    "@relay.example:ann@corp.example",
    # Relays send these on to another server.
    "a%evil.example@corp.example",
    "evil.example!ann@corp.example",
    # An encoded word: "attacker@evil.example, " to readers that decode it before they parse.
    "=?utf-8?q?attacker=40evil.example=2c=20?=ann@corp.example",
    # An option, a file and a program to some that deliver mail.
    "-oQ/tmp@corp.example",
    "/var/mail/root@corp.example",
    "|id@corp.example",
    "`id`@corp.example",
    # No DNS name.
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "root@localhost",
    "a@-b.example",
    "a@b-.example",
    "a@b..example",
    "a@.b.example",
    "a@b.example.",
    "a@b_c.example",
    "a@bücher.example",
    f"a@{'b' * 64}.example",
    # Neither words with dots between them, nor one line.
    ".a@b.example",
    "a.@b.example",
    "a..b@b.example",
    "a b@c.example",
    "a\\@b.example",
    "a@b@c.example",
    "a@b.example\n",
    "a@b.example\r\nBcc: x@y.example",
    "a\0@b.example",
    "ä@b.example",
    "@b.example",
    "a@",
    "",
    f"{'a' * EMAIL_MAX_LENGTH}@b.example",
)
