# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += \
	%D%/boot \
	%D%/seccomp.py

# What booting costs, beside QEMU; in the lab.
bench:
	BUILD=$(abs_top_builddir) $(srcdir)/%D%/boot $(BENCH_ARGS)
.PHONY: bench
