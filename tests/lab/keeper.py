# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process that owns one L1: starts it, watches it, passes frames.

States: starting -> up -> (stuck -> starting) | dead.  A stuck L1 is one whose
heartbeat is lost, or whose kernel reports soft lockups; that can happen to an
emulated SMP host and says nothing about the command it was running, so the
keeper starts it anew, counts it, and lets the client decide to repeat.
"""

import ctypes
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

import frames

HERE = os.path.dirname(os.path.abspath(__file__))
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
PING_SECONDS = 2
LOCKUP = re.compile(rb"soft lockup|rcu_\w+ (?:self-)?detected stall|detected stalls on CPUs")
MAX_BACKLOG = 16 << 20


def env_int(name, default):
    return int(os.environ.get(name) or default)


def die_with_parent():
    """The child ends when the keeper does (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """QEMU and its share daemons."""

    def __init__(self, state, images):
        self.state = state
        self.images = images
        self.procs = []
        self.id = uuid.uuid4()

    def path(self, name):
        return os.path.join(self.state, name)

    def share(self, tag, source, cache, readonly):
        """Start virtiofsd for one share; returns QEMU's options for it."""
        path = self.path(tag + ".sock")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen(1)
            daemon = [VIRTIOFSD, "--fd=0", "-o", "source=" + source,
                      "-o", "sandbox=chroot", "-o", cache, "-o", "log_level=err"]
            # Belt and braces: to its own daemon, too, the root is read-only.
            protect = "mount -o remount,bind,ro / 2>/dev/null; " if readonly else ""
            argv = ["unshare", "-m", "--propagation", "private",
                    "sh", "-c", protect + 'exec "$@"', "sh"] + daemon
            if os.getuid():
                argv = ["sudo", "-n"] + argv
            with open(self.path("virtiofsd.log"), "ab") as log:
                self.procs.append(subprocess.Popen(argv, stdin=sock, stdout=log, stderr=log))
        return ["-chardev", "socket,id=%s,path=%s" % (tag, path),
                "-device", "vhost-user-fs-pci,chardev=%s,tag=%s,queue-size=1024" % (tag, tag)]

    def scratch(self):
        """A sparse ext4 disk for what RAM cannot show (O_DIRECT, real blocks)."""
        path = self.path("scratch.img")
        with open(path, "wb") as disk:
            disk.truncate(env_int("LAB_DISK_MB", 4096) << 20)
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-F", path], check=True,
                       stdin=subprocess.DEVNULL)
        return ["-drive", "file=%s,if=none,id=scratch,format=raw,cache=unsafe,discard=unmap" % path,
                "-device", "virtio-blk-pci,drive=scratch,serial=scratch"]

    def start(self):
        for name in os.listdir(self.state):
            if name.endswith(".sock") and name != "ctl.sock":
                os.unlink(self.path(name))
        out = self.path("out")
        os.makedirs(out, exist_ok=True)
        memory = "%dM" % env_int("LAB_MEM", 3072)
        append = [
            "console=ttyS0 quiet panic=-1 softlockup_panic=0",
            "lab.modules=" + self.images["modules"],
            "lab.agent=" + os.path.join(HERE, "l1/agent.py"),
            "lab.init=" + os.environ.get("LAB_INIT", ""),
            "lab.id=" + self.id.hex,
            "lab.name=lab-" + self.id.hex[:8],
            "lab.kvm=" + (os.environ.get("LAB_KVM_MODE") or "660"),
            os.environ.get("LAB_APPEND", ""),
        ]
        argv = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi",
            "-cpu", os.environ.get("LAB_CPU") or "max,+svm,-la57",
            "-M", "q35,memory-backend=mem", "-smp", str(env_int("LAB_CPUS", 2)), "-m", memory,
            "-object", "memory-backend-memfd,id=mem,size=%s,share=on" % memory,
            "-uuid", str(self.id), "-name", "lab",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
            "-kernel", self.images["vmlinux"], "-initrd", self.images["l1"],
            "-append", " ".join(append).strip(),
            "-serial", "file:" + self.path("serial.log"),
            "-qmp", "unix:%s,server=on,wait=off" % self.path("qmp.sock"),
            "-device", "virtio-serial-pci",
            "-chardev", "socket,id=agent,path=%s,server=on,wait=off" % self.path("agent.sock"),
            "-device", "virtserialport,chardev=agent,name=lab.agent",
            "-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng",
        ]
        argv += self.share("root", "/", "cache=always", True)
        argv += self.share("fresh", "/", "cache=auto,timeout=0", True)
        argv += self.share("out", out, "cache=auto,timeout=0", False)
        argv += self.scratch()
        with open(self.path("qemu.log"), "ab") as log:
            self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         preexec_fn=die_with_parent)
        self.procs.append(self.qemu)

    def connect(self):
        """Socket of the agent's port, once QEMU made it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.qemu.poll() is None:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(self.path("agent.sock"))
                sock.setblocking(False)
                return sock
            except OSError:
                sock.close()
                time.sleep(0.05)
        return None

    def monitor(self, *commands):
        """Human monitor commands; what a post-mortem wants to know."""
        text = ""
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                sock.connect(self.path("qmp.sock"))
                stream = sock.makefile("rw")
                stream.readline()
                for request in [{"execute": "qmp_capabilities"}] + [
                    {"execute": "human-monitor-command", "arguments": {"command-line": line}}
                    for line in commands
                ]:
                    stream.write(json.dumps(request) + "\n")
                    stream.flush()
                    answer = {}
                    while "return" not in answer and "error" not in answer:
                        answer = json.loads(stream.readline())
                    text += str(answer.get("return", "")) + "\n"
        except (OSError, ValueError) as err:
            text += "no monitor: %s\n" % err
        return text

    def stop(self):
        for proc in reversed(self.procs):  # QEMU first; the daemons follow it
            if proc is self.qemu and proc.poll() is None:
                proc.kill()
            try:
                proc.wait(10)
            except subprocess.TimeoutExpired:
                proc.terminate()
        self.procs = []


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.reader = frames.Reader()
        self.out = bytearray()
        self.chans = {}  # client's channel -> ours
        self.waiting = False


class Keeper:
    def __init__(self, state, images, listener):
        self.state_dir = state
        self.images = images
        self.listener = listener
        self.machine = None
        self.port = None
        self.state = "starting"
        self.why = ""
        self.stuck = 0
        self.sel = selectors.DefaultSelector()
        self.clients = set()
        self.chans = {}  # our channel -> (client, its channel)
        self.next_chan = 1
        self.idle_since = time.monotonic()
        self.quit = False

    # L1 -----------------------------------------------------------------

    def boot(self):
        self.machine = Machine(self.state_dir, self.images)
        self.reader = frames.Reader()
        self.port_out = bytearray()
        self.state, self.why = "starting", ""
        self.lockups = 0
        self.log_at = 0
        now = time.monotonic()
        self.heard, self.pinged, self.stepped, self.booted = now, now, now, now
        self.machine.start()
        self.port = self.machine.connect()
        if self.port:
            self.sel.register(self.port, selectors.EVENT_READ, "port")

    def halt(self):
        if self.port:
            self.sel.unregister(self.port)
            self.port.close()
            self.port = None
        self.machine.stop()

    def keep_logs(self, reason):
        """Copy the evidence away before the next start overwrites it."""
        kept = sorted(d for d in os.listdir(self.state_dir) if d.startswith("failed-"))
        for old in kept[:-4]:
            shutil.rmtree(os.path.join(self.state_dir, old), ignore_errors=True)
        where = os.path.join(self.state_dir, "failed-%s-%d" % (reason, int(time.time())))
        os.makedirs(where, exist_ok=True)
        for name in ("serial.log", "qemu.log", "virtiofsd.log"):
            path = os.path.join(self.state_dir, name)
            if os.path.exists(path):
                shutil.copy(path, where)
        if self.machine.qemu.poll() is None:
            with open(os.path.join(where, "monitor.log"), "w") as log:
                log.write(self.machine.monitor(
                    "info status", "info registers -a", "info lapic 0", "info lapic 1",
                    "info registers -a"))
        return where

    def lose(self, reason, text):
        """L1 is gone or useless: tell everyone who waits for it."""
        where = self.keep_logs(reason)
        self.why = "%s (logs in %s)" % (text, where)
        if reason == "stuck":
            self.stuck += 1
            with open(os.path.join(self.state_dir, "stuck"), "a") as count:
                count.write("%s %s\n" % (time.strftime("%FT%T"), self.why))
        lost = frames.pack(frames.LOST, 0, json.dumps({"why": reason, "text": self.why}).encode())
        for client in {c for c, _ in self.chans.values()} | {c for c in self.clients if c.waiting}:
            if reason == "dead" or not client.waiting:
                client.out += lost
                client.waiting = False
        self.chans.clear()
        self.halt()
        self.state = "dead"
        if reason == "stuck" and self.stuck < 20:
            self.boot()

    def judge(self, now):
        """Heartbeat and health, once per step."""
        if self.state == "dead":
            return
        if now - self.stepped > 5:  # this process itself was held up
            self.heard = now
        self.stepped = now
        self.scan_log()
        silent = now - self.heard
        limit = env_int("LAB_STUCK", 60)
        if self.machine.qemu.poll() is not None:
            self.lose("dead", "L1 ended by itself")
        elif self.state == "starting":
            if not self.port or now - self.booted > env_int("LAB_BOOT", 120):
                self.lose("stuck" if self.port else "dead", "L1 did not come up")
        elif silent > limit or (self.lockups and silent > 10) or self.lockups >= 4:
            self.lose("stuck", "L1 was stuck")
        elif now - self.pinged >= PING_SECONDS:
            self.pinged = now
            self.port_out += frames.pack(frames.PING, 0)

    def scan_log(self):
        try:
            with open(os.path.join(self.state_dir, "serial.log"), "rb") as log:
                log.seek(self.log_at)
                data = log.read(65536)
        except FileNotFoundError:
            return
        end = data.rfind(b"\n") + 1
        self.log_at += end
        self.lockups += len(LOCKUP.findall(data[:end]))

    def port_frame(self, kind, chan, data):
        if kind == frames.HELLO:
            self.state = "up"
            for client in self.clients:
                if client.waiting:
                    client.waiting = False
                    client.out += self.answer()
            return
        entry = self.chans.get(chan)
        if not entry:
            return
        client, theirs = entry
        if kind == frames.EXIT:
            del self.chans[chan]
            client.chans.pop(theirs, None)
            if json.loads(data).get("timeout") and self.lockups > client.lockups:
                self.lose("stuck", "L1 had soft lockups")
                client.out += frames.pack(frames.LOST, 0, json.dumps(
                    {"why": "stuck", "text": self.why}).encode())
                return
        client.out += frames.pack(kind, theirs, data)

    # Clients ------------------------------------------------------------

    def answer(self):
        info = {
            "state": self.state, "why": self.why, "stuck": self.stuck, "pid": os.getpid(),
            "qemu": self.machine.qemu.pid, "uuid": str(self.machine.id),
            "commands": len(self.chans), "out": os.path.join(self.state_dir, "out"),
            "images": self.images,
        }
        return frames.pack(frames.ASK, 0, json.dumps(info).encode())

    def ask(self, client, what):
        if what == "wait" and self.state == "dead":
            self.boot()
        if what == "wait" and self.state == "starting":
            client.waiting = True
            return
        if what == "down":
            self.quit = True
        client.out += self.answer()

    def client_frame(self, client, kind, chan, data):
        if kind == frames.ASK:
            self.ask(client, json.loads(data).get("op"))
        elif kind == frames.RUN:
            if self.state != "up":
                client.out += frames.pack(frames.LOST, 0, json.dumps(
                    {"why": self.state, "text": self.why or "L1 is not up"}).encode())
                return
            ours, self.next_chan = self.next_chan, self.next_chan + 1
            client.chans[chan] = ours
            client.lockups = self.lockups
            self.chans[ours] = (client, chan)
            self.port_out += frames.pack(kind, ours, data)
        elif chan in client.chans:
            self.port_out += frames.pack(kind, client.chans[chan], data)

    def drop(self, client):
        self.sel.unregister(client.sock)
        client.sock.close()
        self.clients.discard(client)
        for ours in client.chans.values():
            if self.chans.pop(ours, None) and self.port:
                self.port_out += frames.pack(frames.KILL, ours)

    def client_event(self, client, mask):
        try:
            if mask & selectors.EVENT_READ:
                data = client.sock.recv(65536)
                if not data:
                    self.drop(client)
                    return
                for frame in client.reader.feed(data):
                    self.client_frame(client, *frame)
            if mask & selectors.EVENT_WRITE and client.out:
                del client.out[: client.sock.send(client.out[:262144])]
        except BlockingIOError:
            pass
        except OSError:
            self.drop(client)

    def port_event(self, mask):
        try:
            if mask & selectors.EVENT_READ:
                data = self.port.recv(262144)
                self.heard = time.monotonic()
                for frame in self.reader.feed(data):
                    self.port_frame(*frame)
            if self.port and mask & selectors.EVENT_WRITE and self.port_out:
                del self.port_out[: self.port.send(self.port_out[:65536])]
        except BlockingIOError:
            pass
        except OSError:
            pass  # judge() sees that QEMU ended

    def watch(self):
        behind = any(len(c.out) > MAX_BACKLOG for c in self.clients)
        if behind:
            self.heard = time.monotonic()  # the silence is ours
        if self.port:
            mask = 0 if behind else selectors.EVENT_READ
            mask |= selectors.EVENT_WRITE if self.port_out else 0
            self.sel.modify(self.port, mask or selectors.EVENT_WRITE, "port")
        full = len(self.port_out) > MAX_BACKLOG
        for client in self.clients:
            mask = 0 if full else selectors.EVENT_READ
            mask |= selectors.EVENT_WRITE if client.out else 0
            self.sel.modify(client.sock, mask or selectors.EVENT_WRITE, client)

    def loop(self):
        idle_limit = env_int("LAB_IDLE", 60) * 60
        self.sel.register(self.listener, selectors.EVENT_READ, "listener")
        self.boot()
        while not self.quit or any(c.out for c in self.clients):
            self.watch()
            for key, mask in self.sel.select(1):
                if key.data == "listener":
                    sock, _ = self.listener.accept()
                    sock.setblocking(False)
                    client = Client(sock)
                    self.clients.add(client)
                    self.sel.register(sock, selectors.EVENT_READ, client)
                elif key.data == "port":
                    if self.port:
                        self.port_event(mask)
                elif key.data in self.clients:
                    self.client_event(key.data, mask)
            now = time.monotonic()
            self.judge(now)
            if self.clients:
                self.idle_since = now
            elif now - self.idle_since > idle_limit:
                self.quit = True
        self.halt()
        for name in ("ctl.sock", "scratch.img"):
            path = os.path.join(self.state_dir, name)
            if os.path.exists(path):
                os.unlink(path)


def spawn(state, images):
    """Start a keeper in the background; its socket is there on return."""
    path = os.path.join(state, "ctl.sock")
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    if os.fork():
        listener.close()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    log = os.open(os.path.join(state, "keeper.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, listener.fileno())
    os.closerange(listener.fileno() + 1, 256)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keeper = Keeper(state, images, listener)
    try:
        keeper.loop()
    finally:
        if keeper.machine:
            keeper.machine.stop()
    os._exit(0)
