# SPDX-License-Identifier: LGPL-2.1-or-later
dist_check_SCRIPTS += \
	%D%/test-lab
LAB_TESTS = \
	%D%/t/10-qemu \
	%D%/t/20-vmm-boot \
	%D%/t/21-vmm-console \
	%D%/t/22-vmm-disk \
	%D%/t/23-vmm-net \
	%D%/t/24-vmm-power \
	%D%/t/25-vmm-qmp \
	%D%/t/26-vmm-disk-no-uring \
	%D%/t/27-vmm-examples \
	%D%/t/50-virsh-basic \
	%D%/t/51-guest-data \
	%D%/t/52-restart \
	%D%/t/53-console \
	%D%/t/54-events \
	%D%/t/55-privilege \
	%D%/t/57-polkit \
	%D%/t/58-activation \
	%D%/t/59-systemd
EXTRA_DIST += \
	$(LAB_TESTS) \
	%D%/README.md \
	%D%/frames.py \
	%D%/guest/blkzero.c \
	%D%/guest/init \
	%D%/guest/powerkey.c \
	%D%/images.py \
	%D%/keeper.py \
	%D%/kvmprobe.py \
	%D%/l1/agent.py \
	%D%/l1/init \
	%D%/lab \
	%D%/lib.py \
	%D%/packages.txt \
	%D%/suite \
	%D%/virt.py

# Real guests under real KVM, in an emulated host where this one has none.
check-lab:
	BUILD=$(abs_top_builddir) $(srcdir)/%D%/suite $(LAB_ARGS)
.PHONY: check-lab
