"""A record that says whether it is still what was written: the last field of the file is the CRC-32 of what is before.

A flipped bit in a number or a text leaves JSON that can be read, and a result that is not what happened.
"""

from __future__ import annotations

import re
import zlib

_SEAL = re.compile(rb',\n "crc": "([0-9a-f]{8})"\n\}\s*\Z')


def sealed(content: bytes) -> bytes:
    """An indented JSON object with its checksum as last field."""
    before = content.rstrip().removesuffix(b"}").rstrip()
    return before + b',\n "crc": "%08x"\n}\n' % zlib.crc32(before)


def is_whole(content: bytes) -> bool:
    """Whether it is what was sealed; True for JSON without a seal, which somebody else has written."""
    found = _SEAL.search(content)
    return found is None or int(found[1], 16) == zlib.crc32(content[: found.start()])
