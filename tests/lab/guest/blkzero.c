// SPDX-License-Identifier: LGPL-2.1-or-later
// blkzero DEVICE OFFSET LENGTH - write zeroes by the block layer's own command.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
    unsigned long long range[2];
    int fd = argc == 4 ? open(argv[1], O_RDWR | O_EXCL) : -1;

    if (fd < 0) {
        fprintf(stderr, "usage: blkzero DEVICE OFFSET LENGTH\n");
        return 2;
    }
    range[0] = strtoull(argv[2], NULL, 0);
    range[1] = strtoull(argv[3], NULL, 0);
    if (ioctl(fd, BLKZEROOUT, range)) {
        perror("BLKZEROOUT");
        return 1;
    }
    return 0;
}
