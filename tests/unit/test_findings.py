from publisher.findings import Finding, Severity


def test_severities_are_ranked_from_info_to_error() -> None:
    assert sorted(Severity, key=lambda one: one.rank, reverse=True) == ["error", "warning", "info"]
    assert Severity("warning").rank > Severity.INFO.rank


def test_a_finding_reads_as_one_line() -> None:
    finding = Finding(
        code="BUN001", severity=Severity.INFO, where="keys[0]", what="was ignored", remedy="do nothing"
    )
    assert str(finding) == "BUN001 info: keys[0]: was ignored; do nothing"
