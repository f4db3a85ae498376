"""A worker that a test scripts: what nginx sends it, and what it answers."""

import contextlib
import dataclasses
import pathlib
import socket
import struct
import threading
from collections.abc import Callable

import wire

HEALTHZ = "/healthz"


@dataclasses.dataclass
class Asked:
    """One request as it arrived: parameters in order, and the body."""

    pairs: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The one value of a parameter, which is not there twice."""
        values = [value for key, value in self.pairs if key == name]
        assert len(values) <= 1, (name, values)
        return values[0] if values else ""

    def path(self) -> str:
        """Path and query as the client wrote them."""
        return self["REQUEST_URI"]


Answer = Callable[[Asked], bytes | None]


def reply(status: int = 200, body: bytes = b"{}",
          kind: str = "application/json", **headers: str) -> bytes:
    """CGI headers and a body; names by their words: X_Accel_Expires."""
    lines = [f"{name.replace('_', '-')}: {value}"
             for name, value in headers.items()]
    lines += [f"Status: {status} Said", f"Content-Type: {kind}",
              f"Content-Length: {len(body)}", "X-Request-Id: the-workers"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Upstream:
    """Listens on a group's socket; `answer` gives each reply, None hangs up.

    Every connection's bytes are read as nginx frames them; `asked` has all
    requests but those for healthz, which always succeed.
    """

    def __init__(self, folder: pathlib.Path, *names: str,
                 answer: Answer = lambda _: reply()):
        self.answer = answer
        self.asked: list[Asked] = []
        self.busy = 0  # connections in hand
        self.lock = threading.Lock()
        self.closing = False
        self.sockets = []
        self.threads = []
        for name in names:
            self._listen(folder / f"{name}.sock")

    def _listen(self, path: pathlib.Path):
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        one.listen(256)
        one.settimeout(0.1)
        self.sockets.append(one)
        self.threads.append(threading.Thread(target=self._accept,
                                             args=(one,), daemon=True))
        self.threads[-1].start()

    def _accept(self, listener: socket.socket):
        while not self.closing:
            try:
                link, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            link.settimeout(20)
            one = threading.Thread(target=self._serve, args=(link,),
                                   daemon=True)
            one.start()

    @contextlib.contextmanager
    def _counted(self):
        with self.lock:
            self.busy += 1
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1

    def _serve(self, link: socket.socket):
        with self._counted(), link:
            try:
                asked = self._read(link)
            except (OSError, ValueError):
                return
            if asked.path() == HEALTHZ:
                said = reply(body=b'{"status":"ok"}')
            else:
                self.asked.append(asked)
                said = self.answer(asked)
            if said is None:
                return
            pieces = [wire.record(wire.STDOUT, said[i:i + 60000])
                      for i in range(0, len(said), 60000)]
            end = wire.record(wire.STDOUT) + wire.record(wire.END, bytes(8))
            try:
                link.sendall(b"".join(pieces) + end)
            except OSError:
                pass  # nginx has lost interest

    @staticmethod
    def _exactly(link: socket.socket, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = link.recv(size - len(got))
            if not piece:
                raise ValueError("cut off")
            got += piece
        return got

    def _read(self, link: socket.socket) -> Asked:
        params, body = b"", b""
        while True:
            head = self._exactly(link, 8)
            _, kind, _, size, padding, _ = struct.unpack(">BBHHBB", head)
            content = self._exactly(link, size + padding)[:size]
            if kind == wire.PARAMS:
                params += content
            elif kind == wire.STDIN and content:
                body += content
            elif kind == wire.STDIN:
                return Asked(list(_pairs(params)), body)

    def close(self):
        """Ends it; connections in hand end with their threads."""
        self.closing = True
        for one in self.threads:
            one.join(5)
        for one in self.sockets:
            one.close()


def _pairs(data: bytes):
    """Name and value pairs of a PARAMS stream."""
    at = 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            if data[at] < 128:
                sizes.append(data[at])
                at += 1
            else:
                sizes.append(int.from_bytes(data[at:at + 4], "big")
                             & 0x7fffffff)
                at += 4
        name, value = (data[at:at + sizes[0]],
                       data[at + sizes[0]:at + sum(sizes)])
        at += sum(sizes)
        yield name.decode("latin-1"), value.decode("latin-1")
