# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon under test, its clients and its guests' definitions.

In an L1 the programs are installed where a package would put them and the
daemon uses the real paths, so that plain `stratovirt:///system` is what is
tested.  On a host whose own KVM is real everything lives below a folder of
the test instead, and clients get `?socket=` in their URI.
"""

import fcntl
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time

import lib

IN_L1 = os.path.isdir("/lab/out")
GUEST_LINE = "console=ttyS0 quiet panic=-1 reboot=k"


def libvirt():
    """The Python binding, with its event loop in a thread of its own."""
    global _libvirt
    if _libvirt is None:
        import libvirt as module

        module.virEventRegisterDefaultImpl()
        module.registerErrorHandler(lambda *_: None, None)

        def loop():
            while True:
                module.virEventRunDefaultImpl()

        threading.Thread(target=loop, daemon=True).start()
        _libvirt = module
    return _libvirt


_libvirt = None


def install():
    """Copies of the programs in RAM, as a package would place them."""
    built = os.path.join(lib.BUILD, "libvirt-driver/virtstratovirtd")
    if not os.access(built, os.X_OK):
        raise lib.Skip("virtstratovirtd is not built (BUILD=%s)" % lib.BUILD)
    places = {
        "daemon": (built, "/usr/sbin/virtstratovirtd"),
        "helper": (os.path.join(lib.BUILD, "libvirt-driver/virtstratovirt-launch"),
                   "/usr/libexec/virtstratovirt-launch"),
        "vmm": (lib.stratovmm_path(), "/usr/bin/stratovmm"),
    }
    found = {}
    for name, (source, target) in places.items():
        if not IN_L1:
            target = lib.path("bin" + target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        tmp = target + ".new"
        shutil.copyfile(source, tmp)
        os.chmod(tmp, 0o755)
        os.rename(tmp, target)
        found[name] = target
    return found


def conf_text(keys):
    def value(v):
        if isinstance(v, (list, tuple)):
            return "[%s]" % ", ".join(value(x) for x in v)
        return '"%s"' % v if isinstance(v, str) else str(int(v))

    return "".join("%s = %s\n" % (k, value(v)) for k, v in keys.items())


class Daemon:
    """virtstratovirtd with its files; started by start()."""

    def __init__(self, daemon_conf=None, driver_conf=None, args=(), session_user=None):
        self.bin = install()
        self.user = session_user
        self.args = list(args)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        self.root = "" if IN_L1 else lib.path("root")
        if session_user:
            entry = pwd.getpwnam(session_user)
            self.env.update(HOME=entry.pw_dir, USER=session_user, LOGNAME=session_user,
                            XDG_RUNTIME_DIR="/run/user/%d" % entry.pw_uid)
            conf = entry.pw_dir + "/.config/libvirt"
            self.config = conf + "/stratovirt"
            self.run = self.env["XDG_RUNTIME_DIR"] + "/libvirt/stratovirt/run"
            self.lib = self.config + "/lib"
            self.logs = entry.pw_dir + "/.cache/libvirt/stratovirt/log"
            self.sock = self.env["XDG_RUNTIME_DIR"] + "/libvirt/virtstratovirtd-sock"
            self.sock_ro = None
        else:
            conf = self.root + "/etc/libvirt"
            self.config = conf + "/stratovirt"
            self.run = self.root + "/run/libvirt/stratovirt"
            self.lib = self.root + "/var/lib/libvirt/stratovirt"
            self.logs = self.root + "/var/log/libvirt/stratovirt"
            self.sock = self.root + "/run/libvirt/virtstratovirtd-sock"
            self.sock_ro = self.sock + "-ro"
        self.conf_dir = conf
        self.log = lib.path("daemon.log")
        self.daemon_conf = {"auth_unix_rw": "none", "auth_unix_ro": "none"}
        if session_user:
            self.daemon_conf = {}
        self.daemon_conf.update(daemon_conf or {})
        self.driver_conf = {} if IN_L1 else {"emulator": self.bin["vmm"],
                                             "launch_helper": self.bin["helper"]}
        self.driver_conf.update(driver_conf or {})
        self.proc = None
        self.shells = {}
        if IN_L1 and not session_user:
            self.stop_other()
        self.wipe()
        self.write_conf()
        lib.undo(self.cleanup)

    # Files ---------------------------------------------------------------

    def as_user(self, *argv):
        return ["setpriv", "--reuid=" + self.user, "--regid=" + self.user, "--init-groups",
                *argv] if self.user else list(argv)

    def write_conf(self):
        lib.run(*self.as_user("mkdir", "-p", self.conf_dir))
        for name, keys in (("virtstratovirtd.conf", self.daemon_conf),
                           ("stratovirt.conf", self.driver_conf)):
            with open(os.path.join(self.conf_dir, name), "w") as handle:
                handle.write(conf_text(keys))

    def wipe(self):
        for folder in (self.config, self.run, self.lib, self.logs):
            shutil.rmtree(folder, ignore_errors=True)

    def stop_other(self):
        """End a daemon that a demo left in this L1, and its guests."""
        pids = list(self.pids().values())
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if os.readlink("/proc/%s/exe" % entry).startswith(self.bin["daemon"]):
                        pids.append(int(entry))
                except OSError:
                    pass
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            lib.wait_gone(pid)

    # Life ----------------------------------------------------------------

    def start(self, wait=True, wrap=(), args=()):
        """Start the daemon; returns when it listens (and answers)."""
        lib.check(not self.proc or self.proc.poll() is not None, "the daemon runs already")
        argv = list(wrap) + [self.bin["daemon"], "-v"] + self.args + list(args)
        if self.root:
            argv += ["--root", self.root]
        env = dict(self.env)
        env.setdefault("LIBVIRT_LOG_OUTPUTS", "1:stderr")
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(self.as_user(*argv), stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, env=env)
        self.pid = self.proc.pid
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            try:
                lib.connect(self.sock, 0).close()
                return
            except lib.Failure:
                lib.check(self.proc.poll() is None, "the daemon ended with status %s: %s" % (
                    self.proc.poll(), self.log_text()[-800:]))
                lib.check(time.monotonic() < deadline, "the daemon does not listen")
                time.sleep(0.02)  # a file that appears: nothing else to wait for

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """End it; its exit status."""
        for shell in list(self.shells.values()):
            shell.close()
        self.shells = {}
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait(10)
            raise lib.Failure("the daemon did not end in %d s" % timeout) from None

    def crash(self):
        self.stop(signal.SIGKILL)

    def restart(self, sig=signal.SIGKILL):
        self.stop(sig)
        return self.start()

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def pids(self):
        """Processes of guests, by their pid files: name -> pid."""
        found = {}
        for entry in os.listdir(self.run) if os.path.isdir(self.run) else ():
            if entry.endswith(".pid") and entry != "driver.pid":
                with open(os.path.join(self.run, entry)) as handle:
                    words = handle.read().split()
                if words:
                    found[entry[:-4]] = int(words[0])
        return found

    def guest_log(self, name):
        with open(os.path.join(self.logs, name + ".log"), errors="replace") as log:
            return log.read()

    def cleanup(self):
        """No guest, no daemon, no file is left behind."""
        if self.proc and self.proc.poll() is None:
            self.stop(signal.SIGKILL)
        for pid in self.pids().values():
            try:
                os.kill(pid, signal.SIGKILL)
                lib.wait_gone(pid)
            except ProcessLookupError:
                pass
        if os.path.isdir(self.logs) and os.path.isdir(lib.workdir()):
            for name in os.listdir(self.logs):
                shutil.copy(os.path.join(self.logs, name), lib.path("guest-" + name))
        self.wipe()
        for name in ("virtstratovirtd.conf", "stratovirt.conf"):
            path = os.path.join(self.conf_dir, name)
            if os.path.exists(path):
                os.unlink(path)

    # Clients -------------------------------------------------------------

    def uri(self, readonly=False):
        if self.user:
            return "stratovirt:///session"
        if not self.root:
            return "stratovirt:///system"
        return "stratovirt:///system?socket=" + (self.sock_ro if readonly else self.sock)

    def virsh_argv(self, *words, readonly=False):
        return self.as_user("virsh", *(["-r"] if readonly else []), "-c", self.uri(readonly),
                            *words)

    def virsh_run(self, *words, readonly=False, timeout=60, **kw):
        """A virsh of its own; CompletedProcess, output and errors together."""
        kw.setdefault("env", self.env)
        return lib.run(*self.virsh_argv(*words, readonly=readonly), ok=False, timeout=timeout,
                       stdin=subprocess.DEVNULL, **kw)

    def virsh(self, command, readonly=False, timeout=90):
        """A command in a virsh that stays: its output; errors fail the test."""
        shell = self.shells.get(readonly)
        if not shell or not shell.alive():
            shell = self.shells[readonly] = Shell(self, readonly)
        output = shell.run(command, timeout)
        error = re.search(r"^error: .*", output, re.M | re.S)
        if error:
            raise VirshError(command, error.group(0).strip())
        return output

    def wait_domstate(self, name, wanted, timeout=60):
        """Until `virsh domstate --reason` says so."""
        deadline = time.monotonic() + timeout
        while True:
            got = self.virsh("domstate --reason " + name).strip()
            if got == wanted:
                return
            lib.check(time.monotonic() < deadline, "state is '%s', wanted '%s'" % (got, wanted))

    def fails(self, command, *patterns, **kw):
        """The command must fail; each pattern must be in its error."""
        try:
            output = self.virsh(command, **kw)
        except VirshError as err:
            for pattern in patterns:
                lib.check(re.search(pattern, err.text), "virsh %s: %r does not match %r" % (
                    command, err.text, pattern))
            return err.text
        raise lib.Failure("virsh %s succeeded: %s" % (command, output))

    def open(self, readonly=False):
        """A libvirt-python connection (system mode)."""
        module = libvirt()
        conn = module.openReadOnly(self.uri(True)) if readonly else module.open(self.uri())
        lib.undo(close_quietly, conn)
        return conn

    def console(self, name, *flags, timeout=60):
        """`virsh console` on a terminal, connected."""
        con = self.terminal("console", name, *flags)
        con.wait_for(r"Escape character is \^\]", timeout)
        # virsh then drops what was typed and makes its terminal raw.
        deadline = time.monotonic() + timeout
        while con.proc.poll() is None and termios.tcgetattr(con.fd)[3] & termios.ICANON:
            lib.check(time.monotonic() < deadline, "virsh leaves its terminal as it was")
            time.sleep(0.02)  # a terminal's mode has no event
        return con

    def terminal(self, *words):
        """virsh on a terminal of its own, as a lib.Console with .proc."""
        master, slave = os.openpty()
        attrs = termios.tcgetattr(slave)
        attrs[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, attrs)

        def own_tty():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        proc = subprocess.Popen(self.virsh_argv(*words), stdin=slave, stdout=slave, stderr=slave,
                                env=dict(self.env, TERM="dumb"), preexec_fn=own_tty)
        os.close(slave)
        lib.undo(end_process, proc)
        con = lib.Console(master, "virsh-" + "-".join(w for w in words if w[0] != "-"))
        con.proc = proc
        return con

    # What may leak ---------------------------------------------------------

    def footprint(self):
        """What a daemon without guests holds: descriptors, tasks, files."""
        fds = {}
        folder = "/proc/%d/fd" % self.pid
        for fd in os.listdir(folder):
            try:
                target = re.sub(r"\d+", "N", os.readlink(os.path.join(folder, fd)))
            except OSError:
                continue
            fds[target] = fds.get(target, 0) + 1
        files = []
        for top in (self.run, self.lib, self.config):
            for where, _, names in os.walk(top):
                files += [os.path.join(where, n) for n in names]
                files.append(where)
        children = lib.run("ps", "--no-headers", "-o", "pid,stat,args", "--ppid", str(self.pid),
                           ok=False).stdout
        threads = len(os.listdir("/proc/%d/task" % self.pid))
        mounts = sum(1 for _ in open("/proc/%d/mountinfo" % self.pid))
        return {"fds": fds, "files": sorted(files), "children": children, "threads": threads,
                "mounts": mounts}


def setup(*args, **kw):
    """A started Daemon; the whole test file is skipped where none was built."""
    try:
        return Daemon(*args, **kw).start()
    except lib.Skip as why:
        print("SKIP all: %s" % why)
        sys.exit(77)


def close_quietly(conn):
    try:
        conn.close()
    except Exception:
        pass


def end_process(proc):
    if proc.poll() is None:
        proc.kill()
        proc.wait(10)


class VirshError(lib.Failure):
    def __init__(self, command, text):
        super().__init__("virsh %s: %s" % (command, text))
        self.text = text


class Shell:
    """An interactive virsh on pipes; each command ends with a marker."""

    def __init__(self, daemon, readonly):
        argv = ["stdbuf", "-oL"] + daemon.virsh_argv(readonly=readonly)
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT,
                                     env=dict(daemon.env, TERM="dumb", COLUMNS="9999"))
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.text = ""
        self.count = 0
        self.log = open(lib.path("virsh.log"), "a")
        lib.undo(end_process, self.proc)

    def alive(self):
        return self.proc.poll() is None

    def read_to(self, marker, timeout):
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.proc.stdout], [], [], left)[0]:
                raise lib.Failure("virsh: no end in %d s: %r" % (timeout, self.text[-400:]))
            data = os.read(self.proc.stdout.fileno(), 65536).decode("utf-8", "replace")
            lib.check(data, "virsh ended: %r" % self.text[-400:])
            self.log.write(data)
            self.log.flush()
            self.text += data
        output, self.text = self.text.split(marker, 1)
        return output

    def run(self, command, timeout):
        self.count += 1
        marker = "end-of-%d" % self.count
        self.proc.stdin.write(("%s\necho %s\n" % (command, marker)).encode())
        self.proc.stdin.flush()
        # readline prints prompt and command, and the marker's line again
        output = self.read_to("echo %s\n%s" % (marker, marker), timeout)
        output = re.sub(r"(?s)^.*?virsh [#>] [^\n]*\n", "", output, count=1)
        output = re.sub(r"\n?virsh [#>] $", "", output)
        return output.strip("\n") + "\n" if output.strip() else ""

    def close(self):
        try:
            self.proc.stdin.close()
            self.proc.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            end_process(self.proc)


# Definitions ----------------------------------------------------------------


def disk_xml(source, target="vda", block=False, serial=None, readonly=False, cache=None):
    return "<disk type='%s' device='disk'><driver name='qemu' type='raw'%s/><source %s='%s'/>" \
        "<target dev='%s' bus='virtio'/>%s%s</disk>" % (
            "block" if block else "file", " cache='%s'" % cache if cache else "",
            "dev" if block else "file", source, target,
            "<readonly/>" if readonly else "", "<serial>%s</serial>" % serial if serial else "")


def nic_xml(tap=None, bridge=None, mac=None, managed=None):
    return "<interface type='%s'>%s%s%s<model type='virtio'/></interface>" % (
        "bridge" if bridge else "ethernet",
        "<mac address='%s'/>" % mac if mac else "",
        "<source bridge='%s'/>" % bridge if bridge else "",
        "<target dev='%s'%s/>" % (tap, " managed='%s'" % managed if managed else "")
        if tap else "")


SERIAL_PTY = "<serial type='pty'/>"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


def guest_xml(name, devices=SERIAL_PTY, append="", initrd=None, kernel=None, smp=1, mib=256,
              outside="", line=GUEST_LINE, emulator=None):
    """A domain of the lab's stock kernel and initramfs."""
    return """<domain type='kvm'>
  <name>%s</name>
  <memory unit='MiB'>%d</memory>
  <vcpu>%d</vcpu>
  <os>
    <type arch='x86_64' machine='microvm'>hvm</type>
    <kernel>%s</kernel>
    <initrd>%s</initrd>
    <cmdline>%s</cmdline>
  </os>
  %s
  <devices>%s%s<memballoon model='none'/></devices>
</domain>
""" % (name, mib, smp, kernel or lib.image("vmlinux"), initrd or lib.image("guest"),
       (line + " " + append).strip().replace("&", "&amp;").replace("<", "&lt;"), outside,
       "<emulator>%s</emulator>" % emulator if emulator else "", devices)


def write_xml(name, text):
    where = lib.path(name + ".xml")
    with open(where, "w") as handle:
        handle.write(text)
    os.chmod(where, 0o644)
    return where


def define(daemon, name, *args, **kw):
    """Define a guest by virsh."""
    out = daemon.virsh("define " + write_xml(name, guest_xml(name, *args, **kw)))
    lib.check("Domain '%s' defined from" % name in out, out)


class Events:
    """Every event of a connection in order, as comparable tuples."""

    def __init__(self, conn, dom=None):
        self.libvirt = libvirt()
        self.conn = conn
        self.seen = []
        self.cond = threading.Condition()
        self.ids = []
        known = [v for n, v in vars(self.libvirt).items()
                 if n.startswith("VIR_DOMAIN_EVENT_ID_") and n != "VIR_DOMAIN_EVENT_ID_LAST"]
        for number in sorted(known):
            handler = self.life if number == 0 else self.other
            self.ids.append(conn.domainEventRegisterAny(dom, number, handler, number))

    def add(self, item):
        with self.cond:
            self.seen.append(item)
            self.cond.notify_all()

    def life(self, conn, dom, event, detail, number):
        self.add((dom.name(), "lifecycle", event, detail, dom.ID()))

    def other(self, conn, dom, *rest):
        self.add((dom.name(), rest[-1]) + tuple(rest[:-1]))

    def wait_for(self, wanted, timeout=60):
        """Until an event fits @wanted (a prefix, None fits all); returns it."""
        deadline = time.monotonic() + timeout
        with self.cond:
            done = 0
            while True:
                for item in self.seen[done:]:
                    if all(w is None or w == i for w, i in zip(wanted, item)):
                        return item
                done = len(self.seen)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise lib.Failure("no event %r in %d s, only %r" % (
                        wanted, timeout, self.seen))
                self.cond.wait(left)

    def take(self):
        with self.cond:
            seen, self.seen = self.seen, []
        return seen

    def close(self):
        for ident in self.ids:
            self.conn.domainEventDeregisterAny(ident)


def wait_state(dom, wanted, timeout=60, events=None):
    """Until a libvirt-python domain is in (state, reason)."""
    deadline = time.monotonic() + timeout
    while True:
        got = tuple(dom.state())
        if got == tuple(wanted):
            return
        lib.check(time.monotonic() < deadline, "state is %r, wanted %r" % (got, wanted))
        time.sleep(0.05)  # asked over and over: the state has no descriptor


def status(pid):
    """/proc/PID/status as a dictionary."""
    with open("/proc/%d/status" % pid) as handle:
        return dict(line.rstrip("\n").split(":\t", 1) for line in handle if ":\t" in line)


if __name__ == "__main__":
    sys.exit("virt.py is imported by tests")
