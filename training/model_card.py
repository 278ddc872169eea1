"""The model card: what a person should know before using a model."""

from collections.abc import Callable

from models.manifest import Manifest

_FIGURES = {
    "accuracy": "accuracy",
    "group_accuracy": "accuracy at the level of groups",
    "ece": "expected calibration error, class",
    "group_ece": "expected calibration error, group",
    "nll": "negative log-likelihood",
}


def model_card(manifest: Manifest) -> str:
    """Markdown for the README.md of a model that was trained here."""
    made, metrics, calibration = manifest.provenance, manifest.metrics, manifest.calibration
    assert made is not None
    assert calibration is not None
    trusted = f"{made.trusted_samples:,} of them trusted" if made.trusted_samples else "none of them trusted"
    loss = f"{made.loss}{', clamped at zero' if made.clamp else ''}, relaxation {made.relaxation}"
    return f"""{_what_it_is(manifest)}
## Training

| | |
| --- | --- |
| data | {made.data_set}, {made.training_samples:,} images of the training split, {trusted} |
| noise in the given labels | {made.noise} (protocol `{made.protocol}`) |
| loss | {loss} |
| seed | {made.seed} |
| commit | {made.commit} |

`manifest.json` has the whole recipe, the confidence labels and the library versions.

## Figures

The {made.data_set} test split was used for these figures alone. Temperature, conformal quantiles and confusion counts
come from {calibration.source}; they took no part in training. The weights are those of the last epoch; none was picked.

| | test | validation |
| --- | --- | --- |
{_rows(lambda figure: f"{metrics[figure]:.4f} | {metrics[f'validation_{figure}']:.4f}")}

{_quantization(manifest)}## Limits

It knows the classes above and nothing else; an image unlike its training data is marked `outlier`, not recognised.
An audit of labels of images that it was trained on is no evidence: `training_pixels.bin` lets an audit notice them.
"""


def quantized_card(manifest: Manifest) -> str:
    """Markdown for the README.md of a model that is the int8 form of a published one."""
    assert manifest.quantization is not None
    assert manifest.calibration is not None
    origin = manifest.quantization.made_from
    return f"""{_what_it_is(manifest)}
{_quantization(manifest)}Validation: {manifest.calibration.source}. Temperature, conformal quantiles, confusion counts \
and embedding statistics come from it.

## Limits

Those of {origin}, whose card says how it came to be; `manifest.json` has that, too.
"""


def _what_it_is(manifest: Manifest) -> str:
    groups = dict.fromkeys(group for group in manifest.groups if len(group) > 1)
    return f"""# {manifest.name} {manifest.version}

A classifier of {manifest.input.height} x {manifest.input.width} pixel images into {len(manifest.classes)} classes: \
{", ".join(manifest.classes)}.

## Similarity groups

{chr(10).join(f"- {', '.join(group)}" for group in groups) or "None: every class stands alone."}
"""


def _quantization(manifest: Manifest) -> str:
    """What became of the figures when the graph was quantised; nothing for one that was not."""
    made, metrics = manifest.quantization, manifest.metrics
    if made is None:
        return ""
    before = made.float_metrics
    parts = [part for part in ("", "validation_") if f"{part}accuracy" in metrics]
    header = " | ".join(f"{part.removesuffix('_') or 'test'}, {kind}" for part in parts for kind in ("int8", "float32"))

    def cells(figure: str) -> str:
        return " | ".join(f"{each[part + figure]:.4f}" for part in parts for each in (metrics, before))

    return f"""## Quantisation

Its convolutions compute in integers ({made.scheme}); the ranges of activations were measured on {made.source}. \
It was made from {made.made_from or "a training run"}, whose graph in float32 has the sha256 `{made.float_sha256}`, \
and calibrated anew on its own outputs.

| | {header} |
|{" --- |" * (1 + 2 * len(parts))}
{_rows(cells)}

"""


def _rows(cells: Callable[[str], str]) -> str:
    return "\n".join(f"| {name} | {cells(figure)} |" for figure, name in _FIGURES.items())
