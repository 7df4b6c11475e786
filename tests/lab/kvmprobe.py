# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is this machine's own KVM real?

/dev/kvm may be served by an instruction emulator that cannot boot a kernel.
Real means: the CPU has vmx or svm, and a guest in 64-bit mode runs
cmpxchg16b, which such an emulator gives up on.
"""

import ctypes
import fcntl
import mmap
import os
import struct

KVM_CREATE_VM = 0xAE01
KVM_GET_VCPU_MMAP_SIZE = 0xAE04
KVM_CREATE_VCPU = 0xAE41
KVM_SET_TSS_ADDR = 0xAE47
KVM_SET_USER_MEMORY_REGION = 0x4020AE46
KVM_RUN = 0xAE80
KVM_SET_REGS = 0x4090AE82
KVM_GET_SREGS = 0x8138AE83
KVM_SET_SREGS = 0x4138AE84
KVM_GET_SUPPORTED_CPUID = 0xC008AE05
KVM_SET_CPUID2 = 0x4008AE90
KVM_EXIT_IO = 2

# lea rdi, [0x5000]; cmpxchg16b [rdi]; mov al, 0x42; out 0x10, al; hlt
CODE = bytes.fromhex("488d3c2500500000 480fc70f b042 e610 f4".replace(" ", ""))


def long_mode(sregs):
    """Edit struct kvm_sregs: flat 64-bit segments, paging from 0x1000."""
    code = struct.pack("<QIHBBBBBBBBBB", 0, 0xFFFFFFFF, 8, 11, 1, 0, 0, 1, 1, 1, 0, 0, 0)
    data = struct.pack("<QIHBBBBBBBBBB", 0, 0xFFFFFFFF, 16, 3, 1, 0, 1, 1, 0, 1, 0, 0, 0)
    sregs[0:24] = code
    for index in range(1, 6):
        sregs[index * 24 : index * 24 + 24] = data
    control = 8 * 24 + 2 * 16  # after eight segments, gdt and idt
    struct.pack_into("<QQQQQQ", sregs, control, 0x80050033, 0, 0x1000, 0x220, 0, 0x500)


def run_guest(kvm):
    vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    try:
        fcntl.ioctl(vm, KVM_SET_TSS_ADDR, 0x7FFD0000)
        memory = mmap.mmap(-1, 0x10000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        struct.pack_into("<Q", memory, 0x1000, 0x2003)  # PML4 -> PDPT
        struct.pack_into("<Q", memory, 0x2000, 0x3003)  # PDPT -> PD
        struct.pack_into("<Q", memory, 0x3000, 0x83)  # PD: one 2 MiB page
        memory[0x4000 : 0x4000 + len(CODE)] = CODE
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        region = struct.pack("<IIQQQ", 0, 0, 0, len(memory), address)
        fcntl.ioctl(vm, KVM_SET_USER_MEMORY_REGION, region)
        vcpu = fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
        run = mmap.mmap(vcpu, fcntl.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE))
        cpuid = bytearray(struct.pack("<II", 256, 0) + bytes(256 * 40))
        fcntl.ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid)
        fcntl.ioctl(vcpu, KVM_SET_CPUID2, cpuid)
        sregs = bytearray(312)
        fcntl.ioctl(vcpu, KVM_GET_SREGS, sregs)
        long_mode(sregs)
        fcntl.ioctl(vcpu, KVM_SET_SREGS, bytes(sregs))
        regs = [0] * 18
        regs[6], regs[16], regs[17] = 0x8000, 0x4000, 2  # rsp, rip, rflags
        fcntl.ioctl(vcpu, KVM_SET_REGS, struct.pack("<18Q", *regs))
        fcntl.ioctl(vcpu, KVM_RUN, 0)
        reason = struct.unpack_from("<I", run, 8)[0]
        port = struct.unpack_from("<H", run, 34)[0]
        os.close(vcpu)
        return reason == KVM_EXIT_IO and port == 0x10
    finally:
        os.close(vm)


def real(need_flag=True):
    """(True, "") or (False, why not)."""
    with open("/proc/cpuinfo") as info:
        flags = next((line.split() for line in info if line.startswith("flags")), [])
    if need_flag and "vmx" not in flags and "svm" not in flags:
        return False, "the CPU has neither vmx nor svm"
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as err:
        return False, "cannot open /dev/kvm: %s" % err.strerror
    try:
        if run_guest(kvm):
            return True, ""
        return False, "a guest in 64-bit mode did not run"
    except OSError as err:
        return False, "cannot run a guest: %s" % err.strerror
    finally:
        os.close(kvm)
