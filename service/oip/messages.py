"""The protocol's messages: what of a request is checked by its form alone, and what OpenAPI says of both."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_MOST = 64
"""Of inputs, outputs, dimensions and parameters: more than any request needs, and few enough to look at."""

Parameters = Annotated[dict[str, str | bool | int | float], Field(max_length=_MOST)]
InputName = Literal["images", "image"]
OutputName = Literal["logits", "probabilities", "group_probabilities", "embedding"]


class _Request(BaseModel):
    """Unknown fields are passed over, as Triton does."""

    model_config = ConfigDict(frozen=True, strict=True)


class InferInput(_Request):
    """An input tensor; without ``data`` it lies behind the JSON, ``binary_data_size`` bytes of it."""

    name: InputName
    shape: list[int] = Field(max_length=_MOST, json_schema_extra={"items": {"type": "integer", "minimum": 1}})
    datatype: Literal["UINT8", "BYTES"]
    parameters: Parameters = {}
    data: list[Any] | None = Field(default=None, description="Nested as the shape says, or flat in row-major order.")


class RequestedOutput(_Request):
    """An output that the client wants, and how: parameters ``binary_data`` and ``classification``."""

    name: OutputName
    parameters: Parameters = {}


class InferRequest(_Request):
    """What a client asks; the parameter ``binary_data_output`` is the default of the outputs' ``binary_data``."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: list[InferInput] = Field(max_length=_MOST, json_schema_extra={"minItems": 1, "maxItems": 1})
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


class LoadRequest(_Request):
    """How to load a model: as it was published."""

    parameters: Parameters = Field(default={}, json_schema_extra={"maxProperties": 0})


class UnloadRequest(_Request):
    """How to unload a model; ``unload_dependents`` means nothing here, since no model depends on another."""

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
