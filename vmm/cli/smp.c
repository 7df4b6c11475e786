/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/smp.c - processor topology from what -smp says of it. */
#include <config.h>

#include "cli/config.h"

#include <errno.h>

#define SMP_MAX 254

static unsigned or_one(unsigned val)
{
    return val ? val : 1;
}

static uint64_t product(const SmpConf *smp)
{
    return (uint64_t)smp->sockets * smp->dies * smp->clusters * smp->cores *
           smp->threads;
}

int cli_smp(const SmpArgs *args, SmpConf *ret_smp, Err *e)
{
    SmpConf smp = {
        .cpus = args->cpus,
        .max_cpus = args->max_cpus,
        .sockets = args->sockets,
        .dies = or_one(args->dies),
        .clusters = or_one(args->clusters),
        .cores = args->cores,
        .threads = args->threads,
    };
    uint64_t all = product(&smp);

    if (!smp.max_cpus) {
        if (all > 255)
            return err_set(e, EINVAL,
                           "-smp: the topology has %llu processors; at most "
                           "%d are possible",
                           (unsigned long long)all, SMP_MAX);
        smp.max_cpus = all ? (unsigned)all : smp.cpus;
    }
    if (!smp.cores) {
        smp.sockets = or_one(smp.sockets);
        smp.threads = or_one(smp.threads);
        smp.cores = smp.max_cpus /
                    (smp.sockets * smp.dies * smp.clusters * smp.threads);
    } else if (!smp.sockets) {
        smp.threads = or_one(smp.threads);
        smp.sockets =
            smp.max_cpus / (smp.dies * smp.clusters * smp.cores * smp.threads);
    }
    if (!smp.threads)
        smp.threads =
            smp.max_cpus / (smp.sockets * smp.dies * smp.clusters * smp.cores);
    if (smp.max_cpus < smp.cpus || smp.max_cpus > SMP_MAX)
        return err_set(e, EINVAL,
                       "-smp: 'maxcpus' cannot be %u; it accepts %u to %d",
                       smp.max_cpus, smp.cpus, SMP_MAX);
    if (product(&smp) != smp.max_cpus)
        return err_set(e, EINVAL,
                       "-smp: sockets %u, dies %u, clusters %u, cores %u and "
                       "threads %u make %llu processors, but maxcpus is %u",
                       smp.sockets, smp.dies, smp.clusters, smp.cores,
                       smp.threads, (unsigned long long)product(&smp),
                       smp.max_cpus);
    *ret_smp = smp;
    return 0;
}
