# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libblock.a
libblock_a_SOURCES = %D%/block.h
