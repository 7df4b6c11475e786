# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libproxy.a
libproxy_a_SOURCES =
