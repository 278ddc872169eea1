"""The model card: what a person should know before using a model."""

from collections.abc import Callable

from models.manifest import Manifest, Provenance

_FIGURES = {
    "accuracy": "accuracy",
    "group_accuracy": "accuracy at the level of groups",
    "ece": "expected calibration error, class",
    "group_ece": "expected calibration error, group",
    "nll": "negative log-likelihood",
}


def model_card(manifest: Manifest) -> str:
    """Markdown for the README.md of a model that was trained here."""
    made = manifest.provenance
    assert made is not None
    trusted = f"{made.trusted_samples:,} of them trusted" if made.trusted_samples else "none of them trusted"
    loss = f"{made.loss}{', clamped at zero' if made.clamp else ''}, relaxation {made.relaxation}"
    unlike = "; an image unlike its training data is marked `outlier`, not recognised" if manifest.calibration else ""
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

{_figures(manifest, made)}
{_quantization(manifest)}## Limits

It knows the classes above and nothing else{unlike}.
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


def _figures(manifest: Manifest, made: Provenance) -> str:
    parts = {
        part: name
        for part, name in (("", "test"), ("validation_", "validation"))
        if f"{part}accuracy" in manifest.metrics
    }
    if not parts:
        return """## Figures

None: no samples with clean labels were held out. Its probabilities are the softmax of its logits, and nobody has \
checked them.
"""
    used = []
    if "" in parts:
        used.append(f"The {made.data_set} test split was used for these figures alone.")
    if manifest.calibration is not None:
        used.append(
            f"Temperature, conformal quantiles and confusion counts\ncome from {manifest.calibration.source}; they "
            "took no part in training."
        )
    weights = "the last epoch; none was picked"
    if made.recipe.get("early_stop"):
        weights = "the epoch with the lowest loss on a slice of the training labels that was left out for that"
    return f"""## Figures

{" ".join(used)} The weights are those of {weights}.

| | {" | ".join(parts.values())} |
|{" --- |" * (1 + len(parts))}
{_rows(lambda figure: " | ".join(f"{manifest.metrics[part + figure]:.4f}" for part in parts))}
"""


def _quantization(manifest: Manifest) -> str:
    """What became of the figures when the graph was quantised; nothing for one that was not."""
    made, metrics = manifest.quantization, manifest.metrics
    if made is None:
        return ""
    before = made.float_metrics
    parts = [part for part in ("", "validation_") if f"{part}accuracy" in metrics]
    form = made.scheme.split(",")[0]
    header = " | ".join(f"{part.removesuffix('_') or 'test'}, {kind}" for part in parts for kind in (form, "float32"))

    def cells(figure: str) -> str:
        return " | ".join(f"{each[part + figure]:.4f}" for part in parts for each in (metrics, before))

    how = f"It computes in {made.scheme} from its first convolution on."
    if made.source is not None:
        how = f"Its convolutions compute in integers ({made.scheme}); ranges of activations come from {made.source}."
    table = f"| | {header} |\n|{' --- |' * (1 + 2 * len(parts))}\n{_rows(cells)}\n" if parts else ""
    return f"""## Quantisation

{how} It was made from {made.made_from or "a training run"}, whose graph in float32 has the sha256 \
`{made.float_sha256}`, and calibrated anew on its own outputs.

{table}
"""


def _rows(cells: Callable[[str], str]) -> str:
    return "\n".join(f"| {name} | {cells(figure)} |" for figure, name in _FIGURES.items())
