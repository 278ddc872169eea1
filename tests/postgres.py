"""A real PostgreSQL server for tests, on a socket of its own; where it is not installed, the tests fail."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
"""PostgreSQL refuses to run as root."""


class Postgres:
    """A server that can be stopped and started again; nothing but its socket folder can reach it."""

    def __init__(self, folder: Path) -> None:
        self.data, self.sockets, self.log = folder / "data", folder / "s", folder / "data" / "server.log"
        self._databases = 0
        self._as = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
        for path in (self.data, self.sockets):
            path.mkdir()
            if self._as:
                os.chown(path, NOBODY, NOBODY)
        self.data.chmod(0o700)
        self._run("initdb", "-D", self.data, "-U", "lookalike", "-A", "trust", "--no-sync", "-E", "UTF8")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self._run("psql", "-q", "-h", self.sockets, "-U", "lookalike", "-c", f"CREATE DATABASE {name}", "postgres")
        return f"postgresql://lookalike@/{name}?host={self.sockets}"

    def start(self) -> None:
        options = f"-k {self.sockets} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        found = shutil.which(program) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))), None)
        assert found, f"{program} is missing: apt-get install postgresql"
        command = [*self._as, str(found), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", check=False)
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def running() -> Iterator[Postgres]:
    """A server in a folder of its own: pytest's folders are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
