/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread with a GMainContext whose descriptors share one epoll GSource.
 *
 * GLib polls every descriptor of a context in every round, which thousands of
 * guests and clients would feel; here the context sees one epoll descriptor
 * however many are watched.  Timers are sorted in the same source.
 *
 * Threads.  Watches and timers belong to the loop's thread: they are added,
 * changed and deleted there, and their callbacks run there.  Other threads
 * use ev_loop_post().  A callback may delete any watch or timer, its own
 * included; after that the callback does not run any more.
 */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

typedef struct EvLoop EvLoop;
typedef struct EvWatch EvWatch;
typedef struct EvTimer EvTimer;

typedef void (*EvFn)(gpointer user);
/* @events: EPOLL* bits that are set. */
typedef void (*EvWatchFn)(gpointer user, guint32 events);

/**
 * ev_loop_new() - Start a loop and its thread
 * @name: of the thread, 15 characters at most
 *
 * Return: the loop, never NULL; a system that has no descriptors or threads
 *         left for it is reported through @error with NULL
 */
EvLoop *ev_loop_new(const char *name, GError **error);
/* Stops and joins the thread (not from itself).  What was posted before still
 * runs; watches and timers that are left are freed without a call. */
void ev_loop_free(EvLoop *loop);

/* For GLib sources and D-Bus objects that shall live on this thread. */
GMainContext *ev_loop_context(EvLoop *loop);
gboolean ev_loop_is_current(EvLoop *loop);

/* Run @fn on the loop's thread, in the order of the posts; any thread. */
void ev_loop_post(EvLoop *loop, EvFn fn, gpointer user);
/* The same and wait until it ran; not from the loop's thread. */
void ev_loop_call(EvLoop *loop, EvFn fn, gpointer user);

/**
 * ev_watch_add() - Call @fn when a descriptor is ready
 * @fd:     borrowed; delete the watch before closing it
 * @events: EPOLLIN and so on; level-triggered
 *
 * Return: the watch, NULL when the kernel refuses (errno is set)
 */
EvWatch *ev_watch_add(EvLoop *loop, int fd, guint32 events, EvWatchFn fn,
                      gpointer user);
void ev_watch_mod(EvWatch *watch, guint32 events);
void ev_watch_del(EvWatch *watch); /* NULL is fine */

/* One shot; the timer is gone when @fn runs. */
EvTimer *ev_timer_add(EvLoop *loop, guint delay_ms, EvFn fn, gpointer user);
void ev_timer_del(EvTimer *timer); /* NULL is fine */
