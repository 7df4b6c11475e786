# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdev.a
libdev_a_SOURCES = %D%/acpi_dev.h %D%/serial.h
