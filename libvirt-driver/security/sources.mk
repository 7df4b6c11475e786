# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libsecurity.a
libsecurity_a_SOURCES = %D%/launch.c %D%/launch.h %D%/launch_proto.h

libexec_PROGRAMS += virtstratovirt-launch
virtstratovirt_launch_SOURCES = %D%/launch_helper.c %D%/launch_proto.h
