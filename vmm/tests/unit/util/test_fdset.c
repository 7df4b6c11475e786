/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Passed descriptors: access modes, numbering, names. */
#include <config.h>

#include "util/fdset.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int temp_file(int flags)
{
    char path[] = "/tmp/test_fdset_XXXXXX";
    int fd = mkstemp(path);
    int again;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    again = open(path, flags);
    assert_true(again >= 0);
    close(fd);
    unlink(path);
    return again;
}

static void expect_open(const char *path, int flags, int code, const char *msg)
{
    Err e = ERR_INIT;

    assert_int_equal(path_open(path, flags, 0, &e), -code);
    assert_string_equal(e.msg, msg);
}

static void test_modes(void **state)
{
    Err e = ERR_INIT;
    int64_t set;
    char byte;
    int fd;

    (void)state;
    assert_int_equal(fdset_add(7, temp_file(O_RDONLY), "img", &set, &e), 0);
    assert_int_equal(set, 7);
    fd = path_open("/dev/fdset/7", O_RDONLY, 0, &e);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'a');
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    expect_open("/dev/fdset/7", O_RDWR, EACCES,
                "cannot open '/dev/fdset/7': the set has no read-write "
                "descriptor");
    expect_open("/dev/fdset/8", O_RDWR, ENOENT,
                "cannot open '/dev/fdset/8': no descriptor was added to set 8 "
                "with -add-fd or add-fd");
    assert_int_equal(fdset_add(7, temp_file(O_RDWR), NULL, NULL, &e), 0);
    fd = path_open("/dev/fdset/7", O_RDWR | O_APPEND | O_TRUNC, 0, &e);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_APPEND);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
    assert_int_equal(fdset_remove(7, -1, &e), 0);
    assert_int_equal(fdset_remove(7, -1, &e), -ENOENT);
    assert_string_equal(e.msg, "there is no descriptor set 7");
}

static void collect(void *arg, int64_t set, int fd, const char *opaque)
{
    char *text = arg;

    (void)fd;
    sprintf(text + strlen(text), "%d%s ", (int)set, opaque ? opaque : "");
}

static void test_numbers(void **state)
{
    Err e = ERR_INIT;
    char text[64] = "";
    int64_t set;

    (void)state;
    assert_int_equal(fdset_add(2, temp_file(O_RDONLY), "c", NULL, &e), 0);
    assert_int_equal(fdset_add(0, temp_file(O_RDONLY), "a", NULL, &e), 0);
    assert_int_equal(fdset_add(-1, temp_file(O_RDONLY), "b", &set, &e), 0);
    assert_int_equal(set, 1);
    assert_int_equal(fdset_add(0, temp_file(O_RDONLY), NULL, NULL, &e), 0);
    fdset_each(collect, text);
    assert_string_equal(text, "0a 0 1b 2c ");
    assert_int_equal(fdset_remove(1, 99999, &e), -ENOENT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fdset_remove(i, -1, &e), 0);
    assert_int_equal(fdset_add(1, 99999, NULL, NULL, &e), -EBADF);
}

static void test_paths(void **state)
{
    (void)state;
    assert_true(path_is_fdset("/dev/fdset/0"));
    assert_false(path_is_fdset("/dev/fdset/"));
    assert_false(path_is_fdset("/dev/fdset/1x"));
    assert_false(path_is_fdset("/dev/fdset/-1"));
    assert_false(path_is_fdset("/dev/fdset/99999999999999999999"));
    expect_open("/nonexistent/x", O_RDONLY, ENOENT,
                "cannot open '/nonexistent/x': No such file or directory");
}

static void test_names(void **state)
{
    Err e = ERR_INIT;
    int first = temp_file(O_RDONLY);
    int second = temp_file(O_RDONLY);

    (void)state;
    assert_int_equal(fdname_put("tap", first, &e), 0);
    assert_int_equal(fdname_put("tap", second, &e), 0);
    assert_int_equal(fcntl(first, F_GETFD), -1);
    assert_int_equal(fdname_take("tap"), second);
    assert_int_equal(fdname_take("tap"), -1);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
