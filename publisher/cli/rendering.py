"""What `render` does with one publication, and what it prints."""

import json
from collections.abc import Iterator
from typing import Any

from publisher.cli.session import Command, Ended, Session
from publisher.errors import PublisherError, UsageError
from publisher.findings import Finding
from publisher.publication.document_set import Document, DocumentSet
from publisher.settings.layers import Reader
from publisher.settings.options import RENDER
from publisher.settings.run import RunSettings, Selected
from publisher.settings.targets import RenderTarget
from publisher.use_cases.render import render

Rendered = tuple[DocumentSet, tuple[Finding, ...]]


class RenderCommand(Command[RenderTarget, Rendered]):
    """Print the documents."""

    name = RENDER

    def read(self, reader: Reader) -> RenderTarget:
        """Read the settings of one publication."""
        return RenderTarget.read(reader)

    def forbid(self, selected: tuple[Selected[RenderTarget], ...], run: RunSettings, /) -> None:
        """Refuse to print one document of several publications: they would run into each other."""
        if run.document is None:
            return
        if len(selected) > 1:
            raise UsageError(
                "--document",
                f"prints one document, and the file has {len(selected)} publications",
                "choose one with --publication NAME",
            )
        if run.json:
            raise UsageError(
                "--document", "prints exact bytes, not JSON of ours", "leave out --document or --output json"
            )

    def work(self, settings: RenderTarget, session: Session) -> Rendered:
        """Fetch and build."""
        source = session.wiring.source(settings)
        return render(source, settings.documents, deadline=session.deadline)

    def findings(self, result: Rendered) -> tuple[Finding, ...]:
        """Give everything that was found."""
        return result[1]

    def members(self, ended: Ended[RenderTarget, Rendered], _run: RunSettings, /) -> dict[str, Any]:
        """Give both documents by path."""
        documents = None
        if not isinstance(ended.result, PublisherError):
            documents = {document.path: json.loads(document.body) for document in _both(ended.result)}
        issuer = ended.settings and ended.settings.documents.issuer.url
        return {"issuer": issuer, "documents": documents}

    def text(self, ended: Ended[RenderTarget, Rendered], session: Session, /) -> Iterator[str | bytes]:
        """Give both documents, indented, each below its path; or the exact bytes of one."""
        if isinstance(ended.result, PublisherError):
            return
        configuration, jwks = _both(ended.result)
        match session.run.document:
            case "configuration":
                yield configuration.body
            case "jwks":
                yield jwks.body
            case _:
                named = f"{ended.name}: " if ended.name else ""
                for document in (configuration, jwks):
                    yield f"# {named}{document.path}\n{json.dumps(json.loads(document.body), indent=2)}\n\n"


def _both(rendered: Rendered) -> tuple[Document, Document]:
    return rendered[0].configuration, rendered[0].jwks
