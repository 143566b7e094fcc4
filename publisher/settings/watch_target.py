"""What `watch` asks of a publication beyond what `publish` does."""

from publisher.settings.check_target import given_to
from publisher.settings.layers import Reader
from publisher.settings.targets import PublishTarget


def read_watch_target(reader: Reader) -> PublishTarget:
    """Read the settings of one publication for `watch`; overrides are none of it.

    Raises:
        UsageError: a value of the command line is bad or missing, or at odds with another one.
        SettingsError: one of the environment or the file is.

    """
    target = PublishTarget.read(reader)
    if target.source.is_standard_input:
        raise given_to(reader, "source").refused(
            "standard input can be read once only, and watch reads again and again",
            "name a file, or run publish",
        )
    confirm_every, due_after = reader.value("confirm-every"), target.documents.due_after.total_seconds()
    if confirm_every >= due_after:
        raise reader.refused(
            reader.closest("confirm-every", "due-after"),
            f"--confirm-every ({confirm_every} s) is not below --due-after ({due_after:g} s)",
            "confirm several times before a publication is due",
        )
    return target
