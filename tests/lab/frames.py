# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's frames: type, channel, length, payload.

The same frames travel between a `lab` command and its keeper (unix socket)
and between the keeper and the agent in L1 (virtio-serial port).  A channel is
one running command.
"""

import struct

HEADER = struct.Struct("!cII")
CHUNK = 32768

RUN = b"R"  # JSON: argv, cwd, env, timeout, fresh
STDIN = b"I"  # data; empty: end of input
STDOUT = b"O"
STDERR = b"E"
EXIT = b"X"  # JSON: status, timeout (bool)
KILL = b"K"  # empty: end that command
PING = b"P"  # echoed
HELLO = b"H"  # agent: first frame after its start
LOST = b"L"  # keeper: JSON: why (stuck, dead), text
ASK = b"A"  # client to keeper, JSON; answered by one ASK frame


def pack(kind, chan, data=b""):
    return HEADER.pack(kind, chan, len(data)) + data


class Reader:
    """Cuts a byte stream into frames."""

    def __init__(self):
        self.buf = bytearray()

    def feed(self, data):
        self.buf += data
        out = []
        while len(self.buf) >= HEADER.size:
            kind, chan, size = HEADER.unpack_from(self.buf)
            if len(self.buf) < HEADER.size + size:
                break
            out.append((kind, chan, bytes(self.buf[HEADER.size : HEADER.size + size])))
            del self.buf[: HEADER.size + size]
        return out
