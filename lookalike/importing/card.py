"""The model card of an imported model."""

from models.manifest import Imported, Manifest


def imported_card(manifest: Manifest) -> str:
    """Markdown for the artifact's README.md."""
    origin = manifest.imported
    assert origin is not None
    spec = manifest.input
    return f"""# {manifest.name} {manifest.version}

{_what_it_is(manifest)}

## Origin

Imported, not trained here: nothing is known of its training data beyond what its makers say.

| | |
| --- | --- |
| file | {_cell(origin.file)}, sha256 `{origin.sha256}` |
| made by | {_cell(origin.producer) or "unknown"}, opset {origin.opset} |
| pictures | the shorter side scaled to {spec.resize}, the centre of {spec.height} x {spec.width} cropped, \
{"grey" if spec.channels == 1 else "RGB"} |
| normalisation | {_normalisation(origin)} |
| logits | {f"tensor `{_cell(origin.logits)}`" if origin.logits else "none"} |
| embedding | tensor `{_cell(origin.embedding)}`, {manifest.embedding_size} numbers |

The served graph was compared with the original in ONNX Runtime, on made-up and on given pictures.

{_trust(manifest)}"""


def _what_it_is(manifest: Manifest) -> str:
    size = f"{manifest.input.height} x {manifest.input.width} pixel images"
    if manifest.is_encoder:
        return (
            f"An encoder: it turns {size} into {manifest.embedding_size} numbers and knows no classes. Audits use it "
            "for classes that no model knows."
        )
    groups = dict.fromkeys(group for group in manifest.groups if len(group) > 1)
    lines = "\n".join(f"- {', '.join(group)}" for group in groups) or "None: every class stands alone."
    return f"""A classifier of {size} into {len(manifest.classes)} classes: {", ".join(manifest.classes)}.

## Similarity groups

{lines}"""


def _trust(manifest: Manifest) -> str:
    if manifest.is_encoder:
        return ""
    if manifest.calibration is None:
        return """## Limits

It is not calibrated: its probabilities are the softmax of its logits, there are no prediction sets, and it can't tell \
an image that is unlike its training data. Import it again with `--calibrate`.
"""
    metrics = manifest.metrics
    return f"""## Figures

Temperature, conformal quantiles, confusion counts and embedding statistics were fitted on \
{manifest.calibration.source}, and these figures are of the same images.

| | |
| --- | --- |
| accuracy | {metrics["validation_accuracy"]:.4f} |
| accuracy at the level of groups | {metrics["validation_group_accuracy"]:.4f} |
| expected calibration error, class | {metrics["validation_ece"]:.4f} |
| expected calibration error, group | {metrics["validation_group_ece"]:.4f} |
| negative log-likelihood | {metrics["validation_nll"]:.4f} |

## Limits

It knows the classes above and nothing else. Which images it was trained on is not known: an audit of those by itself is
no evidence, and nothing will say so.
"""


def _normalisation(origin: Imported) -> str:
    if not origin.mean:
        return "its own, from bytes"
    shown = (", ".join(f"{value:g}" for value in values) for values in (origin.mean, origin.std))
    return "values in 0..1, minus {}, divided by {}".format(*shown)


def _cell(text: str) -> str:
    """What came from outside must not end the table."""
    return text.replace("|", "\\|").replace("`", "'")
