# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which system calls the kernel lets a thread make.

The filters are taken from the kernel itself (PTRACE_SECCOMP_GET_FILTER) and
every system call number is tried on them.  Arguments are unknown, so both
sides of a test on an argument are followed: a call counts as allowed if some
arguments are.
"""

import ctypes
import os
import struct

PTRACE_ATTACH, PTRACE_DETACH, PTRACE_GET_FILTER = 16, 17, 0x420C
WALL = 0x40000000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[os.uname().machine]
RET_ALLOW, RET_LOG = 0x7FFF0000, 0x7FFC0000
MAX_SYSCALL = 470

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def filters(tid):
    """The BPF programs on a thread, each a list of (code, jt, jf, k)."""
    if libc.ptrace(PTRACE_ATTACH, tid, None, None):
        raise OSError(ctypes.get_errno(), "cannot attach to thread %d" % tid)
    os.waitpid(tid, WALL)
    found = []
    try:
        while True:
            count = libc.ptrace(PTRACE_GET_FILTER, tid, len(found), None)
            if count <= 0:
                return found
            buf = ctypes.create_string_buffer(count * 8)
            libc.ptrace(PTRACE_GET_FILTER, tid, len(found), buf)
            found.append(list(struct.iter_unpack("<HBBI", buf.raw)))
    finally:
        libc.ptrace(PTRACE_DETACH, tid, None, None)


def alu(code, acc, value):
    """BPF arithmetic on a known accumulator; None (unknown) stays unknown."""
    if acc is None or value is None:
        return None
    ops = {0x00: acc + value, 0x10: acc - value, 0x40: acc | value, 0x50: acc & value,
           0x60: acc << (value & 31), 0x70: acc >> (value & 31), 0xA0: acc ^ value}
    result = ops.get(code & 0xF0)
    return None if result is None else result & 0xFFFFFFFF


def may_allow(program, number):
    """Can this program end in allow for that system call?"""
    known = {0: number, 4: AUDIT_ARCH}
    todo, seen = [(0, None, None, ())], set()
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        pc, acc, index, mem = state
        code, jt, jf, k = program[pc]
        kind = code & 7
        if kind == 6:  # ret
            value = acc if code & 0x18 == 0x10 else k
            if value is None or value & 0xFFFF0000 in (RET_ALLOW, RET_LOG):
                return True
            continue
        if kind == 5:  # jump
            if code & 0xF0 == 0:
                todo.append((pc + 1 + k, acc, index, mem))
                continue
            value = index if code & 8 else k
            for taken in outcomes(code, acc, value):
                todo.append((pc + 1 + (jt if taken else jf), acc, index, mem))
            continue
        if kind == 0:  # load
            mode = code & 0xE0
            acc = k if mode == 0 else known.get(k) if mode == 0x20 else dict(mem).get(k)
        elif kind == 1:
            index = k if code & 0xE0 == 0 else dict(mem).get(k)
        elif kind in (2, 3):  # store
            slots = dict(mem)
            slots[k] = acc if kind == 2 else index
            mem = tuple(sorted(slots.items(), key=lambda item: item[0]))
        elif kind == 4:
            acc = alu(code, acc, index if code & 8 else k)
        elif kind == 7:
            acc, index = (index, index) if code & 0x80 else (acc, acc)
        todo.append((pc + 1, acc, index, mem))
    return False


def outcomes(code, acc, value):
    if acc is None or value is None:
        return (True, False)
    test = code & 0xF0
    return ({0x10: acc == value, 0x20: acc > value, 0x30: acc >= value,
             0x40: bool(acc & value)}[test],)


def allowed(tid):
    """Set of allowed system call numbers, or None without a filter."""
    programs = filters(tid)
    if not programs:
        return None
    return {n for n in range(MAX_SYSCALL) if all(may_allow(p, n) for p in programs)}
