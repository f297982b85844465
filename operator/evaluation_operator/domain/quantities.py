"""Amounts of resources as Kubernetes writes them: `500m`, `2`, `1Gi`, `1.5G`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"([0-9]{1,24}(?:\.[0-9]{1,24})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}


def parse_quantity(text: int | str) -> Decimal:
    """The amount in whole units: CPUs, bytes, devices. Raises ValueError for any other text."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not an amount: write one like 500m, 2 or 1Gi")
    return Decimal(match[1]) * _UNITS[match[2] or ""]
