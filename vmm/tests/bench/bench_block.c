/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a disk request costs: random 4 KiB reads of a file by a Block, on
 * io_uring and on helper threads, one at a time and 32 at once.
 *
 * usage: bench_block FILE [SECONDS]     (FILE is made, 256 MiB, when missing)
 */
#include <config.h>

#include "block/block.h"

#include "util/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX  32
#define READ_BYTES 4096
#define FILE_BYTES (256ULL << 20)

typedef struct Slot {
    BlockReq req;
    struct iovec iov;
} Slot;

static Loop *loop;
static Block *block;
static Slot slots[DEPTH_MAX];
static uint64_t done, errors;
static unsigned in_flight;
static bool stopping;
static uint64_t seed = 88172645463325252ULL;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void start(Slot *slot)
{
    uint64_t blocks = block_size(block) / READ_BYTES;

    slot->req.off = next_random() % blocks * READ_BYTES;
    in_flight++;
    block_submit(block, &slot->req);
}

static void read_done(BlockReq *req, int res)
{
    in_flight--;
    done++;
    errors += res < 0;
    if (!stopping)
        start(container_of(req, Slot, req));
    else
        loop_wake(loop);
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void measure(const char *what, unsigned depth, double duration)
{
    double begin = seconds(), cpu = cpu_seconds(), took;

    done = errors = 0;
    stopping = false;
    for (unsigned i = 0; i < depth; i++)
        start(&slots[i]);
    while (seconds() - begin < duration)
        loop_turn(loop, 100);
    took = seconds() - begin;
    printf("%-22s depth %2u  %9.0f reads/s  %6.2f us of processor each%s\n",
           what, depth, (double)done / took,
           (cpu_seconds() - cpu) * 1e6 / (double)done,
           errors ? "  WITH ERRORS" : "");
    stopping = true;
    while (in_flight)
        loop_turn(loop, -1);
}

static int run(const char *path, bool direct, bool threads, double duration,
               Err *e)
{
    BlockConf conf = { .id = "d",
                       .file = path,
                       .readonly = true,
                       .direct = direct,
                       .direct_given = true,
                       .aio = threads ? BLOCK_AIO_THREADS : BLOCK_AIO_URING };
    char what[64];
    int r;

    r = block_open(&block, &conf, NULL, NULL, e);
    if (r == 0)
        r = block_attach(block, loop, e);
    if (r < 0)
        return r;
    snprintf(what, sizeof(what), "%s, %s", threads ? "threads" : "io_uring",
             direct ? "O_DIRECT" : "page cache");
    measure(what, 1, duration);
    measure(what, DEPTH_MAX, duration);
    block_detach(block);
    block_close(block);
    return 0;
}

static int make_file(const char *path)
{
    static uint8_t buf[1 << 20];
    int fd CLEANUP(fd_close) = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    if (fd < 0)
        return 0; /* it is there, or opening it will tell why not */
    for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(buf)) {
        memset(buf, (int)(at >> 20) | 1, sizeof(buf));
        if (write(fd, buf, sizeof(buf)) != sizeof(buf))
            return -1;
    }
    return fsync(fd);
}

int main(int argc, char **argv)
{
    double duration = argc > 2 ? atof(argv[2]) : 2;
    Err e = ERR_INIT;
    int r;

    if (argc < 2 || make_file(argv[1]) < 0) {
        fprintf(stderr, "usage: %s FILE [SECONDS]\n", argv[0]);
        return 2;
    }
    r = loop_new(&loop, "bench", &e);
    if (r == 0)
        r = pool_start(loop, POOL_THREADS_DEFAULT, &e);
    for (unsigned i = 0; i < DEPTH_MAX; i++) {
        slots[i].iov =
            (struct iovec){ aligned_alloc(4096, READ_BYTES), READ_BYTES };
        slots[i].req = (BlockReq){ .op = BLOCK_READ,
                                   .iov = &slots[i].iov,
                                   .niov = 1,
                                   .len = READ_BYTES,
                                   .done = read_done };
    }
    for (int i = 0; i < 4 && r == 0; i++)
        r = run(argv[1], i & 1, i & 2, duration, &e);
    if (r < 0)
        fprintf(stderr, "%s\n", e.msg);
    return r < 0;
}
