/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What daemon and launch helper say to each other.
 *
 * They share a SOCK_SEQPACKET pair, descriptor 3 in the helper.  The daemon
 * sends messages whose first byte is their kind:
 *
 *   LAUNCH_DATA  a piece of the plan; descriptors ride along and are numbered
 *                from LAUNCH_FIRST_FD in the order they come
 *   LAUNCH_GO    the plan is complete: carry it out
 *
 * The plan is a row of NUL-ended "key=value" items; lists repeat their key,
 * order matters within a key only.  A helper that sees the end of the stream
 * before LAUNCH_GO exits without a trace: its daemon died.
 *
 * The helper answers with at most one message, the sentence that says which
 * step failed; the end of the stream without one means that the VMM runs.
 *
 * Keys:
 *   arg=TEXT       argv of the VMM, the first one is also its path
 *   env=NAME=VALUE its whole environment
 *   uid=N gid=N    become this user (both or none)
 *   namespace=DIR  private mount namespace; /dev is built on the directory DIR
 *   dev=PATH       further device nodes below /dev to have there
 *   listen=N       descriptor N (in the VMM) shall listen
 *   cgroup=N       write "0" into descriptor N, then close it
 *   pidfile=N      write pid, start time and boot id there, then close it
 *   log=N          standard output and error
 *   out=N          standard output, if it goes elsewhere
 *   nofile=N       limit of open descriptors
 */
#pragma once

enum {
    LAUNCH_SOCKET = 3,
    LAUNCH_FIRST_FD = 4,
    LAUNCH_MAX_FDS = 1024,
    LAUNCH_FDS_PER_MESSAGE = 128,
    LAUNCH_MESSAGE_BYTES = 32768,
    LAUNCH_MAX_PLAN_BYTES = 1024 * 1024,
    LAUNCH_DATA = 'D',
    LAUNCH_GO = 'G',
};
