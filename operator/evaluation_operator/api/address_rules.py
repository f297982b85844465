"""What a schema can say about the address of a table or of results, as CEL rules.

Messages repeat an address only where nothing in it can be a password, since whoever may read the
object, or the log of a GitOps tool, reads them. What opens an address judges it once more, with
what its name leads to.
"""

from __future__ import annotations

from dataclasses import replace

from .base import Rule
from .table_address import BUCKET_URI, IPV4, POSTGRESQL_URI
from .table_schemes import DATABASES

TABLE_MOUNT = "/var/lib/evaluations/table"

# In hexadecimal, since these end texts of CEL, of its regular expressions, or both: control
# characters, `"`, `$`, `'`, backslash and backtick. Then what is a pattern, a query, a fragment or
# an escape, and what turns the direction of text.
_QUOTING = r"\\x00-\\x1f\\x7f-\\x9f\\x22\\x24\\x27\\x5c\\x60"
_SPECIAL = r"%*?#{}<>|;\u202a-\u202e\u2066-\u2069"
_PLAIN = f"^[^{_QUOTING}{_SPECIAL}]*$"

POSTGRES_FORM = "postgresql://[USER@]HOST[:PORT]/DATABASE/[SCHEMA.]TABLE"


def _in_cel(pattern: str) -> str:
    """A regular expression as the text of a CEL literal, which takes backslashes for its own."""
    return pattern.replace("\\", "\\\\")


def address_rules(path: str, *, where: str, schemes: tuple[str, ...]) -> tuple[Rule, ...]:
    """Rules for the address at `path` below the object: its scheme, its form, no password, files
    below the mount. `where` is CEL for: there is one."""
    rules = (
        _scheme(path, schemes),
        _no_password(path),
        _plain(path),
        _file(path),
        _bucket(path),
        *(() if not set(DATABASES) & set(schemes) else _database(path)),
    )
    return tuple(replace(rule, rule=f"!({where}) || ({rule.rule})") for rule in rules)


def _rule(path: str, rule: str, what: str, *, forbidden: bool = False) -> Rule:
    value, field = f"self.{path}", path.rpartition(".")[2]
    shown = f"({value}.matches('[@?#]') ? '' : {value} + ' ')"
    return Rule(
        rule=rule.replace("VALUE", value),
        message=f"{field} {what}",
        message_expression=f"'{field} ' + {shown} + '{what}'",
        field_path=f".{path}",
        reason="FieldValueForbidden" if forbidden else "FieldValueInvalid",
    )


def _scheme(path: str, schemes: tuple[str, ...]) -> Rule:
    named = ", ".join(f"{scheme}://" for scheme in schemes)
    return _rule(
        path,
        f"VALUE.matches('^({'|'.join(schemes)})://.')",
        f"must begin with one of {named}, followed by an address",
    )


def _no_password(path: str) -> Rule:
    """Whatever stands in the password: what is between the first `:` and the last `@` is one."""
    value, field = f"self.{path}", path.rpartition(".")[2]
    return Rule(
        rule=f"!{value}.matches('^[^/]*//(.|\\n)*:(.|\\n)*@') && "
        f"!{value}.matches('(?i)[?&](password|passwd|pwd|sslpassword|secret|token)=')",
        message=f"{field} holds a password, which everybody who can read the object would see: "
        "take it out, and put it into a Secret named evaluation-… of runTemplate.envFrom",
        field_path=f".{path}",
        reason="FieldValueForbidden",
    )


def _plain(path: str) -> Rule:
    return _rule(
        path,
        f"VALUE.matches('{_PLAIN}')",
        "must have no quotes, line breaks, patterns, queries, fragments or escapes: leave out "
        "characters like % * ? # $ and quotation marks",
    )


def _file(path: str) -> Rule:
    return _rule(
        path,
        f"!VALUE.startsWith('file:') || (VALUE.matches('^file://{TABLE_MOUNT}(/|$)') && "
        "!VALUE.matches('/[.][.]?(/|$)') && !VALUE.matches('[][]'))",
        f"must lie where the volume claim is mounted: write file://{TABLE_MOUNT} or a folder below "
        "it, without . and .. and brackets",
    )


def _bucket(path: str) -> Rule:
    return _rule(
        path,
        f"!VALUE.matches('^(s3|gs):') || (VALUE.matches('{_in_cel(BUCKET_URI)}') && "
        f"!VALUE.matches('^(s3|gs)://{IPV4}(/|$)') && "
        "!VALUE.matches('/[.][.]?(/|$)') && !VALUE.matches('[][]'))",
        "must name a bucket and a folder, like s3://BUCKET/FOLDER: no user, port or IP address",
    )


def _database(path: str) -> tuple[Rule, ...]:
    return (
        _rule(
            path,
            f"!VALUE.startsWith('postgresql:') || VALUE.matches('{_in_cel(POSTGRESQL_URI)}')",
            f"must have the form {POSTGRES_FORM}, its host a DNS name or an IP address as it is "
            "always written; options belong into the Secret",
        ),
        _rule(
            path,
            "!VALUE.startsWith('postgresql:') || "
            "!VALUE.matches('/(pg_[A-Za-z0-9_]*|information_schema)([.][^/]*)?$')",
            "must name a table of yours, not one of the database itself",
        ),
        _rule(
            path,
            "!VALUE.matches('(?i)^(postgresql|clickhouse)://([^/]*@)?"
            "(169[.]254[.]|[[](fe[89ab][0-9a-f]:|::ffff:|fd00:ec2:))')",
            "must not name a link-local address, where clouds keep the credentials of machines",
            forbidden=True,
        ),
    )
