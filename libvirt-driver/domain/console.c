/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consoles: one client at a time on a guest's pty or socket. */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

enum {
    PTS_MAJOR_FIRST = 136, /* Documentation/admin-guide/devices.txt */
    PTS_MAJOR_LAST = 143,
};

struct DomainConsole {
    gatomicrefcount refs; /* client, whoever calls lost */
    Domain *dom;          /* owned */
    char *alias;          /* owned */
    int fd;               /* owned */
    GRecMutex lock;       /* held while lost is called */
    void (*lost)(gpointer user);
    gpointer user;
};

static void console_unref(DomainConsole *console)
{
    if (!g_atomic_ref_count_dec(&console->refs))
        return;
    fd_clear(&console->fd);
    g_rec_mutex_clear(&console->lock);
    g_free(console->alias);
    domain_unref(console->dom);
    g_free(console);
}

static void console_tell_lost(DomainConsole *console)
{
    void (*lost)(gpointer user);

    g_rec_mutex_lock(&console->lock);
    lost = console->lost;
    console->lost = NULL;
    if (lost)
        lost(console->user);
    g_rec_mutex_unlock(&console->lock);
    console_unref(console);
}

/* The path came from the VMM, which is not trusted: it must be a pty of the
 * guest's own user, opened without side effects. */
static int open_pty(const char *path, uid_t uid, GError **error)
{
    AUTO_FD fd = -1;
    struct termios raw;
    struct stat st;

    if (!g_str_has_prefix(path, "/dev/pts/") ||
        strspn(path + 9, "0123456789") != strlen(path + 9)) {
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR, "'%s' is no pty", path);
        return -1;
    }
    fd = open(path, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        vir_error_set_errno(error, errno, "cannot open the console '%s'", path);
        return -1;
    }
    if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR_FIRST ||
        major(st.st_rdev) > PTS_MAJOR_LAST || st.st_uid != uid) {
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "'%s' is no pty of the guest's user", path);
        return -1;
    }
    /* Bytes pass as they are; the terminal is at the client's end. */
    if (tcgetattr(fd, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(fd, TCSANOW, &raw);
    }
    return fd_steal(&fd);
}

static int open_socket(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);

    return connect_unix_at(dir, base, error);
}

static int open_chr(Domain *dom, const DomainChr *chr, GError **error)
{
    g_autoptr(DomainProc) proc = domain_proc_ref(dom);
    uid_t uid = !proc || proc->uid == (uid_t)-1 ? geteuid() : proc->uid;

    if (chr->type == DOMAIN_CHR_PTY && chr->path)
        return open_pty(chr->path, uid, error);
    if (chr->type == DOMAIN_CHR_UNIX && chr->path)
        return open_socket(chr->path, error);
    vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                  "character device %s is not using a PTY or a socket",
                  chr->dev.alias ? chr->dev.alias : "");
    return -1;
}

/* The console that holds this device, or NULL. With the lock. */
static DomainConsole *console_holder(Domain *dom, const char *alias)
{
    for (guint i = 0; i < dom->consoles->len; i++) {
        DomainConsole *console = g_ptr_array_index(dom->consoles, i);

        if (strcmp(console->alias, alias) == 0)
            return console;
    }
    return NULL;
}

/* Registers; whom it displaces comes back with a reference. */
static gboolean console_register(DomainConsole *console, gboolean force,
                                 DomainConsole **ret_old, GError **error)
{
    Domain *dom = console->dom;
    DOMAIN_LOCK(dom);

    if (dom->id < 0)
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "domain is not running");
    *ret_old = console_holder(dom, console->alias);
    if (*ret_old && !force)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "Active console session exists for this domain");
    if (*ret_old) {
        g_ptr_array_remove_fast(dom->consoles, *ret_old);
        g_atomic_ref_count_inc(&(*ret_old)->refs);
    }
    g_ptr_array_add(dom->consoles, console);
    return TRUE;
}

DomainConsole *domain_console_open(Domain *dom, const char *device, guint flags,
                                   void (*lost)(gpointer user), gpointer user,
                                   GError **error)
{
    g_autoptr(DefRef) ref = NULL;
    const DomainChr *chr;
    DomainConsole *console;
    DomainConsole *old = NULL;
    int fd;

    if (!domain_require_active(dom, error))
        return NULL;
    ref = domain_def_snapshot(dom);
    chr = domain_def_find_chr(ref->def, device);
    if (!chr) {
        vir_error_set(error, VIR_ERR_INTERNAL_ERROR,
                      "cannot find character device %s",
                      device ? device : "(first console)");
        return NULL;
    }
    fd = open_chr(dom, chr, error);
    if (fd < 0)
        return NULL;
    console = g_new0(DomainConsole, 1);
    g_atomic_ref_count_init(&console->refs);
    g_rec_mutex_init(&console->lock);
    console->dom = domain_ref(dom);
    console->alias = g_strdup(chr->dev.alias ? chr->dev.alias : "");
    console->fd = fd;
    console->lost = lost;
    console->user = user;
    if (!console_register(console, flags & VIR_DOMAIN_CONSOLE_FORCE, &old,
                          error)) {
        console_unref(console);
        return NULL;
    }
    if (old)
        console_tell_lost(old);
    return console;
}

int domain_console_fd(DomainConsole *console)
{
    return console->fd;
}

void domain_console_close(DomainConsole *console)
{
    if (!console)
        return;
    {
        DOMAIN_LOCK(console->dom);

        g_ptr_array_remove_fast(console->dom->consoles, console);
    }
    g_rec_mutex_lock(&console->lock);
    console->lost = NULL;
    g_rec_mutex_unlock(&console->lock);
    console_unref(console);
}

void consoles_lost(Domain *dom)
{
    for (;;) {
        DomainConsole *console = NULL;

        {
            DOMAIN_LOCK(dom);

            if (dom->consoles->len > 0) {
                console = g_ptr_array_remove_index_fast(dom->consoles, 0);
                g_atomic_ref_count_inc(&console->refs);
            }
        }
        if (!console)
            return;
        console_tell_lost(console);
    }
}
