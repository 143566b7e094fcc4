"""What `explain` works on: delays, no publication."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from publisher.publication.timing import Timing
from publisher.settings.addresses import SourceAddress
from publisher.settings.check_target import given_to
from publisher.settings.layers import Reader
from publisher.settings.timing import read_timing
from publisher.settings.values import BadValueError


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainTarget:
    """Hold the delays between SPIRE and relying parties, and where the picture goes (None: nowhere)."""

    timing: Timing
    jwks_max_age: timedelta
    picture: Path | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the settings of one publication for `explain`; of the source only its kind matters.

        Raises:
            UsageError: a value of the command line is bad.
            SettingsError: one of the environment or the file is.

        """
        try:
            kind = SourceAddress.parse(reader.value("source"), {}).kind
        except BadValueError as error:
            raise given_to(reader, "source").refused(error.what, error.remedy) from error
        return cls(
            timing=read_timing(reader, kind),
            jwks_max_age=timedelta(seconds=reader.value("jwks-max-age")),
            picture=reader.value("picture"),
        )
