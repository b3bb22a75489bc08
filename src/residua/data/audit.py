"""What is in a data set, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from residua.batch import Modality, Schema, Split
from residua.data.audit_copies import exact_copies, near_copies
from residua.data.audit_samples import (
    picture_facts,
    picture_findings,
    series_facts,
    series_findings,
)
from residua.data.audit_targets import (
    class_counts,
    quantities,
    share,
    target_codes,
    target_findings,
    torn_groups,
)
from residua.data.dataset import Dataset
from residua.data.findings import SEVERITIES, Audit, Finding, SplitCount
from residua.data.fingerprints import Fingerprints, Kind, take_fingerprints
from residua.data.picture_prints import PicturePrints
from residua.data.series_prints import SignalPrints, TextPrints
from residua.data.sound_prints import SoundPrints
from residua.data.storage import Progress


def audit(
    dataset: Dataset,
    *,
    strict: bool = False,
    similarity: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Decodes every sample once and looks for what spoils a run or its numbers.

    Memory grows by some 300 bytes a sample (of signals and sound up to 600) and not with their
    size.

    Args:
        dataset: With its splits.
        strict: Unreadable samples are errors; otherwise training skips them.
        similarity: Correlation from which two samples are near duplicates, 1 for none; by
            default it follows from the data set, see `residua.data.duplicates`.
        threads: For decoding; by default one a core.
        progress: Called with (done, total) samples.
    """
    kind = kind_of(dataset.schema)
    prints = take_fingerprints(dataset.reader, kind, threads=threads, progress=progress)
    is_picture = dataset.schema.modality is Modality.IMAGE
    findings = [
        *_reading(dataset, prints, strict),
        *target_findings(dataset),
        *torn_groups(dataset),
        *exact_copies(dataset, prints),
        *near_copies(dataset, prints, similarity),
        *(picture_findings if is_picture else series_findings)(dataset, prints),
    ]
    return Audit(
        name=dataset.name,
        modality=dataset.schema.modality,
        task=dataset.schema.task,
        n=len(dataset.table),
        channels=dataset.schema.channels,
        splits=tuple(
            SplitCount(name=split, official=split in dataset.official, n=len(dataset.rows(split)))
            for split in Split
            if len(dataset.rows(split))
        ),
        classes=class_counts(dataset),
        quantities=quantities(dataset),
        facts=(picture_facts if is_picture else series_facts)(dataset, prints),
        findings=tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity))),
    )


def kind_of(schema: Schema) -> Kind:
    """How samples of a data set are looked at."""
    match schema.modality:
        case Modality.IMAGE:
            return PicturePrints()
        case Modality.SIGNAL:
            return SignalPrints(channels=schema.channels, rate=schema.rate or 0.0)
        case Modality.SOUND:
            return SoundPrints(rate=schema.rate or 0.0)
        case Modality.TEXT:
            return TextPrints()


def _reading(dataset: Dataset, prints: Fingerprints, strict: bool) -> Iterator[Finding]:
    keys, words = dataset.table.keys, prints.kind.words
    for problem in dataset.reader.problems:
        if problem.key == "rate" and dataset.schema.modality is Modality.SOUND:
            continue  # of a few headers; all clips are counted below
        yield Finding(
            severity="warning",
            code="left-out",
            message=f"{problem.key}: {problem.reason}",
            keys=((problem.key,),),
        )
    if not prints.readable.any():
        message = f"no {words.one} can be read"
        yield Finding(severity="error", code="nothing-readable", message=message)
    for problem in prints.problems:
        yield Finding(
            severity="error" if strict else "warning",
            code="unreadable",
            message=problem.reason,
            keys=((problem.key,),),
        )
    lacking = target_codes(dataset) < 0
    lacking[dataset.rows(Split.UNLABELLED)] = False
    unlabelled = np.flatnonzero(lacking).tolist()
    if unlabelled:
        yield Finding(
            severity="error",
            code="unlabelled",
            message=f"{share(len(unlabelled), len(keys))} samples have no label",
            keys=tuple((str(keys[row]),) for row in unlabelled),
        )
