"""The model card: what a person should know before using a model."""

from models.manifest import Manifest


def model_card(manifest: Manifest) -> str:
    """Markdown for the README.md of a model that was trained here."""
    made, metrics, calibration = manifest.provenance, manifest.metrics, manifest.calibration
    assert made is not None
    assert calibration is not None
    groups = dict.fromkeys(group for group in manifest.groups if len(group) > 1)
    trusted = f"{made.trusted_samples:,} of them trusted" if made.trusted_samples else "none of them trusted"
    loss = f"{made.loss}{', clamped at zero' if made.clamp else ''}, relaxation {made.relaxation}"
    return f"""# {manifest.name} {manifest.version}

A classifier of {manifest.input.height} x {manifest.input.width} pixel images into {len(manifest.classes)} classes: \
{", ".join(manifest.classes)}.

## Similarity groups

{chr(10).join(f"- {', '.join(group)}" for group in groups) or "None: every class stands alone."}

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
| accuracy | {metrics["accuracy"]:.4f} | {metrics["validation_accuracy"]:.4f} |
| accuracy at the level of groups | {metrics["group_accuracy"]:.4f} | {metrics["validation_group_accuracy"]:.4f} |
| expected calibration error, class | {metrics["ece"]:.4f} | {metrics["validation_ece"]:.4f} |
| expected calibration error, group | {metrics["group_ece"]:.4f} | {metrics["validation_group_ece"]:.4f} |
| negative log-likelihood | {metrics["nll"]:.4f} | {metrics["validation_nll"]:.4f} |

## Limits

It knows the classes above and nothing else; an image unlike its training data is marked `outlier`, not recognised.
An audit of labels of images that it was trained on is no evidence: `training_pixels.bin` lets an audit notice them.
"""
