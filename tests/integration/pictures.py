"""Real images, small or large, each different from every other.

Made here from the formats' own rules rather than with an image library, so
that the tests need nothing that a Debian Python does not have.
"""

import base64
import itertools
import os
import struct
import zlib

_serial = itertools.count(1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def _png(width: int, height: int, rows: bytes, note: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
            + _chunk(b"tEXt", b"Comment\0" + note)
            + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b""))


def png(width: int = 16, height: int = 16) -> bytes:
    """A PNG of one colour whose comment holds a number never used before."""
    serial = next(_serial)
    pixel = bytes((serial & 255, serial >> 8 & 255, 127))
    rows = (b"\0" + pixel * width) * height
    return _png(width, height, rows, b"number %d" % serial)


def big_png(side: int = 720) -> bytes:
    """A PNG of random pixels, about 3 * side * side bytes: incompressible."""
    rows = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    return _png(side, side, rows, b"number %d" % next(_serial))


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(width: int = 16, height: int = 8) -> bytes:
    """A baseline grey JPEG; its comment holds a number never used before.

    One Huffman code each for DC (no difference) and AC (end of block), so
    every 8x8 block of the scan is two zero bits.
    """
    blocks = -(-width // 8) * -(-height // 8)
    bits = "00" * blocks
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    one_code = bytes([1] + [0] * 15)
    return (b"\xff\xd8"
            + _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")
            + _segment(0xFE, b"number %d" % next(_serial))
            + _segment(0xDB, b"\0" + b"\x10" * 64)
            + _segment(0xC0, frame)
            + _segment(0xC4, b"\x00" + one_code + b"\0")
            + _segment(0xC4, b"\x10" + one_code + b"\0")
            + _segment(0xDA, bytes((1, 1, 0, 0, 63, 0)))
            + scan + b"\xff\xd9")


def webp() -> bytes:
    """A lossless WebP of one pixel; a chunk readers skip makes it unique."""
    picture = base64.b64decode("VlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
    note = b"number %d" % next(_serial)
    note += b" " * (len(note) % 2)
    chunks = b"WEBP" + picture + b"NOTE" + struct.pack("<I", len(note)) + note
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def gif() -> bytes:
    """A valid GIF of one pixel, which the service does not keep."""
    return bytes.fromhex("47494638396101000100800000000000ffffff2c00000000"
                         "010001000002024401003b")

