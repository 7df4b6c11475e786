# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libmem.a
libmem_a_SOURCES =
