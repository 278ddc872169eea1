"""Classification over HTTP: the answers' shape, and a clear refusal of whatever can't be answered."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

FORM = "multipart/form-data; boundary=x"
PREDICTION = {
    "class", "probability", "decision", "group", "groups", "prediction_set", "outlier", "probabilities",
}  # fmt: skip


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether an answer is this problem document, whole."""
    document = answer.json()
    return (
        answer.status_code == document["status"] == status
        and answer.headers["Content-Type"] == "application/problem+json"
        and document.keys() == {"type", "title", "status", "code", "detail", "request_id"}
        and document["request_id"] == answer.headers["X-Request-Id"]
        and document["code"] == code
        and len(document["detail"]) > 5
    )


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def picture(kit: Any) -> bytes:
    return kit.image(0).read_bytes()


@pytest.fixture
def grey(kit: Any) -> Image.Image:
    image = Image.open(kit.image(0)).convert("L")
    image.load()
    return image


def test_one_image_is_answered_as_designed(service: Any, picture: bytes) -> None:
    """The answer for one image has exactly the documented fields, nested as documented."""
    answer = service.classify(picture)
    assert answer.status_code == 200
    assert answer.json().keys() == {"model", "predictions"}
    assert answer.json()["model"] == {"name": "fashion-mnist", "version": "1"}
    (prediction,) = answer.json()["predictions"]
    assert prediction.keys() == PREDICTION
    assert prediction["decision"].keys() == {"level", "classes", "probability"}
    assert prediction["group"].keys() == {"classes", "probability", "within"}
    assert all(group.keys() == {"classes", "probability"} for group in prediction["groups"])
    assert prediction["prediction_set"].keys() == {"coverage", "classes"}
    assert isinstance(prediction["outlier"], bool)
    assert len(prediction["probabilities"]) == 5


def test_the_parts_of_an_answer_agree(service: Any, kit: Any) -> None:
    """Class, group, distribution and set of one answer tell the same story, image by image."""
    images = [kit.image(i).read_bytes() for i in range(20)]
    for prediction in service.classify_many(*images, top_k=10).json()["predictions"]:
        probabilities, group = prediction["probabilities"], prediction["group"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert list(probabilities) == sorted(probabilities, key=probabilities.__getitem__, reverse=True)
        assert prediction["class"] == next(iter(probabilities))
        assert prediction["probability"] == probabilities[prediction["class"]]
        assert prediction["class"] in group["classes"]
        assert prediction["class"] in prediction["prediction_set"]["classes"]
        assert group["probability"] == pytest.approx(sum(probabilities[name] for name in group["classes"]), abs=1e-4)
        assert sum(group["within"].values()) == pytest.approx(1, abs=1e-4)
        assert sum(each["probability"] for each in prediction["groups"]) == pytest.approx(1, abs=1e-4)


def test_many_images_come_back_in_the_order_sent(service: Any, kit: Any) -> None:
    """A batch's answers stand in the order of its images, each as if it had been sent alone."""
    images = [kit.image(i).read_bytes() for i in range(12)]
    together = service.classify_many(*images).json()["predictions"]
    alone = [service.classify(image).json()["predictions"][0] for image in images]
    assert [each["class"] for each in together] == [each["class"] for each in alone]
    assert [each["probability"] for each in together] == pytest.approx([each["probability"] for each in alone])


@pytest.mark.parametrize("level", [0.5, 0.99, 1])
def test_the_level_decides_what_counts_as_sure(service: Any, kit: Any, level: float) -> None:
    """The decision names the class, the group or nothing, by the caller's level and nothing else."""
    images = [kit.image(i).read_bytes() for i in range(20)]
    for prediction in service.classify_many(*images, level=level).json()["predictions"]:
        decision, group = prediction["decision"], prediction["group"]
        if prediction["probability"] >= level:
            assert decision["classes"] == [prediction["class"]]
        elif group["probability"] >= level:
            assert (decision["level"], decision["classes"]) == ("group", group["classes"])
        else:
            assert (decision["level"], decision["classes"]) == ("none", [])
        assert prediction["prediction_set"]["coverage"] >= level


def test_top_k_bounds_the_classes_listed(service: Any, picture: bytes) -> None:
    """``top_k`` gives that many classes, and all of them when it is larger than their number."""
    for top_k, listed in ((1, 1), (3, 3), (10, 10), (1000, 10)):
        (prediction,) = service.classify(picture, top_k=top_k).json()["predictions"]
        assert len(prediction["probabilities"]) == listed


@pytest.mark.parametrize(
    "wrong", [{"top_k": 0}, {"top_k": -1}, {"top_k": "x"}, {"level": 0}, {"level": 1.01}, {"level": "nan"}]
)
def test_an_impossible_parameter_is_refused_by_name(service: Any, picture: bytes, wrong: dict[str, Any]) -> None:
    """A parameter out of its range is refused with a message that names it."""
    answer = service.classify(picture, **wrong)
    assert is_problem(answer, 422, "invalid_request")
    assert next(iter(wrong)) in answer.json()["detail"]


def test_a_model_by_name_and_version_is_the_one_that_answers(service: Any, picture: bytes) -> None:
    """Naming model and version gives the same answer as leaving both to their defaults."""
    named = service.classify(picture, model="fashion-mnist", version="1")
    assert named.json() == service.classify(picture).json()


@pytest.mark.parametrize(
    "missing",
    [{"model": "nope"}, {"model": "fashion-mnist", "version": "99"}, {"model": "../store"}, {"version": "99"}],
)
def test_a_model_that_is_not_there_is_a_404(service: Any, picture: bytes, missing: dict[str, str]) -> None:
    """An unknown model or version is refused with its own code, and the message says what there is."""
    answer = service.classify(picture, **missing)
    assert is_problem(answer, 404, "model_not_found")
    assert "'fashion-mnist'" in answer.json()["detail"]


def test_the_models_are_listed_by_their_manifests(service: Any) -> None:
    """Both model routes give the manifests, and an unknown name is a 404."""
    (listed,) = service.http.get("/v1/models").json()["models"]
    assert listed == service.http.get("/v1/models/fashion-mnist").json()
    assert listed["name"] == "fashion-mnist"
    assert len(listed["versions"][0]["classes"]) == 10
    assert is_problem(service.http.get("/v1/models/nope"), 404, "model_not_found")


def test_health_and_readiness_are_answered(service: Any) -> None:
    """A load balancer learns that the service lives and which models it has loaded."""
    assert service.http.get("/healthz").json() == {"status": "alive"}
    ready = service.http.get("/readyz").json()
    assert ready.pop("audit_worker") in {"idle", "running"}
    assert ready == {"status": "ready", "device": "cpu", "models": {"fashion-mnist": ["1"]}}


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
def test_a_body_of_another_kind_is_refused(service: Any, picture: bytes, kind: str) -> None:
    """A body that does not say it is an image or a form is refused, and the message says what to send."""
    answer = service.http.post("/v1/classify", content=picture, headers={"Content-Type": kind})
    assert is_problem(answer, 422, "body")
    assert "image/png" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"not a form", FORM),
        (b'--x\r\nContent-Disposition: form-data; name="images"\r\n\r\ntext\r\n--x--\r\n', FORM),
        (b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n1\r\n--x--\r\n', FORM),
    ],
)
def test_a_form_without_images_is_refused(service: Any, content: bytes, kind: str) -> None:
    """A form that is malformed, or whose field ``images`` holds no file, is refused as the body's fault."""
    answer = service.http.post("/v1/classify", content=content, headers={"Content-Type": kind})
    assert is_problem(answer, 422, "body")


def test_routes_and_methods_that_are_not_there_are_problems_too(service: Any) -> None:
    """An unknown path and a wrong method come back in the same form as every other error."""
    assert is_problem(service.http.get("/v1/nope"), 404, "not_found")
    assert is_problem(service.http.get("/v1/classify"), 405, "method_not_allowed")


@pytest.fixture(scope="module")
def small(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with small limits."""
    with start_service(tmp_path_factory.mktemp("small"), max_image_bytes=3000, max_images=3) as running:
        yield running


def chunks(size: int, start: bytes = b"") -> Iterator[bytes]:
    """A body that does not say its length."""
    yield start
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_with_and_without_its_length(
    small: Any, picture: bytes, *, announced: bool
) -> None:
    """An image larger than the limit is a 413 whether or not its length is announced, and the service stays well."""
    answer = small.classify(b"x" * 4000 if announced else chunks(4000))
    assert is_problem(answer, 413, "image_too_large")
    assert small.classify(picture).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_form_over_the_limit_is_refused_with_and_without_its_length(
    small: Any, picture: bytes, *, announced: bool
) -> None:
    """A form larger than all its images may be is a 413, and the service stays well."""
    start = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
    body = start + b"x" * 20_000 if announced else chunks(20_000, start)
    answer = small.http.post("/v1/classify", content=body, headers={"Content-Type": FORM})
    assert is_problem(answer, 413, "body_too_large")
    assert small.classify(picture).status_code == 200


def test_too_many_images_are_refused_and_as_many_as_allowed_are_not(small: Any, picture: bytes) -> None:
    """One image more than the limit refuses the request, saying how many may be sent; the limit itself is fine."""
    answer = small.classify_many(*[picture] * 4)
    assert is_problem(answer, 422, "body")
    assert "3" in answer.json()["detail"]
    assert len(small.classify_many(*[picture] * 3).json()["predictions"]) == 3


def test_an_image_over_the_limit_fails_alone_in_a_form(small: Any, picture: bytes) -> None:
    """In a form, an image larger than the limit leaves the others their answers."""
    first, second = small.classify_many(b"x" * 3500, picture).json()["predictions"]
    assert first["error"]["code"] == "image_too_large"
    assert second.keys() == PREDICTION


def header_of(width: int, height: int) -> bytes:
    """A PNG that promises this many pixels and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


BAD = {
    "not an image": (b"this is a text", 415, "not_an_image"),
    "nothing": (b"", 422, "empty_image"),
    "100 megapixels by its header": (header_of(10_000, 10_000), 413, "image_too_large"),
    "another format": (b"%PDF-1.7\n", 415, "unsupported_image"),
}


def bad_image(name: str, picture: bytes) -> tuple[bytes, int, str]:
    if name == "truncated":
        return picture[: len(picture) // 2], 422, "truncated_image"
    return BAD[name]


@pytest.mark.parametrize("name", [*BAD, "truncated"])
def test_a_bad_image_as_the_body_is_the_requests_error(service: Any, picture: bytes, name: str) -> None:
    """Each kind of bad image has its own status and code, and the next image is answered as ever."""
    image, status, code = bad_image(name, picture)
    assert is_problem(service.classify(image), status, code)
    assert service.classify(picture).status_code == 200


@pytest.mark.parametrize("name", [*BAD, "truncated"])
def test_a_bad_image_in_a_form_fails_alone_in_its_slot(service: Any, picture: bytes, name: str) -> None:
    """In a form, a bad image has an error in its own slot and the images around it have their answers."""
    image, _, code = bad_image(name, picture)
    answer = service.classify_many(picture, image, picture)
    assert answer.status_code == 200
    before, failed, after = answer.json()["predictions"]
    assert failed.keys() == {"error"}
    assert failed["error"].keys() == {"code", "detail"}
    assert failed["error"]["code"] == code
    assert before == after
    assert before.keys() == PREDICTION


def test_a_form_of_bad_images_only_is_still_answered(service: Any) -> None:
    """Even when no image of a form can be read each slot says why."""
    answer = service.classify_many(b"", b"text")
    assert [each["error"]["code"] for each in answer.json()["predictions"]] == ["empty_image", "not_an_image"]


def odd_images(grey: Image.Image) -> dict[str, bytes]:
    sixteen = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    palette = grey.convert("P")
    palette.info["transparency"] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = grey.transpose(Image.Transpose.ROTATE_90)
    return {
        "16-bit grey": encoded(sixteen),
        "CMYK": encoded(grey.convert("RGB").convert("CMYK"), "JPEG", quality=95),
        "palette with transparency": encoded(palette, transparency=0),
        "animated": encoded(grey.convert("P"), "GIF", save_all=True, append_images=[Image.new("P", grey.size)]),
        "turned by EXIF": encoded(turned, exif=exif),
    }


@pytest.mark.parametrize("kind", ["16-bit grey", "CMYK", "palette with transparency", "animated", "turned by EXIF"])
def test_an_odd_but_honest_image_is_answered(service: Any, grey: Image.Image, kind: str) -> None:
    """Unusual files that any viewer shows are classified, and the service stays well."""
    answer = service.classify(odd_images(grey)[kind])
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0].keys() == PREDICTION
    assert service.classify(encoded(grey)).status_code == 200


@pytest.mark.parametrize("kind", ["16-bit grey", "animated", "turned by EXIF"])
def test_the_same_picture_in_another_form_has_the_same_answer(service: Any, grey: Image.Image, kind: str) -> None:
    """Bit depth, a first frame and an EXIF turn are undone without loss: the answer is that of the plain picture."""
    plain = service.classify(encoded(grey)).json()
    assert service.classify(odd_images(grey)[kind]).json() == plain


def test_errors_are_documents_that_programs_can_read(service: Any) -> None:
    """A problem document is JSON of its own media type with a stable code beside the text for people."""
    answer = service.classify(b"text")
    assert json.loads(answer.content)["title"] == "Unsupported Media Type"
    assert is_problem(answer, 415, "not_an_image")
