"""Print what pyproject.toml asks for, without the project itself: ``python3 requirements.py EXTRA...``.

Installing this first makes a layer of an image that a change of the code leaves as it is.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
for requirement in project["dependencies"]:
    print(requirement)
for extra in sys.argv[1:]:
    for requirement in project["optional-dependencies"][extra]:
        print(requirement)
