"""What `check` works on; it needs no keys, and so nothing that reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from publisher.errors import PublisherError
from publisher.oidc.issuer import Issuer
from publisher.quoting import quote
from publisher.settings.layers import Given, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTarget:
    """Hold the issuer whose public URL is checked."""

    issuer: Issuer
    ca_file: Path | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the settings of one publication for `check`.

        Raises:
            UsageError: a value of the command line is bad or missing.
            SettingsError: one of the environment or the file is.

        """
        return cls(issuer=read_issuer(reader), ca_file=read_ca_file(reader))


def read_issuer(reader: Reader) -> Issuer:
    """Read the issuer.

    Raises:
        UsageError: the one of the command line is no issuer, or there is none.
        SettingsError: the one of the environment or the file is none.

    """
    url = reader.value("issuer")
    try:
        return Issuer.parse(url)
    except PublisherError as error:
        raise given_to(reader, "issuer").refused(f"{error.where} {error.what}", error.remedy) from error


def read_ca_file(reader: Reader) -> Path | None:
    """Read the path of the certificate authorities, if there is one.

    Raises:
        UsageError: the one of the command line is no file.
        SettingsError: the one of the environment or the file is none.

    """
    path: Path | None = reader.value("ca-file")
    if path is not None and not path.is_file():
        raise given_to(reader, "ca-file").refused(
            f"{quote(str(path))} is not a file", "give a file of PEM certificates, or leave it out"
        )
    return path


def given_to(reader: Reader, name: str) -> Given:
    """Find the value of an option that has one."""
    given = reader.given(name)
    assert given is not None
    return given
