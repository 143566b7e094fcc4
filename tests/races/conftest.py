from tests.cli.conftest import own_logs

__all__ = ["own_logs"]
