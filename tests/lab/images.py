# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernels, guest images and the L1 initramfs, made from Debian packages.

Everything is made once and kept in $STRATOVMM_CACHE (default
$XDG_CACHE_HOME/stratovmm), outside the tree, in folders whose names carry the
package versions and a hash of the recipe.  A folder is built beside its final
place under a lock and renamed, so readers see all of it or nothing.
"""

import contextlib
import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL_META = "linux-image-cloud-amd64"

# Modules of each initramfs, in loading order; dependencies are looked up.
L1_MODULES = "virtio_pci virtiofs overlay"
GUEST_MODULES = (
    "virtio_mmio virtio_pci virtio_blk virtio_net virtio_console virtio-rng "
    "virtio_balloon virtio_scsi sd_mod button evdev"
)
GUEST_APPLETS = (
    "ash awk base64 basename blkdiscard blockdev cat chmod chroot cmp cp cttyhack cut "
    "date dd df dirname dmesg du echo egrep env expr false fdisk find fold "
    "free grep gunzip gzip halt head hexdump hostname id ifconfig insmod ip "
    "kill ln ls lsmod md5sum mkdir mkfifo mknod mktemp modprobe mount mv nc "
    "nproc od ping poweroff printf ps pwd readlink reboot reset rm rmdir "
    "rmmod route sed seq setsid sh sha256sum sleep sort stat stty sum "
    "switch_root sync sysctl tail tar tee telnet test time timeout top touch "
    "tr true truncate tty udhcpc umount uname uniq uptime usleep vi wc wget "
    "which xargs xxd yes zcat"
)


class ImageError(Exception):
    """One sentence that names the culprit and the remedy."""


def cache_dir():
    base = os.environ.get("STRATOVMM_CACHE")
    if not base:
        xdg = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(xdg, "stratovmm")
    path = Path(base)
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def call(*argv, **kw):
    """Run a tool that must succeed; its output belongs to the error."""
    res = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    if res.returncode:
        tail = res.stdout.decode(errors="replace").strip().splitlines()[-3:]
        raise ImageError("%s failed: %s" % (argv[0], " / ".join(tail)))
    return res.stdout


def need(*tools):
    for tool, package in tools:
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise ImageError("'%s' is missing: install the package %s" % (tool, package))


def candidate(package):
    """(version, depends) that apt would install, or None without lists."""
    out = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout.decode()
    version = re.search(r"^Version: (\S+)", out, re.M)
    depends = re.search(r"^Depends: (.*)", out, re.M)
    return version and (version.group(1), depends.group(1) if depends else "")


def fetch(package, version, into):
    """Download a package (apt checks its signature) and unpack it."""
    with tempfile.TemporaryDirectory(dir=into.parent) as tmp:
        # The download's own user cannot write there; apt then warns.
        call("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
             "%s=%s" % (package, version), cwd=tmp)
        (deb,) = Path(tmp).glob("*.deb")
        call("dpkg-deb", "-x", str(deb), str(into))


def extract_vmlinux(bzimage):
    """The ELF kernel inside a bzImage (x86 boot protocol 2.08 and later)."""
    data = bzimage.read_bytes()
    if data[0x202:0x206] != b"HdrS":
        raise ImageError("%s is not a bzImage" % bzimage)
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1F1] or 4) + 1) * 512 + offset
    payload = data[start : start + length - 4]  # the size follows the stream
    if payload[:2] == b"\x1f\x8b":
        elf = gzip.decompress(payload)
    elif payload[:6] == b"\xfd7zXZ\0":
        elf = lzma.decompress(payload)
    else:
        tool = {b"\x02!L\x18": "lz4", b"(\xb5/\xfd": "zstd"}.get(payload[:4])
        if not tool:
            raise ImageError("the payload of %s has an unknown compression" % bzimage)
        need((tool, tool))
        elf = subprocess.run(
            [tool, "-dc"], input=payload, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout
    if elf[:4] != b"\x7fELF":
        raise ImageError("no ELF kernel came out of %s" % bzimage)
    return elf


def say(text):
    print("lab: %s" % text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock(cache):
    with open(cache / "lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_folder(cache, name, what, build):
    """Make cache/name by build(folder) unless it is there already."""
    final = cache / name
    if final.is_dir():
        return final
    with lock(cache):
        if final.is_dir():
            return final
        say("making %s (once, kept in %s)" % (what, cache))
        tmp = Path(tempfile.mkdtemp(prefix=".new-", dir=cache))
        try:
            build(tmp)
            tmp.chmod(0o755)
            tmp.rename(final)
        except BaseException:
            shutil.rmtree(tmp, ignore_errors=True)
            raise
    return final


def newest(cache, pattern):
    found = sorted(cache.glob(pattern), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else None


def kernel(cache):
    """Folder with vmlinuz, vmlinux, release, and lib/modules/RELEASE."""
    meta = candidate(KERNEL_META)
    match = meta and re.search(r"(linux-image-([\w.+-]+)) \(= ([^)]+)\)", meta[1])
    if not match:
        have = newest(cache, "kernel-*")
        if have:
            return have
        raise ImageError("apt knows no %s: run 'apt-get update' first" % KERNEL_META)
    package, release, version = match.groups()

    def build(folder):
        need(("dpkg-deb", "dpkg"), ("depmod", "kmod"))
        tree = folder / "tree"
        fetch(package, version, tree)
        shutil.move(tree / "boot" / ("vmlinuz-" + release), folder / "vmlinuz")
        shutil.move(tree / "boot" / ("config-" + release), folder / "config")
        (folder / "usr/lib").mkdir(parents=True)
        src = tree / "lib/modules"
        shutil.move(src if src.is_dir() else tree / "usr/lib/modules", folder / "usr/lib/modules")
        (folder / "lib").symlink_to("usr/lib")
        shutil.rmtree(tree)
        call("/sbin/depmod", "-b", str(folder), release)
        (folder / "vmlinux").write_bytes(extract_vmlinux(folder / "vmlinuz"))
        (folder / "release").write_text(release + "\n")

    return build_folder(cache, "kernel-" + version.replace(":", "_"), "kernel " + release, build)


def module_files(kdir, names):
    """Module files in loading order, dependencies first, each once."""
    release = (kdir / "release").read_text().strip()
    files = []
    for name in names.split():
        out = call("/sbin/modprobe", "-d", str(kdir), "-S", release, "-D", name).decode()
        for line in out.splitlines():
            word = line.split()
            if word[:1] == ["insmod"] and word[1] not in files:
                files.append(word[1])
    return files


def userland(folder, kdir, busybox, modules, init):
    """An initramfs tree: busybox, modules with their order, /init."""
    for sub in "bin dev etc lib/modules mnt proc root run sbin sys tmp".split():
        (folder / sub).mkdir(parents=True)
    shutil.copy2(busybox, folder / "bin/busybox")
    order = []
    for path in module_files(kdir, modules):
        shutil.copy(path, folder / "lib/modules")
        order.append("/lib/modules/" + os.path.basename(path))
    (folder / "lib/modules/order").write_text("\n".join(order) + "\n")
    shutil.copy(init, folder / "init")
    (folder / "init").chmod(0o755)


def pack(tree, image, append=b""):
    """cpio archive of a folder, owned by root, reproducible."""
    names = sorted(str(p.relative_to(tree)) for p in tree.rglob("*"))
    res = subprocess.run(
        ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet", "--reproducible"],
        input="\n".join(names).encode(), stdout=subprocess.PIPE, cwd=tree, check=True)
    image.write_bytes(append + gzip.compress(res.stdout, 1, mtime=0))


def recipe_hash():
    """Everything that shapes the images: this file and what it packs."""
    digest = hashlib.sha256()
    parts = [Path(__file__)] + sorted((HERE / "guest").iterdir()) + [HERE / "l1" / "init"]
    for path in parts:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def root_disk(guest, disk):
    """Bootable ext4 disk: the guest's userland with an init of its own."""
    tree = guest.parent / "root"
    shutil.copytree(guest, tree, symlinks=True)
    shutil.rmtree(tree / "lib/modules")
    (tree / "lib/modules").mkdir()
    (tree / "init").rename(tree / "sbin/init")
    (tree / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (tree / "etc/lab-disk").write_text("root disk of the lab\n")
    with open(disk, "wb") as handle:
        handle.truncate(64 << 20)
    # A fixed UUID and hash seed: the same recipe gives the same disk.
    call("/sbin/mke2fs", "-q", "-t", "ext4", "-F", "-L", "labroot", "-d", str(tree),
         "-E", "root_owner=0:0,hash_seed=6c616200-0000-4000-8000-000000000001",
         "-U", "6c616200-0000-4000-8000-000000000000", str(disk))
    shutil.rmtree(tree)


def guest_images(cache, kdir):
    """Folder with l1.img, guest.img, guest-nokey.img and root.img."""
    box = candidate("busybox-static")
    if not box:
        have = newest(cache, "images-*-%s" % recipe_hash())
        if have:
            return have
        raise ImageError("apt knows no busybox-static: run 'apt-get update' first")
    name = "images-%s-%s-%s" % (kdir.name[7:], re.sub(r"[^\w.+-]", "_", box[0]), recipe_hash())

    def build(folder):
        need(("cpio", "cpio"), ("cc", "gcc"), ("mke2fs", "e2fsprogs"), ("modprobe", "kmod"))
        box_dir = folder / "busybox"
        fetch("busybox-static", box[0], box_dir)
        busybox = next(p for p in (box_dir / "bin/busybox", box_dir / "usr/bin/busybox") if p.exists())
        l1 = folder / "l1"
        userland(l1, kdir, busybox, L1_MODULES, HERE / "l1/init")
        pack(l1, folder / "l1.img")
        guest = folder / "guest"
        userland(guest, kdir, busybox, GUEST_MODULES, HERE / "guest/init")
        for applet in GUEST_APPLETS.split():
            (guest / "bin" / applet).symlink_to("busybox")
        (guest / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\n")
        (guest / "etc/group").write_text("root:x:0:\n")
        for source in sorted((HERE / "guest").glob("*.c")):
            call("cc", "-static", "-Os", "-s", "-Wall", "-Werror", "-o",
                 str(guest / "bin" / source.stem), str(source))
        pack(guest, folder / "guest.img")
        flag = folder / "flag"
        (flag / "etc").mkdir(parents=True)
        (flag / "etc/ignore-power-key").write_text("")
        pack(flag, folder / "guest-nokey.img", (folder / "guest.img").read_bytes())
        root_disk(guest, folder / "root.img")
        for tree in (box_dir, l1, guest, flag):
            shutil.rmtree(tree)

    return build_folder(cache, name, "guest images", build)


def ensure():
    """Make what is missing; returns name -> path of every image."""
    cache = cache_dir()
    kdir = kernel(cache)
    idir = guest_images(cache, kdir)
    return {
        "release": (kdir / "release").read_text().strip(),
        "modules": str(kdir / "usr/lib/modules"),
        "bzimage": str(kdir / "vmlinuz"),
        "vmlinux": str(kdir / "vmlinux"),
        "l1": str(idir / "l1.img"),
        "guest": str(idir / "guest.img"),
        "guest_nokey": str(idir / "guest-nokey.img"),
        "root": str(idir / "root.img"),
    }
