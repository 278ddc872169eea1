"""The protocol's messages: what of a request is checked by its form alone, and what OpenAPI says of both."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_MOST = 64
"""Of inputs, outputs, dimensions and parameters: more than any request needs, and few enough to look at."""

Parameters = Annotated[dict[str, str | bool | int | float], Field(max_length=_MOST)]


class _Request(BaseModel):
    """Unknown fields are passed over, as Triton does."""

    model_config = ConfigDict(frozen=True, strict=True)


class InferInput(_Request):
    """An input tensor; without ``data`` it lies behind the JSON, ``binary_data_size`` bytes of it."""

    name: str
    shape: list[int] = Field(max_length=_MOST)
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = Field(default=None, description="Nested as the shape says, or flat in row-major order.")


class RequestedOutput(_Request):
    """An output that the client wants, and how: parameters ``binary_data`` and ``classification``."""

    name: str
    parameters: Parameters = {}


class InferRequest(_Request):
    """What a client asks; the parameter ``binary_data_output`` is the default of the outputs' ``binary_data``."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: list[InferInput] = Field(min_length=1, max_length=_MOST)
    outputs: list[RequestedOutput] | None = Field(default=None, max_length=_MOST, description="Default: all.")


class OutputTensor(BaseModel):
    """An output tensor; without ``data`` it lies behind the JSON, ``binary_data_size`` bytes of it."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = None


class InferResponse(BaseModel):
    """The outputs in the order in which they were asked for."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: Parameters = {}
    outputs: list[OutputTensor]


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives; -1 is the number of images."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives. Of its inputs a request has one."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(BaseModel):
    """A model that answers."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """What this is."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """The process runs."""

    live: bool


class ServerReady(BaseModel):
    """Requests are taken."""

    ready: bool


class IndexRequest(_Request):
    """Which versions to list."""

    ready: bool = Field(default=False, description="Only those that are served.")


class ModelIndex(BaseModel):
    """A version in the repository: ``READY``, or ``UNAVAILABLE`` and why."""

    name: str
    version: str
    state: str
    reason: str


class ChangeRequest(_Request):
    """How to load or unload a model."""

    parameters: Parameters = {}


def inlined(message: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a message, with the parts that it refers to put in their places."""
    schema = message.model_json_schema()
    parts = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return inline(parts[node["$ref"].rpartition("/")[2]])
            return {key: inline(value) for key, value in node.items()}
        return [inline(each) for each in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = inline(schema)
    return inlined
