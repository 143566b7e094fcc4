from tests.emulator.fixtures import bucket, emulator, fault_proxy

__all__ = ["bucket", "emulator", "fault_proxy"]
