"""Lets nobody in any more at a listening socket but who is on the way in.

The kernel lets clients in before anybody accepts them, and ends those whom nobody has accepted when the socket is
closed: they have sent a request by then. So before it is closed, the first packet of whoever else comes is thrown away.
The client sends it again a second later, and finds nobody, or the next server.
"""

from __future__ import annotations

import socket
import struct
from array import array
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_FLAGS, _SYN, _SYN_OR_ACK = 13, 0x02, 0x12
"""The byte of a TCP header that has the flags, and those of them (RFC 9293) that tell a first packet."""
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
"""Instructions of classic BPF, as in linux/bpf_common.h."""
_NO_FIRST = (
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_AND, 0, 0, _SYN_OR_ACK),
    (_JUMP_IF_EQUAL, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFF_FFFF),
)


def let_nobody_in(listening: socket.socket) -> None:
    """For all processes that have the socket, and for good. Where the kernel cannot, nothing is changed."""
    program = array("B", b"".join(struct.pack("=HBBL", *each) for each in _NO_FIRST))
    given = struct.pack("@HP", len(_NO_FIRST), program.buffer_info()[0])  # struct sock_fprog
    with suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, given)
