from publisher.bundle.fetched import Fetched
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.ports import Deadline, Source
from publisher.publication import document_set
from publisher.publication.document_set import DocumentSet, PublicationSettings
from publisher.quoting import quote


def render(
    source: Source, settings: PublicationSettings, *, deadline: Deadline
) -> tuple[DocumentSet, tuple[Finding, ...]]:
    """Fetch once and build both documents without any sink.

    Raises:
        SourceError: the source gave no bundle.
        BundleError: the bundle is unsafe to publish.

    """
    fetched = source.fetch(deadline)
    return document_set.build(fetched.bundle, settings), judge(fetched, settings)


def judge(fetched: Fetched, settings: PublicationSettings) -> tuple[Finding, ...]:
    """Report what makes a publication useless although it is safe: wrong `iss`, no RS256."""
    return (
        *fetched.findings,
        *_token_issuer(fetched, settings.issuer),
        *_algorithms(settings),
    )


def _token_issuer(fetched: Fetched, issuer: Issuer) -> tuple[Finding, ...]:
    witness = fetched.witness
    if witness is None or witness.iss == issuer.url:
        return ()
    line = f'set jwt_issuer = "{issuer}" in the server section of SPIRE\'s server.conf'
    if witness.iss is None:
        code, what = "ISS001", "JWT-SVIDs have no iss, so no relying party will ever accept them"
    else:
        code, what = "ISS002", f"JWT-SVIDs have iss {quote(witness.iss)}, so nobody will accept them here"
        line += ", or correct --issuer"
    return (Finding(code=code, severity=Severity.ERROR, where=str(issuer), what=what, remedy=line),)


def _algorithms(settings: PublicationSettings) -> tuple[Finding, ...]:
    if "RS256" in settings.algorithms:
        return ()
    return (
        Finding(
            code="SET001",
            severity=Severity.WARNING,
            where="--signing-algorithms",
            what="RS256 is not listed, and OIDC Discovery requires it",
            remedy="leave RS256 in; listing it does not mean that a key of it exists",
        ),
    )
