# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libutil.a
libutil_a_SOURCES =
