# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libbus.a
libbus_a_SOURCES =
