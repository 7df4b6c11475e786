# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += librpc.a
librpc_a_SOURCES = %D%/call.c %D%/client.c %D%/client_io.c \
	%D%/codec.c %D%/codec.h %D%/keepalive.c %D%/peer.c %D%/peer.h \
	%D%/polkit.c %D%/polkit.h \
	%D%/protocol.c %D%/protocol.h %D%/server.c %D%/server.h \
	%D%/server_info.c %D%/server_priv.h %D%/stream.c %D%/stream.h %D%/stream_fd.c \
	%D%/wire_error.c %D%/wire_error.h %D%/worker.c %D%/worker.h

# Layouts and their XDR functions come out of remote.x at build time.
EXTRA_DIST += %D%/remote.x
BUILT_SOURCES += %D%/remote_xdr.h %D%/remote_xdr.inc
CLEANFILES += %D%/remote_xdr.h %D%/remote_xdr.inc

%D%/remote_xdr.h: %D%/remote.x %D%/sources.mk
	$(AM_V_GEN)$(MKDIR_P) %D% && rm -f $@-t && \
	$(RPCGEN) -i 0 -h -o $@-t $(srcdir)/%D%/remote.x && \
	$(SED) -e 's/_[A-Z_]*RPCGEN/_REMOTE_XDR_H/' $@-t > $@-u && \
	rm -f $@-t && mv $@-u $@

%D%/remote_xdr.inc: %D%/remote.x %D%/sources.mk
	$(AM_V_GEN)$(MKDIR_P) %D% && rm -f $@-t && \
	$(RPCGEN) -i 0 -c -o $@-t $(srcdir)/%D%/remote.x && \
	$(SED) -e '/^#include/d' -e 's/xdr_string (/xdr_string_checked (/' \
	    $@-t > $@-u && rm -f $@-t && mv $@-u $@

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/rpc/test_codec
tests_unit_rpc_test_codec_SOURCES = tests/unit/rpc/test_codec.c
tests_unit_rpc_test_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rpc_test_codec_LDADD = $(ROW_rpc) $(TEST_LIBS)

# The raw client of the tests here and in dispatch/.
check_LIBRARIES += librawclient.a
librawclient_a_SOURCES = tests/unit/rpc/raw_client.c tests/unit/rpc/raw_client.h
librawclient_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

check_PROGRAMS += tests/unit/rpc/test_server
tests_unit_rpc_test_server_SOURCES = tests/unit/rpc/test_server.c
tests_unit_rpc_test_server_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rpc_test_server_LDADD = librawclient.a $(ROW_rpc) $(TEST_LIBS)
check_PROGRAMS += tests/unit/rpc/test_worker
tests_unit_rpc_test_worker_SOURCES = tests/unit/rpc/test_worker.c
tests_unit_rpc_test_worker_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rpc_test_worker_LDADD = $(ROW_rpc) $(TEST_LIBS)
check_PROGRAMS += tests/unit/rpc/test_polkit
tests_unit_rpc_test_polkit_SOURCES = tests/unit/rpc/test_polkit.c
tests_unit_rpc_test_polkit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_rpc_test_polkit_LDADD = librawclient.a $(ROW_rpc) $(TEST_LIBS)
endif
