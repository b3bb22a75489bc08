"""Weights from huggingface.co, or wherever HF_ENDPOINT points: timm's and everybody's.

huggingface_hub keeps the cache (HF_HOME) and heeds HF_HUB_OFFLINE; a file that is in the cache is
used when the hub cannot be reached.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from residua.errors import (
    CorruptCheckpointError,
    DiskFullError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from residua.files import naming_full_disk
from residua.networks.pretrained.card import Inputs, WeightsCard
from residua.networks.pretrained.folder import (
    CHECKPOINT,
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    card_of_folder,
    described_network,
    needs_preprocessor,
)
from residua.networks.pretrained.timm_tags import TIMM_TAGS, TimmTag

Check = Callable[[str | None], None]
"""Raises an error for a network that is not wanted; None is one that nothing is known about."""

_NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


def fetch(text: str, check: Check) -> tuple[WeightsCard, Path]:
    """The card and file of ``hf-hub:OWNER/NAME[@REVISION]``.

    Args:
        check: Refuses another network, before its weights are fetched.

    Raises:
        UsageError: The string is malformed.
        WeightsError: The repository or file is not there, or cannot be fetched.
    """
    match = _NAME.fullmatch(text.removeprefix("hf-hub:"))
    if match is None:
        raise UsageError("not a repository", expected="hf-hub:OWNER/NAME", received=text)
    return _fetch(text, match["repo"], match["revision"], check)


def fetch_timm(text: str, check: Check) -> tuple[WeightsCard, Path]:
    """The card and file of ``timm/NETWORK[.TAG]``.

    Raises:
        UsageError: timm has no such network, or no such weights of it.
        WeightsError: The file cannot be fetched.
    """
    name, _, tag = text.removeprefix("timm/").partition(".")
    if name not in TIMM_TAGS:
        raise UnknownNameError("network of timm with weights", name, TIMM_TAGS)
    known = TIMM_TAGS[name]
    tag = tag or next(iter(known))
    if tag not in known:
        raise UsageError(
            f"no weights '{tag}' of timm's network '{name}' are known",
            expected=", ".join(known),
            fix=f"Newer ones can be had as hf-hub:timm/{name}.{tag}",
        )
    source = f"timm/{name}.{tag}"
    check(name)
    card, path = _fetch(source, source, None, check)
    if card.network is None:  # timm's own cache holds no description
        card = _card_of_tag(card, name, known[tag])
    return card, path


def _card_of_tag(card: WeightsCard, name: str, tag: TimmTag) -> WeightsCard:
    return WeightsCard(
        source=card.source,
        network=name,
        licence=tag.licence,
        sha256=card.sha256,
        url=card.url,
        inputs=Inputs.from_crop_share(
            (tag.size, tag.size),
            tag.crop_pct,
            interpolation=tag.interpolation,
            mean=tag.mean,
            std=tag.std,
        ),
    )


def _fetch(source: str, repo: str, revision: str | None, check: Check) -> tuple[WeightsCard, Path]:
    place = _Place(source=source, repo=repo, revision=revision)
    described = place.file(CONFIG) or place.file(CHECKPOINT)
    if described is not None:
        check(described_network(described))
        if needs_preprocessor(described):
            place.file(PREPROCESSOR)
    path = next((path for name in WEIGHTS if (path := place.file(name))), None)
    if path is None:
        raise place.absent()
    folder = path.parent if described is None else described.parent
    card = card_of_folder(folder, path, source=source, url=place.url(path.name))
    _check_blob(path, card.sha256)
    return card, path


class _Place:
    """A repository; once it could not be reached, what the cache has of it."""

    def __init__(self, *, source: str, repo: str, revision: str | None) -> None:
        self.source = source
        self.repo = repo
        self.revision = revision
        self.unreachable: BaseException | None = None

    def file(self, name: str) -> Path | None:
        """A file in the cache, fetched where need be; None where there is none to be had."""
        from huggingface_hub import errors

        try:
            return self._download(name)
        except errors.LocalEntryNotFoundError as error:
            self.unreachable = self.unreachable or error.__cause__ or error
        except errors.EntryNotFoundError:
            pass
        except errors.RevisionNotFoundError as error:
            raise WeightsError(
                f"no such revision of {self.source}", received=self.revision, where=self.url(name)
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise WeightsError(
                f"weights {self.source} are not to be had",
                received="no such repository, or one that needs a token",
                where=self.url(name),
                fix="Check the name; for a private one set HF_TOKEN",
            ) from error
        except errors.HFValidationError as error:
            raise UsageError("not a repository", received=self.repo) from error
        except DiskFullError:
            raise
        except Exception as error:  # of its client, which is another one in each release
            self.unreachable = error
        return None

    def _download(self, name: str) -> Path:
        """Asks once whether the file is there, before huggingface_hub asks again and again."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(self.repo, name, revision=self.revision)
        if self.unreachable is None and not isinstance(cached, str):
            get_hf_file_metadata(self.url(name))
        with naming_full_disk(Path(name)):
            found = hf_hub_download(
                self.repo,
                name,
                revision=self.revision,
                endpoint=_endpoint(),
                local_files_only=self.unreachable is not None,
            )
        return Path(found)

    def absent(self) -> WeightsError:
        """Why there are no weights."""
        if self.unreachable is None:
            return WeightsError(
                f"the repository of {self.source} has no weights",
                expected=" or ".join(WEIGHTS),
                where=f"{_endpoint()}/{self.repo}",
            )
        reason = str(self.unreachable).strip().splitlines()
        return WeightsError(
            f"weights {self.source} are not on this machine and cannot be fetched",
            received=reason[0] if reason else type(self.unreachable).__name__,
            where=self.url(WEIGHTS[0]),
            fix=f"Fetch that and {CONFIG} beside it elsewhere into a folder and give its path",
        )

    def url(self, name: str) -> str:
        return f"{_endpoint()}/{self.repo}/resolve/{self.revision or 'main'}/{name}"


def _check_blob(path: Path, sha256: str) -> None:
    """The cache names large files by their SHA-256."""
    blob = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", blob) and blob != sha256:
        raise CorruptCheckpointError(
            "the cached file of weights is damaged",
            expected=f"the SHA-256 {blob}",
            received=sha256,
            where=path.resolve(),
            fix="Delete it; it is fetched again",
        )


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
