// SPDX-License-Identifier: LGPL-2.1-or-later
// powerkey - power the guest off when its power key is pressed.
//
// Reads every /dev/input/event* device.  With an argument the key is only
// reported on standard output and otherwise ignored.  Goes to the background
// once the devices are open, so that no press after its return is lost.
#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MAX_INPUTS 16

static int open_inputs(struct pollfd *fds)
{
    DIR *dir = opendir("/dev/input");
    struct dirent *ent;
    int count = 0;

    while (dir && count < MAX_INPUTS && (ent = readdir(dir))) {
        char path[300];

        if (strncmp(ent->d_name, "event", 5))
            continue;
        snprintf(path, sizeof(path), "/dev/input/%s", ent->d_name);
        fds[count].fd = open(path, O_RDONLY | O_CLOEXEC);
        fds[count].events = POLLIN;
        if (fds[count].fd >= 0)
            count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    struct pollfd fds[MAX_INPUTS];
    int count = open_inputs(fds);

    (void)argv;
    if (count == 0 || fork() != 0)
        return 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (count > 0 && poll(fds, count, -1) > 0) {
        for (int i = 0; i < count; i++) {
            struct input_event ev;

            if (!(fds[i].revents & POLLIN))
                continue;
            if (read(fds[i].fd, &ev, sizeof(ev)) != sizeof(ev))
                return 1;
            if (ev.type != EV_KEY || ev.code != KEY_POWER || ev.value != 1)
                continue;
            if (argc > 1) {
                puts("power key ignored");
                continue;
            }
            puts("power key: powering off");
            sync();
            reboot(RB_POWER_OFF);
        }
    }
    return 0;
}
