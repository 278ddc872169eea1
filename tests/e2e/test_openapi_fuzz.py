"""The OpenAPI document against the live server, by schemathesis with all its checks."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def test_the_openapi_document_is_exact(lookalike: Any, kit: Any, serving: Any, eventually: Any, tmp_path: Path) -> None:
    """Whatever is made up from the document is answered as the document says, and never with a 5xx of a defect."""
    with serving(lookalike.process("serve", "--port", "0")) as (client, said):
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        audit = client.post("/v1/audits", files=files).json()["id"]
        eventually(lambda: client.get(f"/v1/audits/{audit}").json()["status"] == "succeeded", "the audit ends")
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file"]
        command += [
            Path(__file__).with_name("schemathesis.toml"),
            "run",
            f"{client.base_url}/openapi.json",
            "--no-color",
        ]
        command += ["--generation-deterministic", "--phases", "examples,coverage,fuzzing", "--max-examples", "10"]
        run = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"AUDIT_ID": audit}, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in "".join(said)
