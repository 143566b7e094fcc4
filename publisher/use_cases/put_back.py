"""Undo what a run overwrote when it turns out that the other publisher's bundle is the newer one."""

from collections.abc import Callable, Sequence

from publisher.errors import SinkConflictError
from publisher.publication.document_set import Document, DocumentSet
from publisher.publication.found import Found
from publisher.publication.rotation import Write

MOST_ATTEMPTS = 6
"""How often it is tried while others write there."""


def put_back(
    find: Callable[[], Found],
    documents: DocumentSet,
    overwrites: Sequence[Write],
    write: Callable[[Write], object],
) -> None:
    """Write back each document that the manifest at the sink lists and that one of `overwrites` replaced.

    Another publisher had written that document, and its manifest only after this run had looked for it. It
    may have ended since: nobody else notices, and nobody else has the document at hand. Only what this run
    wrote itself is replaced: a third publisher's may be newer than the manifest.

    Raises:
        SinkError: not read, or not written; the next run of anybody finishes it.
        SettingsError: a newer manifest than this release knows.

    """
    for _ in range(MOST_ATTEMPTS if overwrites else 0):
        found = find()
        try:
            for there, wanted in (
                (found.jwks, documents.jwks),
                (found.configuration, documents.configuration),
            ):
                listed = found.manifest.sha256_of(wanted.path) if found.manifest else None
                ours = {one.document.sha256 for one in overwrites if one.document.path == wanted.path}
                before = next(
                    (
                        one.replaces
                        for one in overwrites
                        if one.replaces and (one.replaces.path, one.replaces.sha256) == (wanted.path, listed)
                    ),
                    None,
                )
                if before and there and there.sha256 in ours - {listed}:
                    headers = before.headers or wanted.headers
                    write(
                        Write(
                            document=Document(path=there.path, body=before.body, headers=headers),
                            replaces=there,
                        )
                    )
        except SinkConflictError:
            continue
        return
