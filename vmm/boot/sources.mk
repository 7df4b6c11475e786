# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libboot.a
libboot_a_SOURCES = %D%/boot.h %D%/acpi.h
