import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from publisher.serving.exposition import (
    Family,
    Samples,
    label,
    openmetrics,
    plain_number,
    prometheus_text,
    read_samples,
)


def family(kind: str, *samples: tuple[dict[str, str], int | float], name: str = "some") -> Family:
    listed: Samples = list(samples)
    return Family(name=name, kind=kind, text="Some text.", samples=listed, unit="")


def test_the_older_format_has_neither_units_nor_the_types_of_the_newer_nor_an_end() -> None:
    families = [
        family("info", ({"a": "b"}, 1)),
        family("counter", ({}, 2), name="tries"),
        family("gauge", name="empty"),
    ]
    assert prometheus_text(families).decode() == (
        "# HELP some_info Some text.\n"
        "# TYPE some_info gauge\n"
        'some_info{a="b"} 1\n'
        "# HELP tries_total Some text.\n"
        "# TYPE tries_total counter\n"
        "tries_total 2\n"
    )
    assert openmetrics(families).decode() == (
        "# TYPE some info\n"
        "# HELP some Some text.\n"
        'some_info{a="b"} 1\n'
        "# TYPE tries counter\n"
        "# HELP tries Some text.\n"
        "tries_total 2\n"
        "# TYPE empty gauge\n"
        "# HELP empty Some text.\n"
        "# EOF\n"
    )


@given(
    st.lists(
        st.tuples(st.text(max_size=300), st.integers(-(2**63), 2**63) | st.floats(-1e12, 1e12)), max_size=4
    )
)
def test_what_is_written_is_read_back_by_us_and_by_prometheus(told: list[tuple[str, int | float]]) -> None:
    samples: Samples = [
        ({"n": str(number), "text": label(text)}, value if isinstance(value, int) else plain_number(value))
        for number, (text, value) in enumerate(told)
    ]
    text = prometheus_text([family("gauge", *[(dict(labels), value) for labels, value in samples])])
    assert read_samples(text).get("some", []) == samples
    parsed = [
        (sample.labels, float(sample.value))
        for one in text_string_to_metric_families(text.decode())
        for sample in one.samples
    ]
    assert parsed == [(labels, float(value)) for labels, value in samples]


@given(st.binary(max_size=200))
def test_garbage_is_passed_over(garbage: bytes) -> None:
    read = read_samples(b"ok 1\n" + garbage + b"\nfine 2\n")
    assert read["ok"][0] == ({}, 1)
    assert read["fine"][-1] == ({}, 2)
    assert all(math.isfinite(value) for samples in read.values() for _, value in samples)


def test_what_nobody_of_us_wrote_is_passed_over() -> None:
    lines = [
        "a nan", "a 1e999", "a 1 1700000000", "a{b=c} 1", "a ", "a 1-2", 'a{b="\x1b"} 1', 'a{b="é"} 1',
        'a{b="' + "x" * 300 + '"} 1', "# HELP a 1", "A 1", 'a{b="c" 1', 'a{b="\\x"} 1', "a " + "1" * 40,
    ]  # fmt: skip
    assert read_samples("\n".join(lines).encode()) == {}


def test_a_file_of_endless_lines_costs_little() -> None:
    assert read_samples(b"a 1\na 2\na 3\n", most=2) == {"a": [({}, 1), ({}, 2)]}
