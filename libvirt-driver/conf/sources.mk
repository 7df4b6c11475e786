# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = %D%/domain_def.h %D%/vmm_caps.h
