# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libstate.a
libstate_a_SOURCES =
