# SPDX-License-Identifier: LGPL-2.1-or-later
# The built daemon with the built VMM on /dev/kvm; skipped without KVM or root.
if ENABLE_DRIVER
dist_check_SCRIPTS += %D%/killed %D%/leaks %D%/multi
else
EXTRA_DIST += %D%/killed %D%/leaks %D%/multi
endif
EXTRA_DIST += %D%/harness.py
# Where the daemon looks for its files below its root.
export localstatedir
export runstatedir
export sysconfdir
