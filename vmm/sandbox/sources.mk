# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libsandbox.a
libsandbox_a_SOURCES =
