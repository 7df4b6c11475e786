/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tests/fuzz/replay.c - runs a fuzz target without a fuzzer.
 *
 * Gives the target every seed of $srcdir/tests/fuzz/seeds/NAME, or the files
 * named as arguments, and FUZZ_RUNS (500) changed copies of each.  The changes
 * come from a fixed generator, so a failure can be repeated.
 */
#include <config.h>

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SEED (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
extern const char fuzz_name[];

static uint64_t random_state = 1;

static uint32_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

/* One change: a byte, a cut, a repetition, or a piece of syntax. */
static size_t change(uint8_t *data, size_t len)
{
    static const char syntax[] = "{}[]\",:=\\-/ \n0";
    size_t at = len ? random_next() % len : 0;

    switch (random_next() % 4) {
    case 0:
        if (len)
            data[at] = (uint8_t)random_next();
        return len;
    case 1:
        return at;
    case 2:
        if (len < MAX_SEED / 2) {
            memcpy(data + len, data + at, len - at);
            len += len - at;
        }
        return len;
    default:
        if (len)
            data[at] = (uint8_t)syntax[random_next() % (sizeof(syntax) - 1)];
        return len;
    }
}

static void one_input(const uint8_t *data, size_t len)
{
    /* An exact copy, so that a sanitizer sees the first byte beyond it. */
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        exit(1);
    memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void replay(const char *path, unsigned long runs)
{
    static uint8_t seed[MAX_SEED];
    static uint8_t data[MAX_SEED];
    FILE *f = fopen(path, "rb");
    size_t seed_len;

    if (!f) {
        perror(path);
        exit(1);
    }
    seed_len = fread(seed, 1, sizeof(seed) / 4, f);
    fclose(f);
    one_input(seed, seed_len);
    for (unsigned long i = 0; i < runs; i++) {
        size_t len = seed_len;

        memcpy(data, seed, seed_len);
        for (unsigned n = random_next() % 8 + 1; n; n--)
            len = change(data, len);
        one_input(data, len);
    }
}

static int seeds_only(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    const char *top = getenv("srcdir");
    const char *count = getenv("FUZZ_RUNS");
    unsigned long runs = count ? strtoul(count, NULL, 10) : 500;
    struct dirent **entries;
    char dir[2048];
    int num;

    alarm(300);
    for (int i = 1; i < argc; i++)
        replay(argv[i], runs);
    if (argc > 1)
        return 0;
    snprintf(dir, sizeof(dir), "%s/tests/fuzz/seeds/%s", top ? top : ".",
             fuzz_name);
    num = scandir(dir, &entries, seeds_only, alphasort);
    if (num <= 0) {
        fprintf(stderr, "no seeds in %s\n", dir);
        return 1;
    }
    for (int i = 0; i < num; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        replay(path, runs);
        free(entries[i]);
    }
    free(entries);
    printf("%s: %d seeds, %lu changed copies of each\n", fuzz_name, num, runs);
    return 0;
}
