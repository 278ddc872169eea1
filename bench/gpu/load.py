"""Send one request again and again, over several connections; a process of its own, so that it does not slow others.

load.py PORT PATH SECONDS CONNECTIONS HEADER=VALUE... < body
"""

import http.client
import json
import sys
import threading
import time


def main() -> None:
    port, path, seconds, connections, *headers = sys.argv[1:]
    fields = dict(header.split("=", 1) for header in headers)
    body = sys.stdin.buffer.read()
    statuses: list[int] = []
    started = time.perf_counter()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        while time.perf_counter() - started < float(seconds):
            try:
                connection.request("POST", path, body, fields)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            except OSError:
                statuses.append(0)
                connection.close()
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = statuses.count(200)
    print(
        json.dumps(
            {
                "per_second": answered / (time.perf_counter() - started),
                "failed": len(statuses) - answered,
                "statuses": sorted(set(statuses)),
            }
        )
    )


if __name__ == "__main__":
    main()
