"""Heart beats: the AAMI's classes, and the protocol that divides MIT-BIH between patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from residua.batch import Split

AAMI = {
    "N": "NLRej",
    "S": "AaJS",
    "V": "VE",
    "F": "F",
    "Q": "/fQ",
}
"""The symbols of PhysioNet's annotations that make up each class of ANSI/AAMI EC57: normal and
bundle branch block, supraventricular ectopic, ventricular ectopic, fusion, paced or unknown. All
other symbols mark rhythm, noise, flutter waves and blocked P waves, which are no beats."""

BEAT_CLASS = {symbol: name for name, symbols in AAMI.items() for symbol in symbols}


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Which records teach, which test, and which have no part.

    Attributes:
        name: As people call it.
        splits: The split of each record; what is not in it has no part.
        left_out: Records without a part, and why.
        patients: For records of one person with another record, that person's name.
    """

    name: str
    splits: Mapping[str, Split]
    left_out: Mapping[str, str]
    patients: Mapping[str, str]


# fmt: off
_DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)
_DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)
# fmt: on
_PACED = ("102", "104", "107", "217")


def _in(records: Sequence[str], split: Split) -> dict[str, Split]:
    return dict.fromkeys(records, split)


MIT_BIH = Division(
    name="mit-bih",
    splits=_in(_DS1, Split.TRAIN) | _in(_DS2, Split.TEST),
    left_out=dict.fromkeys(_PACED, "paced, and so left out as the AAMI recommends"),
    patients={"201": "201 and 202", "202": "201 and 202"},
)
"""De Chazal, O'Dwyer, Reilly: Automatic classification of heartbeats using ECG morphology and
heartbeat interval features. IEEE TBME 51(7), 2004: DS1 and DS2, 22 records each."""

MIT_BIH_RATE = 360.0


def known_division(records: Sequence[str], rates: Sequence[float]) -> Division | None:
    """`MIT_BIH` where all records are of that database, and both parts are there."""
    known = MIT_BIH.splits.keys() | MIT_BIH.left_out.keys()
    parts = {MIT_BIH.splits[name] for name in records if name in MIT_BIH.splits}
    ours = known.issuperset(records) and set(rates) == {MIT_BIH_RATE}
    return MIT_BIH if ours and len(parts) == 2 else None
