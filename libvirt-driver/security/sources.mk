# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libsecurity.a
libsecurity_a_SOURCES =
