# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += librpc.a
librpc_a_SOURCES =
