"""The line between the two processes, whichever of them is slow."""

import os

from publisher.spire_plugin.lifeline import Line


def test_what_a_pipe_does_not_take_is_sent_later() -> None:
    (incoming, our_out), (our_in, outgoing) = os.pipe(), os.pipe()
    os.set_blocking(our_out, False)
    ours, theirs = Line(our_in, our_out), Line(incoming, outgoing)
    text = b"x" * 1_000_000
    ours.send("configure", text)
    assert ours.unsent, "and it did not wait"
    messages: list[tuple[str, bytes]] | None = []
    while messages == []:
        messages = theirs.receive()
        ours.flush()
    assert messages == [("configure", text)]
    assert not ours.unsent
    theirs.close()
    ours.send("configure", text)
    assert not ours.unsent, "nobody is there to take it"
    ours.close()
