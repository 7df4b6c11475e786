# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built daemon under a folder of its own, with the built VMM on /dev/kvm.

Guests are started paused with a kernel that only halts, so nothing here needs
a machine whose KVM is fast, nor an image.  Every test has one overall deadline.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.abspath(os.environ.get("top_builddir") or os.path.join(HERE, "../.."))
SYSCONFDIR = os.environ.get("sysconfdir", "/etc")
RUNSTATEDIR = os.environ.get("runstatedir", "/run")
LOCALSTATEDIR = os.environ.get("localstatedir", "/var")
DEADLINE = 110
DAEMON = os.path.join(TOP, "libvirt-driver/virtstratovirtd")
HELPER = os.path.join(TOP, "libvirt-driver/virtstratovirt-launch")
VMM = os.path.join(TOP, "vmm/stratovmm")
KVM_GET_API_VERSION = 0xAE00
SOCKET_PATH_MAX = 107

libvirt = None
undo = []
daemons = []


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(got, wanted, what):
    check(got == wanted, "%s: %r, wanted %r" % (what, got, wanted))


def need():
    """Skip the test where it cannot run."""
    global libvirt
    if os.geteuid():
        skip("not root: guests get user ids of their own")
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(kvm, KVM_GET_API_VERSION)
        os.close(kvm)
    except OSError as err:
        skip("/dev/kvm: " + err.strerror)
    for program in (DAEMON, HELPER, VMM):
        if not os.access(program, os.X_OK):
            skip(program + " is not built")
    with open(VMM, "rb") as handle:
        image = handle.read()
    if b"__asan_init" in image or b"__tsan_init" in image:
        skip("a VMM with sanitizers does not run under its seccomp filters")
    try:
        import libvirt as module
    except ImportError:
        skip("python3-libvirt is not installed")
    libvirt = module
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def loop():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()


def wait_for(what, condition, timeout=60):
    """Until condition() is true; its value.  For what nobody announces."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, "no %s in %d s" % (what, timeout))
        time.sleep(0.01)


def halting_kernel():
    """An ELF image that halts at its entry."""
    code = b"\xf4\xeb\xfd"
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0x1000000, 64, 0, 0,
                       64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 4096, 0x1000000, 0x1000000, len(code), len(code),
                          4096)
    return (head + segment).ljust(4096, b"\0") + code


def read(path):
    try:
        with open(path, errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def parent_and_state(pid):
    """(parent, state) of a process; None when there is none."""
    words = read("/proc/%s/stat" % pid).rpartition(")")[2].split()
    return (int(words[1]), words[0]) if words else None


class Daemon:
    def __init__(self, driver_conf=None, daemon_conf=None):
        self.top = tempfile.mkdtemp(prefix="sv-")
        os.chmod(self.top, 0o755)
        undo.append(self.cleanup)
        daemons.append(self)
        self.root = os.path.join(self.top, "r")
        self.conf_dir = self.root + SYSCONFDIR + "/libvirt"
        self.run = self.root + RUNSTATEDIR + "/libvirt/stratovirt"
        self.lib = self.root + LOCALSTATEDIR + "/lib/libvirt/stratovirt"
        self.logs = self.root + LOCALSTATEDIR + "/log/libvirt/stratovirt"
        self.sock = self.root + RUNSTATEDIR + "/libvirt/virtstratovirtd-sock"
        if len(self.sock) > SOCKET_PATH_MAX:
            skip("the socket's path is too long: " + self.sock)
        self.log = self.path("daemon.log")
        self.kernel = self.path("kernel")
        with open(self.kernel, "wb") as handle:
            handle.write(halting_kernel())
        self.vmm = self.copy(VMM)
        self.driver_conf = {"emulator": self.vmm, "launch_helper": self.copy(HELPER),
                            "machined": 0, **(driver_conf or {})}
        self.daemon_conf = {"auth_unix_rw": "none", "auth_unix_ro": "none",
                            **(daemon_conf or {})}
        self.proc = None
        self.conns = []

    def path(self, name):
        return os.path.join(self.top, name)

    def copy(self, program):
        """A copy that a guest's user may reach, whatever the build tree's modes."""
        target = self.path(os.path.basename(program))
        shutil.copyfile(program, target)
        os.chmod(target, 0o755)
        return target

    def write_conf(self):
        os.makedirs(self.conf_dir, exist_ok=True)
        for name, keys in (("virtstratovirtd.conf", self.daemon_conf),
                           ("stratovirt.conf", self.driver_conf)):
            with open(os.path.join(self.conf_dir, name), "w") as handle:
                for key, value in keys.items():
                    handle.write("%s = %s\n" % (
                        key, '"%s"' % value if isinstance(value, str) else value))

    def start(self):
        self.write_conf()
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
               "LIBVIRT_LOG_OUTPUTS": "3:stderr"}
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen([DAEMON, "--root", self.root], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, env=env)
        self.pid = self.proc.pid
        wait_for("listening daemon", self.answers)
        return self

    def answers(self):
        check(self.proc.poll() is None, "the daemon ended: " + read(self.log)[-800:])
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def stop(self, sig=signal.SIGTERM):
        while self.conns:
            try:
                self.conns.pop().close()
            except libvirt.libvirtError:
                pass
        self.proc.send_signal(sig)
        return self.proc.wait(60)

    def restart(self, sig=signal.SIGTERM):
        self.stop(sig)
        return self.start()

    def connect(self):
        """A bare socket to the daemon."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(60)
            sock.connect(self.sock)
        except OSError:
            sock.close()
            raise
        return sock

    def open(self):
        conn = libvirt.open("stratovirt+unix:///system?socket=" + self.sock)
        self.conns.append(conn)
        return conn

    def xml(self, name, devices="", kernel=None, initrd=""):
        return """<domain type='kvm'><name>%s</name><memory unit='MiB'>128</memory>
<vcpu>1</vcpu><os><type arch='x86_64' machine='microvm'>hvm</type><kernel>%s</kernel>%s</os>
<devices>%s<memballoon model='none'/></devices></domain>""" % (
            name, kernel or self.kernel, initrd, devices)

    def vmms(self):
        """Processes that run a VMM or the helper of this test."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                words = read("/proc/%s/cmdline" % entry).split("\0")
                if any(w.startswith(self.top + "/") for w in words[:2]) \
                        and DAEMON not in words[:1]:
                    found.append(int(entry))
        return found

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.pid))

    def memory_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", read("/proc/%d/status" % self.pid)).group(1))

    def fds(self):
        """What each kind of open descriptor is held how often."""
        found = {}
        folder = "/proc/%d/fd" % self.pid
        for fd in os.listdir(folder):
            try:
                target = re.sub(r"\d+", "N", os.readlink(os.path.join(folder, fd)))
            except OSError:
                continue
            found[target] = found.get(target, 0) + 1
        return found

    def footprint(self):
        """What the daemon holds and what lies in its folders."""
        files = []
        for top in (self.run, self.lib, self.logs, self.conf_dir):
            for where, folders, names in os.walk(top):
                files += [os.path.join(where, n) for n in folders + names]
        children = [p for p in os.listdir("/proc") if p.isdigit()
                    and (parent_and_state(p) or (0,))[0] == self.pid]
        scopes = [os.path.join(where, n) for where, folders, _ in os.walk("/sys/fs/cgroup")
                  for n in folders if "stratovirt" in n]
        return {"fds": self.fds(), "files": sorted(files), "children": children,
                "vmms": self.vmms(), "mounts": read("/proc/%d/mountinfo" % self.pid).count("\n"),
                "scopes": scopes}

    def settled(self, wanted, what):
        """The footprint becomes the one that is wanted."""
        end = time.monotonic() + 20
        while True:
            got = self.footprint()
            if got == wanted:
                return
            check(time.monotonic() < end, "%s: %s" % (what, "; ".join(
                "%s %r, wanted %r" % (k, got[k], wanted[k]) for k in wanted if got[k] != wanted[k])))
            time.sleep(0.02)

    def cleanup(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait(10)
        for pid in self.vmms():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.top, ignore_errors=True)


def give_up(*_):
    raise AssertionError("the test did not end in %d s" % DEADLINE)


def main(*tests):
    """Run the tests; the process ends with their verdict in any case."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(DEADLINE)
    # A test that hangs in the client library never sees the signal's exception.
    guard = threading.Timer(DEADLINE + 5, end, (1,))
    guard.daemon = True
    guard.start()
    status = 0
    for test in tests:
        before = time.monotonic()
        try:
            test()
            print("ok %s (%.1f s)" % (test.__name__, time.monotonic() - before), flush=True)
        except BaseException:
            traceback.print_exc()
            for daemon in daemons:
                print(read(daemon.log)[-3000:], file=sys.stderr)
            print("not ok " + test.__name__, flush=True)
            status = 1
            break
    end(status)


def end(status):
    for step in reversed(undo):
        step()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
