# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES =
