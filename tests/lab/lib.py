# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests inside the lab use: guests, consoles, QMP, taps, disks.

A test is an executable Python file in t/ that imports this module, defines
functions named test_*, and ends with `lib.main()`.  Everything made through
this module is undone at the end.  Every wait has a deadline and waits for an
event, never for time to pass.
"""

import atexit
import base64
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD") or os.environ.get("top_builddir") or TREE
READY = "guest ready"
# Deadlines below are for an idle machine; emulated hosts share theirs.
SLOW = float(os.environ.get("LAB_SLOW") or 3)

_undo = []
_workdir = None


class Skip(Exception):
    """This test cannot run here; the text says why."""


class Failure(AssertionError):
    pass


def undo(function, *args):
    """Call function(*args) when the test program ends, last first."""
    _undo.append((function, args))


@atexit.register
def _cleanup():
    while _undo:
        function, args = _undo.pop()
        try:
            function(*args)
        except Exception as err:  # one failed undo must not stop the others
            print("# undo: %s" % err)


def workdir():
    """Scratch folder of this test program; kept by the suite on failure."""
    global _workdir
    if not _workdir:
        _workdir = tempfile.mkdtemp(prefix="lab-", dir="/tmp")
        os.chmod(_workdir, 0o755)
    return _workdir


def path(name):
    return os.path.join(workdir(), name)


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise Failure("%s is %r, wanted %r" % (what, got, wanted))


def run(*argv, ok=True, timeout=60, **kw):
    """Run a tool; returns CompletedProcess with text output."""
    res = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         timeout=timeout, text=True, **kw)
    if ok and res.returncode:
        raise Failure("%s: exit status %d: %s" % (" ".join(argv), res.returncode, res.stdout))
    return res


def modprobe(*names):
    run("modprobe", "-a", *names)


# Images -----------------------------------------------------------------


def image(name):
    """Path of an image: vmlinux, bzimage, guest, guest_nokey or root.

    It is a copy in RAM that every user can read; do not write to it.
    """
    source = os.environ["LAB_" + name.upper()]
    folder = "/run/lab-images" if os.access("/run", os.W_OK) else workdir()
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, name)
    if not os.path.exists(target):
        tmp = "%s.%d" % (target, os.getpid())
        shutil.copyfile(source, tmp)
        os.chmod(tmp, 0o644)
        os.rename(tmp, target)
    return target


def cpio(files):
    """An initramfs archive of {name: (mode, bytes)}."""
    out = b""
    entries = list(files.items()) + [("TRAILER!!!", (0, b""))]
    for number, (name, (mode, data)) in enumerate(entries, 1):
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return out + b"\0" * (-len(out) % 512)


def initrd(script=None, files=None, base="guest"):
    """A guest initramfs with a script to run at boot and more files."""
    extra = {name: (0o100755, data) for name, data in (files or {}).items()}
    if script is not None:
        extra["lab.sh"] = (0o100755, script.encode())
    with open(image(base), "rb") as handle:
        data = handle.read()
    # A compressed archive may be followed by others, each 4-byte aligned.
    data += b"\0" * (-len(data) % 4) + cpio(extra)
    digest = hashlib.sha256(data).hexdigest()[:12]
    target = path("initrd-%s.img" % digest)
    with open(target, "wb") as handle:
        handle.write(data)
    return target


def script_arg(script):
    """Kernel command line words that run a short script at boot."""
    return "lab.sh=" + base64.b64encode(script.encode()).decode()


def disk(name, mb, pattern=None, folder=None):
    """A raw disk file; with a pattern (an int) filled by repeatable bytes."""
    target = os.path.join(folder or workdir(), name)
    with open(target, "wb") as handle:
        if pattern is None:
            handle.truncate(mb << 20)
        for block in range(mb if pattern is not None else 0):
            seed = hashlib.sha256(b"%d/%d" % (pattern, block)).digest()
            handle.write(seed * ((1 << 20) // len(seed)))
    undo(os.unlink, target)
    return target


def sha256(filename, offset=0, length=None):
    digest = hashlib.sha256()
    with open(filename, "rb") as handle:
        handle.seek(offset)
        while length is None or length > 0:
            data = handle.read(min(1 << 20, length or 1 << 20))
            if not data:
                break
            digest.update(data)
            length = length - len(data) if length is not None else None
    return digest.hexdigest()


def loop_device(filename):
    modprobe("loop")
    name = run("losetup", "-f", "--show", filename).stdout.strip()
    undo(run, "losetup", "-d", name)
    return name


def tap(name, address=None, *flags):
    """A tap device, up, with an address such as 10.9.0.1/24."""
    modprobe("tun")
    run("ip", "tuntap", "add", name, "mode", "tap", *flags)
    undo(run, "ip", "link", "del", name)
    if address:
        run("ip", "addr", "add", address, "dev", name)
    run("ip", "link", "set", name, "up")
    return name


# Consoles and monitors --------------------------------------------------


class Console:
    """A guest's console on a connected socket, a pty or another descriptor."""

    def __init__(self, fd, name="console"):
        self.keep = fd
        self.fd = fd if isinstance(fd, int) else fd.fileno()
        self.name = name
        self.text = ""  # not yet consumed
        self.log = open(path(name + ".log"), "a")
        self.ended = False

    @classmethod
    def connect(cls, where, timeout=30, name="console"):
        return cls(connect(where, timeout), name)

    def fill(self, deadline):
        """Read what comes next; False at the end of input or of time."""
        left = deadline - time.monotonic()
        if self.ended or left <= 0 or not select.select([self.fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # a pty whose other side is closed
            data = b""
        self.ended = not data
        text = data.decode("utf-8", "replace")
        self.log.write(text)
        self.log.flush()
        self.text += text
        return bool(data)

    def wait_for(self, pattern, timeout=60):
        """Consume up to a match of a regular expression; returns it."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            if not self.fill(deadline):
                raise Failure("%s: no %r %s; last seen: %r" % (
                    self.name, pattern, "before its end" if self.ended else "in %d s" % (timeout * SLOW),
                    self.text[-400:]))

    def wait_end(self, timeout=60):
        deadline = time.monotonic() + timeout * SLOW
        while self.fill(deadline):
            pass
        check(self.ended, "%s: still open after %d s" % (self.name, timeout))

    def send(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.fd, data):]

    def prompt(self, timeout=60):
        """The guest's shell answers.  Asked again and again: what is typed
        before virsh made its terminal raw is thrown away by the terminal."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            self.send("\n")
            try:
                return self.wait_for("guest# ", 1)
            except Failure:
                if self.ended or time.monotonic() > deadline:
                    raise

    def sh(self, command, timeout=60, ok=True):
        """Run a command in the guest's shell; its output (and status)."""
        self.send("echo lab-\"\"out; %s; echo lab-\"\"end $?\n" % command)
        # Consume the shell's echo, which has the quotes, with its line.
        self.wait_for(r"lab-out\r*\n", timeout)
        start = self.text
        match = self.wait_for(r"((?s:.*?))lab-end (\d+)", timeout)
        output, status = match.group(1).replace("\r", ""), int(match.group(2))
        if not ok:
            return status, output
        check(status == 0, "guest: %r: exit status %d: %s" % (command, status, output or start))
        return output


def connect(where, timeout=30):
    """Connected unix socket, as soon as someone listens there."""
    deadline = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(where)
            return sock
        except OSError as err:
            sock.close()
            if time.monotonic() > deadline:
                raise Failure("cannot connect to %s: %s" % (where, err))
            time.sleep(0.02)  # a file that appears: nothing else to wait for


def wait_gone(pid, timeout=30):
    """Wait for the end of a process that is not our child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        check(select.select([fd], [], [], timeout)[0], "pid %d is still there" % pid)
    finally:
        os.close(fd)


class QmpError(Exception):
    def __init__(self, error):
        super().__init__("%s: %s" % (error.get("class"), error.get("desc")))
        self.cls = error.get("class")
        self.desc = error.get("desc")


class Qmp:
    """One QMP connection."""

    def __init__(self, where, timeout=30, negotiate=True):
        self.sock = connect(where, timeout) if isinstance(where, str) else where
        self.buf = b""
        self.events = []
        self.greeting = self.message(timeout)
        check("QMP" in self.greeting, "no QMP greeting: %r" % self.greeting)
        if negotiate:
            self.cmd("qmp_capabilities")

    def message(self, timeout=30):
        deadline = time.monotonic() + timeout * SLOW
        while b"\n" not in self.buf:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Failure("QMP: no answer in %d s" % timeout)
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError("QMP: connection closed")
            self.buf += data
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line) if line.strip() else self.message(timeout)

    def raw(self, request, timeout=30):
        """Send a request (dict or bytes); returns the whole answer."""
        if not isinstance(request, bytes):
            request = json.dumps(request).encode()
        self.sock.sendall(request + b"\n")
        while True:
            answer = self.message(timeout)
            if "event" not in answer:
                return answer
            self.events.append(answer)

    def cmd(self, name, timeout=30, **arguments):
        request = {"execute": name}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        answer = self.raw(request, timeout)
        if "error" in answer:
            raise QmpError(answer["error"])
        return answer["return"]

    def event(self, name, timeout=60):
        """The next event of that name; earlier others are dropped."""
        deadline = time.monotonic() + timeout * SLOW
        while True:
            while self.events:
                found = self.events.pop(0)
                if found["event"] == name:
                    return found
            left = deadline - time.monotonic()
            check(left > 0, "QMP: no event %s in %d s" % (name, timeout))
            answer = self.message(left / SLOW)
            if "event" in answer:
                self.events.append(answer)

    def wait_closed(self, timeout=30):
        try:
            while True:
                answer = self.message(timeout)
                if "event" in answer:
                    self.events.append(answer)
        except EOFError:
            return

    def close(self):
        self.sock.close()


# Virtual machines -------------------------------------------------------


class Process:
    """A program that ends with the test."""

    def __init__(self, argv, name="vmm", **kw):
        self.argv = argv
        self.name = name
        self.log = path(name + ".out")
        with open(self.log, "ab") as log:
            log.write((" ".join(argv) + "\n").encode())
            log.flush()
            kw.setdefault("stdin", subprocess.DEVNULL)
            kw.setdefault("stdout", log)
            kw.setdefault("stderr", log)
            self.proc = subprocess.Popen(argv, **kw)
        self.pid = self.proc.pid
        undo(self.kill)

    def output(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def kill(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            self.proc.wait(30)

    def wait(self, timeout=60):
        """Exit status (negative: signal)."""
        try:
            return self.proc.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure("%s still runs after %d s: %s" % (
                self.name, timeout, self.output()[-500:])) from None


class Vm(Process):
    """A virtual machine with its console and monitor on unix sockets."""

    def __init__(self, argv, name, serial, monitor, **kw):
        self.serial_path = serial
        self.qmp_path = monitor
        super().__init__(argv, name, **kw)

    def connect(self, where, timeout=30):
        """Like connect(), but a VMM that ended is told at once."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return connect(where, 0)
            except Failure:
                check(self.proc.poll() is None, "%s ended with status %s: %s" % (
                    self.name, self.proc.poll(), self.output()[-800:]))
                check(time.monotonic() < deadline, "nobody listens at %s" % where)
                time.sleep(0.02)

    def console(self, timeout=30):
        return Console(self.connect(self.serial_path, timeout), self.name + "-console")

    def result(self, con, timeout=120, status=0):
        """Output of the script given to start(), which must end so."""
        match = con.wait_for(r"lab-begin\r*\n((?s:.*?))lab-end (\d+)", timeout)
        output = match.group(1).replace("\r", "")
        check(int(match.group(2)) == status,
              "guest script: exit status %s: %s" % (match.group(2), output))
        return output

    def qmp(self, timeout=30, **kw):
        return Qmp(self.connect(self.qmp_path, timeout), timeout, **kw)


_count = 0


def _vm_name(kind):
    global _count
    _count += 1
    return "%s%d" % (kind, _count)


def reference():
    """Tests can be tried on QEMU's microvm: LAB_VMM=qemu."""
    return os.environ.get("LAB_VMM") == "qemu"


def only_ours(why):
    if reference():
        raise Skip("QEMU: " + why)


def stratovmm_path():
    for candidate in (os.environ.get("STRATOVMM"), os.path.join(BUILD, "vmm/stratovmm"),
                      os.path.join(TREE, "build/vmm/stratovmm")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which("stratovmm")
    if found:
        return found
    raise Skip("stratovmm is not built (BUILD=%s)" % BUILD)


def disk_opts(ident, filename, serial=None, iothread=None, readonly=False, direct=False,
              discard=False):
    """Options of a virtio-blk disk."""
    drive = "file=%s,id=%s,if=none,format=raw" % (filename, ident)
    drive += ",readonly=on" if readonly else ""
    drive += ",discard=unmap" if discard else ""
    if reference():
        drive += ",cache=none" if direct else ""
    else:
        drive += ",direct=on,aio=io_uring" if direct else ",direct=off"
    device = "virtio-blk-device,drive=%s,id=%s-dev" % (ident, ident)
    device += ",serial=" + serial if serial else ""
    device += ",iothread=" + iothread if iothread else ""
    return ["-drive", drive, "-device", device]


def nic_opts(ident, ifname=None, fd=None, mac="52:54:00:12:34:56"):
    """Options of a virtio-net NIC on a tap."""
    where = "fd=%d" % fd if fd is not None else "ifname=" + ifname
    if reference() and fd is None:
        where += ",script=no,downscript=no"
    return ["-netdev", "tap,id=%s,%s" % (ident, where),
            "-device", "virtio-net-device,netdev=%s,id=%s-dev,mac=%s" % (ident, ident, mac)]


def console_opts(where):
    """Options of a virtio console on a unix socket."""
    return ["-chardev", "socket,id=hvc,path=%s,server=on,wait=off" % where,
            "-device", "virtio-serial-device,id=hvc-bus",
            "-device", "virtconsole,chardev=hvc,id=hvc-port" + ("" if reference() else ",nr=0")]


def deny_uring():
    """Make io_uring_setup() fail with EPERM, as containers do (in a child)."""
    import ctypes
    import struct

    number = 425
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001),
            (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *c) for c in code))
    prog = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(program)))
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, prog):
        raise OSError("cannot install the filter")


def start(*extra, kernel="vmlinux", initrd="guest", append="", smp=1, mem="256M",
          console="ttyS0", serial=True, machine=None, script=None, wrap=(), pass_fds=(),
          uring=None, **kw):
    """Start a guest under stratovmm (LAB_VMM=qemu: QEMU); more options follow.

    @kernel, @initrd: image names or paths; initrd may be None
    @console: ttyS0, or hvc0 for a virtio console instead of the serial port
    @script: run in the guest at boot, see Vm.result()
    @uring: False denies io_uring (default: unless LAB_NO_URING is set)
    """
    name = _vm_name("vmm")
    serial_path, monitor = path(name + ".serial"), path(name + ".qmp")
    if script is not None:
        initrd = globals()["initrd"](script, base=initrd)
    append = "console=%s quiet panic=-1 reboot=k %s" % (console, append)
    if reference():
        if not shutil.which("qemu-system-x86_64"):
            raise Skip("qemu-system-x86_64 is not installed")
        argv = ["qemu-system-x86_64", "-accel", "kvm,kernel-irqchip=on", "-M",
                machine or "microvm,rtc=on,ioapic2=off", "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot"]
    else:
        argv = [stratovmm_path(), "-machine", machine or "microvm", "-accel", "kvm"]
    argv = list(wrap) + argv + [
        "-cpu", "host", "-name", name, "-smp", str(smp), "-m", mem,
        "-kernel", kernel if "/" in kernel else image(kernel), "-append", append.strip(),
        "-qmp", "unix:%s,server,nowait" % monitor]
    if initrd:
        argv += ["-initrd", initrd if "/" in initrd else image(initrd)]
    if console == "hvc0":
        argv += console_opts(serial_path)
    elif serial:
        argv += ["-chardev", "socket,id=serial0,path=%s,server=on,wait=off" % serial_path,
                 "-serial", "chardev:serial0"]
    if uring is None:
        uring = not os.environ.get("LAB_NO_URING")
    return Vm(argv + list(extra), name, serial_path, monitor, pass_fds=pass_fds,
              preexec_fn=None if uring else deny_uring, **kw)


def qemu_microvm(*extra, **options):
    """The reference: QEMU's microvm with RTC and in-kernel irqchip.

    Without its second IOAPIC, whose pins the in-kernel chip does not serve:
    virtio interrupts get lost there.
    """
    before = os.environ.get("LAB_VMM")
    os.environ["LAB_VMM"] = "qemu"
    try:
        return start(*extra, **options)
    finally:
        if before is None:
            del os.environ["LAB_VMM"]
        else:
            os.environ["LAB_VMM"] = before


# The test program -------------------------------------------------------


def main():
    """Run the caller's test_* functions; arguments select by name."""
    caller = sys.modules["__main__"]
    tests = [(n, f) for n, f in vars(caller).items() if n.startswith("test_") and callable(f)]
    wanted = sys.argv[1:]
    failed = 0
    for name, function in tests:
        if wanted and not any(w in name for w in wanted):
            continue
        begin = time.monotonic()
        mark = len(_undo)
        try:
            function()
            print("PASS %s (%.1f s)" % (name[5:], time.monotonic() - begin), flush=True)
        except Skip as why:
            print("SKIP %s: %s" % (name[5:], why), flush=True)
        except Exception as err:
            failed += 1
            kind = "" if isinstance(err, Failure) else type(err).__name__ + ": "
            print("FAIL %s: %s%s" % (name[5:], kind, " ".join(str(err).split())), flush=True)
            for line in traceback.format_exc().splitlines()[:-1]:
                print("# " + line)
        while len(_undo) > mark:
            function, args = _undo.pop()
            try:
                function(*args)
            except Exception as err:
                print("# undo: %s" % err)
    _cleanup()
    if not failed and _workdir:
        shutil.rmtree(_workdir, ignore_errors=True)
    sys.stdout.flush()
    sys.exit(1 if failed else 0)
