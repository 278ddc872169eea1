"""Settings, from environment variables ``LOOKALIKE_*``; ``docs/settings.md`` lists them."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import LookalikeError
from models.images import DEFAULT_MAX_PIXELS
from models.repository import SHIPPED
from service.cores import allowed_cores
from service.inference.gpu_options import CudnnSearch, Device, GpuOptions

_PREFIX = "LOOKALIKE_"
_CLIENTS = {"LOOKALIKE_API_KEY"}
"""What the command reads that asks a service; it may be set where one is started."""


class SettingsError(LookalikeError):
    """An environment variable is unknown or has an impossible value."""


class Settings(BaseSettings):
    """What an operator can decide. The docstring of each field is its documentation."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    models_dir: Path = SHIPPED
    """Model repository."""
    models_poll_seconds: float = Field(default=10, ge=0)
    """How often to look for new and removed versions in the repository; 0: never."""
    data_dir: Path = Path("data")
    """Folder for audits; created where it is missing. Servers and workers of one database share it."""
    device: Device = "auto"
    """`cuda` and `tensorrt` refuse to start without it; `auto` takes `cuda` where ONNX Runtime finds it, else `cpu`."""
    tf32: bool = False
    """Whether a GPU may round products of float32 to 10 bits of mantissa."""
    cudnn_search: CudnnSearch = "heuristic"
    """By which of its modes cuDNN chooses a convolution's algorithm."""
    cuda_graphs: bool = False
    """Whether a GPU is given a batch's kernels in one launch."""
    tensorrt_cache: Path | None = None
    """Folder for TensorRT's engines; default: `tensorrt` in the data folder."""
    inference_threads: int = Field(default=0, ge=0, le=256)
    """Threads that decode, and that run a model on the CPU; 0: one for each core that the process may use."""
    max_batch: int = Field(default=32, ge=1, le=1024)
    """Most images in one run of a model."""
    batch_milliseconds: int = Field(default=50, ge=1)
    """How long one run of a model may take: batches are kept as small as that needs, by how long past ones took."""
    max_queue: int = Field(default=256, ge=1)
    """Most images of a model being decoded, waiting or running at a time; more are answered with 503."""
    deadline_seconds: float = Field(default=10, gt=0)
    """How long a classification may take once it has come whole; then it is dropped and answered with 503."""
    hold_seconds: float = Field(default=1, ge=0)
    """How long a 503 is kept back: clients that try again at once must not eat up what others' answers need."""
    max_held: int = Field(default=1000, ge=0)
    """Most 503s kept back at a time; further ones are answered at once."""
    max_connections: int = Field(default=4000, ge=1)
    """Most connections at a time; requests on further ones, but for probes, are answered with 503 unread."""
    max_image_bytes: int = Field(default=20_000_000, ge=1)
    """Largest encoded image."""
    max_image_pixels: int = Field(default=DEFAULT_MAX_PIXELS, ge=1)
    """Largest image by its header, and largest tile of a TIFF, in pixels."""
    max_images: int = Field(default=64, ge=1)
    """Most images in one classify request."""
    max_infer_bytes: int = Field(default=64_000_000, ge=1)
    """Largest request of the Open Inference Protocol, tensors included."""
    max_json_bytes: int = Field(default=16_000_000, ge=1)
    """Largest body of a request that takes neither images nor files, such as many decisions of a reviewer."""
    max_buffered_bytes: int = Field(default=512_000_000, ge=1)
    """Most bytes of request bodies in memory, all requests together; more are answered with 503."""
    head_seconds: float = Field(default=10, gt=0)
    """The head of a request must come within so many seconds of its connection, or of its first bytes; else the
    connection is closed."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """A connection that has been answered may say nothing for so long; longer than load balancers keep theirs."""
    body_seconds: float = Field(default=30, gt=0)
    """A body must bring 64 kB, or its end, in every so many seconds that the service waits for it; else 408. A client
    must take as much of its answer, or it is cut off."""
    datasets_dir: Path | None = None
    """Folder of folders of images; an audit may name one as `dataset`. Servers and workers see it at the same place."""
    max_upload_bytes: int = Field(default=2_000_000_000, ge=1)
    """Largest audit upload, label file and images together."""
    database_url: str | None = None
    """Database of the audits: `postgresql://...`; default: the file `lookalike.db` in the data folder."""
    worker: Literal["local", "off"] = "local"
    """`local`: a worker process beside the server carries out its audits; `off`: `lookalike worker` does, elsewhere."""
    chunk_rows: int = Field(default=2000, ge=1, le=1_000_000)
    """Images of an audit in one piece of work: after a crash, work goes on at the piece it was in. Probability columns
    need no images: at ten classes 100,000 rows are a piece."""
    max_audits: int = Field(default=100, ge=1)
    """Most audits that may wait or run at a time; more are answered with 429."""
    max_kept_bytes: int = Field(default=0, ge=0)
    """Most bytes of uploads to keep, all audits together; more are answered with 429; 0: no limit."""
    max_audits_per_key: int = Field(default=0, ge=0)
    """Most audits of one key that may come in, wait or run at a time; more are answered with 429; 0: no limit."""
    max_kept_bytes_per_key: int = Field(default=0, ge=0)
    """Most bytes of uploads to keep of one key; more are answered with 429; 0: no limit."""
    audit_days: int = Field(default=0, ge=0)
    """Audits that ended so many days ago are removed; 0: none is."""
    keys_file: Path | None = None
    """File of the API keys' hashes (`lookalike keys`); where it is set every request needs a key."""
    allow_anonymous: bool = False
    """Serve without keys where other machines can reach the service, and by whatever name they call it."""
    rate_per_second: float = Field(default=0, ge=0)
    """Requests a second of one key, or without keys of one client address; more are answered with 429; 0: no limit."""
    rate_burst: int = Field(default=20, ge=1)
    """Most requests at once after a pause, where there is a rate."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What to log, from this level on."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """`json`: an object a line; `text`: for people; `auto`: text where stderr is a terminal."""
    access_log: Literal["off", "errors", "all"] = "errors"
    """Which requests to log: `errors` are those answered with 400 and above, or slower than a second."""

    drain_seconds: float = Field(default=1, ge=0)
    """How long to go on serving once the server is told to stop, while `/readyz` tells load balancers to look
    elsewhere. With 0, requests that were sent but not yet read are cut off."""
    shutdown_seconds: int = Field(default=20, ge=0)
    """How long requests under way may then take to finish."""

    @property
    def cpu_threads(self) -> int:
        """Threads for work on the CPU."""
        return self.inference_threads or allowed_cores()

    @property
    def gpu(self) -> GpuOptions:
        """How models run on a GPU."""
        return GpuOptions(
            max_batch=self.max_batch,
            tf32=self.tf32,
            cudnn_search=self.cudnn_search,
            cuda_graphs=self.cuda_graphs,
            tensorrt_cache=self.tensorrt_cache or self.data_dir / "tensorrt",
        )

    @model_validator(mode="after")
    def _a_request_fits_the_queue(self) -> Self:
        if self.max_images > self.max_queue:
            raise ValueError(f"max_images={self.max_images} is more than max_queue={self.max_queue} has room for")
        return self

    @model_validator(mode="after")
    def _cuda_graphs_need_cuda(self) -> Self:
        if self.cuda_graphs and self.device == "tensorrt":
            raise ValueError("cuda_graphs=true is for device=cuda: TensorRT launches its engines in its own way")
        return self

    @model_validator(mode="after")
    def _a_body_fits_the_buffers(self) -> Self:
        room = self.max_buffered_bytes
        for name in ("max_image_bytes", "max_infer_bytes"):
            if getattr(self, name) > room:
                raise ValueError(f"{name}={getattr(self, name)} is more than max_buffered_bytes={room} has room for")
        return self

    @model_validator(mode="after")
    def _keys_mean_that_nobody_is_anonymous(self) -> Self:
        if self.keys_file is not None and self.allow_anonymous:
            raise ValueError("keys_file and allow_anonymous contradict each other: unset one of them")
        return self

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; raises ``SettingsError`` for an unknown variable or an impossible value."""
        known = {f"{_PREFIX}{name.upper()}" for name in cls.model_fields}
        ours = {name for name in os.environ if name.upper().startswith(_PREFIX)}
        unknown = sorted(name for name in ours if name.upper() not in known | _CLIENTS)
        if unknown:
            raise SettingsError(f"unknown setting {unknown[0]}; the settings are {', '.join(sorted(known))}")
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:
                raise SettingsError(first["msg"]) from error
            name = _PREFIX + str(first["loc"][0]).upper()
            raise SettingsError(f"{name}={first['input']!s}: {first['msg']}") from error
