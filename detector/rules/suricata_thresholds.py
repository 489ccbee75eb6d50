"""What a threshold file changes of Suricata rules, in its order: their suppressions and thresholds.

sig_id 0 means every rule of a gid, gen_id 0 with it every rule. An entry for one rule takes the place of the rule's own
threshold or detection_filter; an entry for many leaves rules alone that have one of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detector.errors import InputError
from detector.rules.keywords import Context
from detector.rules.keywords.header import Broken, Missing, address_group
from detector.rules.model import Rule
from detector.rules.signature import AddressGroup, Signature, Suppression
from detector.rules.suricata_config import SuppressEntry, ThresholdEntry


def apply_thresholds(
    rules: Sequence[Rule], entries: Sequence[SuppressEntry | ThresholdEntry], context: Context
) -> tuple[list[Rule], list[str]]:
    """(the rules as the entries change them, warnings). context: variables that addresses may name.

    Raises:
        InputError: addresses that are none.
    """
    if not entries:
        return list(rules), []
    places: dict[tuple[int, int], int] = {
        (rule.signature.gid, rule.signature.sid): place
        for place, rule in enumerate(rules)
        if rule.signature is not None and rule.signature.sid
    }
    made = list(rules)
    warnings: list[str] = []
    for entry in entries:
        many = entry.sid == 0
        chosen = [place for (gid, _), place in places.items() if entry.gid in (0, gid)] if many else [
            places[entry.gid, entry.sid]] if (entry.gid, entry.sid) in places else []  # fmt: skip
        if not chosen and not many:
            warnings.append(f"{entry.position}: there is no rule {entry.gid}:{entry.sid}: this entry changes nothing")
        for place in chosen:
            signature = made[place].signature
            assert signature is not None
            made[place] = replace(made[place], signature=applied(entry, signature, many, context))
    return made, warnings


def applied(entry: SuppressEntry | ThresholdEntry, signature: Signature, many: bool, context: Context) -> Signature:
    """A signature with one entry."""
    if isinstance(entry, SuppressEntry):
        group = addresses_of(entry, context) if entry.addresses else None
        return replace(signature, suppressions=(*signature.suppressions, Suppression(entry.subject, group)))
    if many and (signature.threshold or signature.detection_filter):
        return signature
    return replace(signature, threshold=entry.threshold, detection_filter=None)


def addresses_of(entry: SuppressEntry, context: Context) -> AddressGroup:
    """The addresses that an entry names. Raises InputError."""
    hint = "ip 10.0.0.7, ip 10.0.0.0/8, ip [10.0.0.7,10.0.0.8] or ip $HOME_NET"
    try:
        return address_group(entry.addresses, context)[0]
    except Missing as missing:
        raise InputError(f"{missing} is not set", position=entry.position, hint=hint) from None
    except Broken as broken:
        raise InputError(str(broken.args[0]), position=entry.position, hint=hint) from None
