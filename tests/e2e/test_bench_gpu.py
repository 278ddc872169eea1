"""The benchmark that waits for a GPU: here on the CPU and in small, so that it runs on the day there is one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_gpu_benchmark_runs_to_its_end() -> None:
    """Every part of it prints its figures: alone, through the server as tensors and files, memory, a new version."""
    command = [sys.executable, ROOT / "bench" / "gpu" / "run.py", "--device", "cpu", "--quick"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert " cores of " in lines[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| resnet18-32")]
    assert [row[1:3] for row in rows[:4]] == [["fp32", "1"], ["fp32", "2"], ["fp16", "1"], ["fp16", "2"]]
    assert all(float(figure) > 0 for row in rows[:4] for figure in row[3:])
    (served,) = rows[4:]
    assert all(float(figure) > 0 for figure in served[1:-1])
    assert served[-1] == "0"  # requests that failed
    assert "memory of the server with 1 models" in ended.stdout
    assert "published under load, was served after" in lines[-1]
    assert " 0 requests failed" in lines[-1]
