"""The address to listen on, tried before anything is loaded: what is wrong with it is one line for who starts it."""

import errno
import socket

from models.errors import LookalikeError


class AddressError(LookalikeError):
    """The service can't listen where it was told to."""


def check_address(host: str, port: int) -> None:
    """Raise ``AddressError`` where the port is taken, or the address is not this machine's; port 0 is any free one."""
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressError(f"--host {host}: {error.strerror}") from error
    for family, kind, protocol, _, address in infos:
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                tried.bind(address)
            except OSError as error:
                raise AddressError(_reason(host, port, error)) from error


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: stop what listens there, or choose another one (--port {port + 1})"
    if error.errno == errno.EACCES:
        return f"port {port} is for root alone: choose one from 1024 on (--port 8000)"
    return f"can't listen on {host}, port {port}: {error.strerror}"
