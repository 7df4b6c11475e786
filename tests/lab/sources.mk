# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += \
	%D%/frames.py \
	%D%/guest/init \
	%D%/guest/powerkey.c \
	%D%/images.py \
	%D%/keeper.py \
	%D%/kvmprobe.py \
	%D%/l1/agent.py \
	%D%/l1/init \
	%D%/lab \
	%D%/packages.txt
