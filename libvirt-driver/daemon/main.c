/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtstratovirtd: entry point. */
#include <config.h>

int main(int argc, char **argv)
{
    return 1;
}
