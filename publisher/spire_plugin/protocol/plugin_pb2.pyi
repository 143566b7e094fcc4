from publisher.sources.protocol import server_pb2 as _server_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HealthCheckRequest(_message.Message):
    __slots__ = ("service",)
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service: str
    def __init__(self, service: _Optional[str] = ...) -> None: ...

class HealthCheckResponse(_message.Message):
    __slots__ = ("status",)
    class ServingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[HealthCheckResponse.ServingStatus]
        SERVING: _ClassVar[HealthCheckResponse.ServingStatus]
    UNKNOWN: HealthCheckResponse.ServingStatus
    SERVING: HealthCheckResponse.ServingStatus
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: HealthCheckResponse.ServingStatus
    def __init__(self, status: _Optional[_Union[HealthCheckResponse.ServingStatus, str]] = ...) -> None: ...

class InitResponse(_message.Message):
    __slots__ = ("plugin_service_names",)
    PLUGIN_SERVICE_NAMES_FIELD_NUMBER: _ClassVar[int]
    plugin_service_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, plugin_service_names: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfigureRequest(_message.Message):
    __slots__ = ("core_configuration", "hcl_configuration")
    CORE_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    HCL_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    core_configuration: CoreConfiguration
    hcl_configuration: str
    def __init__(self, core_configuration: _Optional[_Union[CoreConfiguration, _Mapping]] = ..., hcl_configuration: _Optional[str] = ...) -> None: ...

class CoreConfiguration(_message.Message):
    __slots__ = ("trust_domain",)
    TRUST_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    trust_domain: str
    def __init__(self, trust_domain: _Optional[str] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("valid", "notes")
    VALID_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, valid: _Optional[bool] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class PublishBundleRequest(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: _server_pb2.Bundle
    def __init__(self, bundle: _Optional[_Union[_server_pb2.Bundle, _Mapping]] = ...) -> None: ...
