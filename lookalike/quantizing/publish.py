"""Publish the int8 form of a published classifier as a model of its own."""

import shutil

from lookalike.quantizing.evidence import Evidence
from models.manifest import CARD, EMBEDDING_STATISTICS, GRAPH, MANIFEST, TRAINING_PIXELS, Manifest
from models.repository import ModelArtifact, ModelRepository, sha256_of, verify
from training.model_card import quantized_card
from training.quantization import QuantizationError, to_int8


def quantize_version(
    artifact: ModelArtifact, evidence: Evidence, repository: ModelRepository, name: str
) -> ModelArtifact:
    """Publish as the next version of ``name``; raises ``QuantizationError`` where the int8 form is not good enough.

    Classes, groups and what is known of the training stay; calibration, statistics and figures are its own.
    """
    origin = artifact.manifest
    if origin.calibration is None:
        raise QuantizationError(f"{artifact} is not calibrated, so nothing can be lost or kept: calibrate it first")
    if origin.quantization is not None:
        raise QuantizationError(f"{artifact} is quantised already")
    verify(artifact)
    with repository.publishing(name) as (version, folder):
        for file in {GRAPH, TRAINING_PIXELS} & origin.files.keys():
            shutil.copyfile(artifact.path / file, folder / file)
        measured, quantization = to_int8(
            folder / GRAPH,
            evidence.ranges,
            evidence.held_out,
            origin.similarity_groups,
            source=evidence.ranges_source,
            made_from=str(artifact),
        )
        assert measured.statistics is not None  # int8 is judged on held-out samples
        measured.statistics.save(folder / EMBEDDING_STATISTICS)
        manifest = Manifest.model_validate(
            origin.model_dump(exclude={"schema_version"})
            | {
                "name": name,
                "version": version,
                "calibration": measured.calibration,
                "quantization": quantization,
                "metrics": measured.metrics,
                "files": {file: sha256_of(folder / file) for file in origin.files},
            }
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        (folder / CARD).write_text(quantized_card(manifest))
        verify(ModelArtifact(folder, manifest))
    return repository.resolve(f"{name}@{version}")
