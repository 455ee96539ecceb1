"""An sftp server that keeps to the protocol in a way that few do: python odd_sftp.py SERVER

What OpenSSH's SERVER says is passed on, but it reads no more than 1,000 bytes at once, and of the answers that come
together the last is given first.
"""

import os
import select
import struct
import subprocess
import sys

READ = 5


def packets(data: bytearray) -> list[bytes]:
    """The whole packets at the beginning of `data`, which are removed from it."""
    found = []
    while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big"):
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(bytes(data[:end]))
        del data[:end]
    return found


def shorter(packet: bytes) -> bytes:
    """A question for at most 1,000 bytes, if it is one for bytes."""
    if packet[4] != READ:
        return packet
    return packet[:-4] + struct.pack(">I", min(1000, int.from_bytes(packet[-4:], "big")))


def main() -> None:
    server = subprocess.Popen(sys.argv[1:2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert server.stdin is not None and server.stdout is not None
    asked, answered = bytearray(), bytearray()
    while True:
        ready, _, _ = select.select([0, server.stdout], [], [])
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                break
            asked += data
            server.stdin.write(b"".join(map(shorter, packets(asked))))
        else:
            data = os.read(server.stdout.fileno(), 1 << 16)
            if not data:
                break
            answered += data
            sys.stdout.buffer.write(b"".join(reversed(packets(answered))))
            sys.stdout.buffer.flush()
    server.kill()


if __name__ == "__main__":
    main()
