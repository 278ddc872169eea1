"""List the packages of an image with their licences; it runs inside: ``docker run --entrypoint python IMAGE -``.

Prints name, version, whether Python's or Debian's, and licences, tab-separated; ends with 1 where a Python package
names none. Python packages say it by PEP 639 or its forerunners, Debian's in machine-readable ``copyright`` files.
"""

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path


def of_python(package: Distribution) -> str:
    """The licence expression, else the classifiers, else the field's first line."""
    said = package.metadata
    classifiers = [each.split(" :: ")[-1] for each in said.get_all("Classifier", []) if each.startswith("License ::")]
    first_line = said.get("License", "").strip().partition("\n")[0][:80]
    return said.get("License-Expression") or " OR ".join(classifiers) or first_line


def of_debian(name: str) -> str:
    """The short names of all licences of a package's files."""
    file = Path("/usr/share/doc") / name / "copyright"
    text = file.read_text(errors="replace") if file.exists() else ""
    return ", ".join(sorted({each.strip() for each in re.findall(r"^License:(.+)$", text, re.MULTILINE)}))


python = sorted({(each.name, each.version, "python", of_python(each)) for each in distributions()})
status = Path("/var/lib/dpkg/status").read_text()
debian = re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", status, re.MULTILINE)
for name, version, kind, licence in [*python, *((*each, "debian", of_debian(each[0])) for each in debian)]:
    print(name, version, kind, licence or "see its copyright file", sep="\t")
unknown = [name for name, *_, licence in python if not licence]
if unknown:
    sys.exit(f"without a licence: {', '.join(unknown)}")
