# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = \
	%D%/caps.c %D%/caps.h \
	%D%/device_schema.c \
	%D%/device_validate.c \
	%D%/domain_caps.c \
	%D%/domain_def.c %D%/domain_def.h \
	%D%/domain_defaults.c \
	%D%/domain_machine.c %D%/domain_machine.h \
	%D%/domain_metadata.c \
	%D%/domain_rng.c \
	%D%/domain_schema.c %D%/domain_schema.h \
	%D%/domain_validate.c \
	%D%/validate_priv.h \
	%D%/vmm_caps.c %D%/vmm_caps.h \
	%D%/xml_doc.c \
	%D%/xml_format.c \
	%D%/xml_parse.c %D%/xml_table.h
nodist_libconf_a_SOURCES = %D%/domain_rng_text.c

# The schema travels inside the program, so that it always fits the tables.
domain_rng = $(top_srcdir)/schemas/stratovirt-domain.rng
%D%/domain_rng_text.c: $(domain_rng)
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	{ echo '#include <config.h>'; \
	  echo '#include "conf/domain_schema.h"'; \
	  echo 'const char domain_rng_text[] ='; \
	  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' \
	    -e 's/$$/\\n"/' $(domain_rng); \
	  echo ';'; } >$@.tmp && mv $@.tmp $@
BUILT_SOURCES += %D%/domain_rng_text.c
CLEANFILES += %D%/domain_rng_text.c
schemadir = $(pkgdatadir)/schemas
schema_DATA = $(domain_rng)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/conf/test_schema tests/unit/conf/test_domain_def \
	tests/unit/conf/test_caps
tests_unit_conf_test_schema_SOURCES = tests/unit/conf/test_schema.c
tests_unit_conf_test_schema_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_conf_test_schema_LDADD = $(ROW_conf) $(TEST_LIBS)
tests_unit_conf_test_domain_def_SOURCES = tests/unit/conf/test_domain_def.c
tests_unit_conf_test_domain_def_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_conf_test_domain_def_LDADD = $(ROW_conf) $(TEST_LIBS)
tests_unit_conf_test_caps_SOURCES = tests/unit/conf/test_caps.c
tests_unit_conf_test_caps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_conf_test_caps_LDADD = $(ROW_conf) $(TEST_LIBS)
endif
