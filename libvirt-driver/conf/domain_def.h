/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/domain_def.h - a domain's definition as structs, and its XML. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libxml/tree.h>

/*
 * How this works
 *
 * domain_def_parse() turns a document into a DomainDef by the tables in
 * conf/domain_schema.c; domain_def_format() prints a DomainDef by the same
 * tables.  Parsing alone keeps what the document says.  The usual way in is
 *
 *     parse -> substitute (D1) -> fill defaults -> validate
 *
 * and domain_def_parse() does all four unless DOMAIN_DEF_PARSE_RAW is given.
 * What libvirt drops silently is dropped, what the VMM has no effect for is
 * kept as it is (the XmlKeep members), what can never work is refused with
 * VIR_ERR_CONFIG_UNSUPPORTED.
 *
 * A live definition is a copy (domain_def_copy()) with an id, aliases and
 * the host's answers (pty paths, tap names); these print only without
 * VIR_DOMAIN_XML_INACTIVE.  Nothing here does I/O or locks: a DomainDef is
 * owned by one thread, or guarded by its owner's lock.
 */

/* Elements without effect here, printed as they came: a document whose
 * root has them as children.  NULL: none. */
typedef xmlDoc XmlKeep;

typedef enum DomainVirtType {
    DOMAIN_VIRT_KVM,
    DOMAIN_VIRT_MAX
} DomainVirtType;

typedef enum DomainTristate {
    DOMAIN_TRI_ABSENT,
    DOMAIN_TRI_ON,
    DOMAIN_TRI_OFF,
    DOMAIN_TRI_MAX
} DomainTristate;

typedef enum DomainAction {
    DOMAIN_ACTION_ABSENT,
    DOMAIN_ACTION_DESTROY,
    DOMAIN_ACTION_RESTART,
    DOMAIN_ACTION_PRESERVE,
    DOMAIN_ACTION_RENAME_RESTART,
    DOMAIN_ACTION_COREDUMP_DESTROY,
    DOMAIN_ACTION_COREDUMP_RESTART,
    DOMAIN_ACTION_MAX
} DomainAction;

typedef enum DomainAddressType {
    DOMAIN_ADDRESS_NONE,
    DOMAIN_ADDRESS_PCI,
    DOMAIN_ADDRESS_DRIVE,
    DOMAIN_ADDRESS_VIRTIO_SERIAL,
    DOMAIN_ADDRESS_CCID,
    DOMAIN_ADDRESS_USB,
    DOMAIN_ADDRESS_SPAPR_VIO,
    DOMAIN_ADDRESS_VIRTIO_S390,
    DOMAIN_ADDRESS_CCW,
    DOMAIN_ADDRESS_VIRTIO_MMIO,
    DOMAIN_ADDRESS_ISA,
    DOMAIN_ADDRESS_MAX
} DomainAddressType;

/* What every device has. */
typedef struct DomainDevice {
    char *alias;      /* owned; assigned at start, or the user's "ua-..." */
    guint boot_order; /* 0: none */
    int address_type; /* DomainAddressType */
    XmlKeep *kept;    /* owned; children without effect here */
} DomainDevice;

typedef enum DomainDiskType {
    DOMAIN_DISK_FILE,
    DOMAIN_DISK_BLOCK,
    DOMAIN_DISK_DIR,
    DOMAIN_DISK_NETWORK,
    DOMAIN_DISK_VOLUME,
    DOMAIN_DISK_NVME,
    DOMAIN_DISK_VHOST_USER,
    DOMAIN_DISK_TYPE_MAX
} DomainDiskType;

typedef enum DomainDiskDevice {
    DOMAIN_DISK_DEVICE_DISK,
    DOMAIN_DISK_DEVICE_CDROM,
    DOMAIN_DISK_DEVICE_FLOPPY,
    DOMAIN_DISK_DEVICE_LUN,
    DOMAIN_DISK_DEVICE_MAX
} DomainDiskDevice;

typedef enum DomainDiskBus {
    DOMAIN_DISK_BUS_ABSENT,
    DOMAIN_DISK_BUS_VIRTIO,
    DOMAIN_DISK_BUS_SCSI,
    DOMAIN_DISK_BUS_SATA,
    DOMAIN_DISK_BUS_IDE,
    DOMAIN_DISK_BUS_FDC,
    DOMAIN_DISK_BUS_USB,
    DOMAIN_DISK_BUS_SD,
    DOMAIN_DISK_BUS_XEN,
    DOMAIN_DISK_BUS_MAX
} DomainDiskBus;

typedef enum DomainDiskCache {
    DOMAIN_DISK_CACHE_ABSENT,
    DOMAIN_DISK_CACHE_DEFAULT,
    DOMAIN_DISK_CACHE_NONE,
    DOMAIN_DISK_CACHE_WRITETHROUGH,
    DOMAIN_DISK_CACHE_WRITEBACK,
    DOMAIN_DISK_CACHE_DIRECTSYNC,
    DOMAIN_DISK_CACHE_UNSAFE,
    DOMAIN_DISK_CACHE_MAX
} DomainDiskCache;

typedef enum DomainDiskIo {
    DOMAIN_DISK_IO_ABSENT,
    DOMAIN_DISK_IO_THREADS,
    DOMAIN_DISK_IO_NATIVE,
    DOMAIN_DISK_IO_URING,
    DOMAIN_DISK_IO_MAX
} DomainDiskIo;

typedef enum DomainDiskDiscard {
    DOMAIN_DISK_DISCARD_ABSENT,
    DOMAIN_DISK_DISCARD_UNMAP,
    DOMAIN_DISK_DISCARD_IGNORE,
    DOMAIN_DISK_DISCARD_MAX
} DomainDiskDiscard;

typedef enum DomainDiskZeroes {
    DOMAIN_DISK_ZEROES_ABSENT,
    DOMAIN_DISK_ZEROES_OFF,
    DOMAIN_DISK_ZEROES_ON,
    DOMAIN_DISK_ZEROES_UNMAP,
    DOMAIN_DISK_ZEROES_MAX
} DomainDiskZeroes;

typedef struct DomainDisk {
    DomainDevice dev;
    int type;          /* DomainDiskType */
    int device;        /* DomainDiskDevice */
    char *driver_name; /* owned; a label, "qemu" usually */
    char *format;      /* owned; "raw" after defaults */
    int cache;         /* DomainDiskCache */
    int io;            /* DomainDiskIo */
    int discard;       /* DomainDiskDiscard */
    int detect_zeroes; /* DomainDiskZeroes */
    guint iothread;    /* 0: none */
    guint queues;      /* 0: the machine's default */
    guint queue_size;  /* 0: the VMM's default */
    char *model;       /* owned; "virtio" and its kin */
    char *file;        /* owned; <source file=...>, type file */
    char *block;       /* owned; <source dev=...>, type block */
    guint index;       /* live: number of the source; 0: none */
    char *dst;         /* owned; target dev as "vda", unique */
    int bus;           /* DomainDiskBus */
    char *serial;      /* owned */
    char *wwn;         /* owned; no effect */
    gboolean readonly;
    gboolean shareable;
    gboolean transient;
    gboolean has_iotune;
    guint64 total_iops_sec; /* 0: no limit */
    gboolean has_backing;   /* <backingStore/>, empty: the chain ends here */
} DomainDisk;

typedef enum DomainNetType {
    DOMAIN_NET_ETHERNET,
    DOMAIN_NET_BRIDGE,
    DOMAIN_NET_NETWORK,
    DOMAIN_NET_USER,
    DOMAIN_NET_VHOST_USER,
    DOMAIN_NET_SERVER,
    DOMAIN_NET_CLIENT,
    DOMAIN_NET_MCAST,
    DOMAIN_NET_UDP,
    DOMAIN_NET_INTERNAL,
    DOMAIN_NET_DIRECT,
    DOMAIN_NET_HOSTDEV,
    DOMAIN_NET_VDPA,
    DOMAIN_NET_NULL,
    DOMAIN_NET_VDS,
    DOMAIN_NET_TYPE_MAX
} DomainNetType;

typedef enum DomainNetLink {
    DOMAIN_NET_LINK_ABSENT,
    DOMAIN_NET_LINK_UP,
    DOMAIN_NET_LINK_DOWN,
    DOMAIN_NET_LINK_MAX
} DomainNetLink;

typedef struct DomainNet {
    DomainDevice dev;
    int type;        /* DomainNetType */
    char *mac;       /* owned; lower case after parsing */
    char *bridge;    /* owned; <source bridge=...> */
    char *network;   /* owned; <source network=...> */
    char *portgroup; /* owned */
    char *portid;    /* owned; live: port of the network driver */
    char *ifname;    /* owned; target dev; generated names only live */
    gboolean ifname_generated; /* assigned at start, not configured */
    int managed;               /* DomainTristate; off: the tap exists already */
    char *model;               /* owned; "virtio" after defaults */
    char *driver_name;         /* owned; "qemu" or "vhost" */
    guint queues;              /* 0: one */
    guint mtu;                 /* 0: the host's default */
    int link;                  /* DomainNetLink */
    char *script;              /* owned; refused unless empty */
} DomainNet;

typedef enum DomainChrType {
    DOMAIN_CHR_PTY,
    DOMAIN_CHR_FILE,
    DOMAIN_CHR_UNIX,
    DOMAIN_CHR_NULL,
    DOMAIN_CHR_VC,
    DOMAIN_CHR_DEV,
    DOMAIN_CHR_PIPE,
    DOMAIN_CHR_STDIO,
    DOMAIN_CHR_UDP,
    DOMAIN_CHR_TCP,
    DOMAIN_CHR_SPICEVMC,
    DOMAIN_CHR_SPICEPORT,
    DOMAIN_CHR_NMDM,
    DOMAIN_CHR_DBUS,
    DOMAIN_CHR_TYPE_MAX
} DomainChrType;

typedef enum DomainChrTarget {
    DOMAIN_CHR_TARGET_ABSENT,
    DOMAIN_CHR_TARGET_ISA_SERIAL,    /* <serial> on x86_64 */
    DOMAIN_CHR_TARGET_SYSTEM_SERIAL, /* <serial> on aarch64 */
    DOMAIN_CHR_TARGET_SERIAL,        /* <console>: mirrors serial 0 */
    DOMAIN_CHR_TARGET_VIRTIO,        /* <console>: virtconsole */
    DOMAIN_CHR_TARGET_PCI_SERIAL,    /* this and the rest: refused */
    DOMAIN_CHR_TARGET_USB_SERIAL,
    DOMAIN_CHR_TARGET_SPAPR_VIO,
    DOMAIN_CHR_TARGET_SCLP_SERIAL,
    DOMAIN_CHR_TARGET_ISA_DEBUG,
    DOMAIN_CHR_TARGET_XEN,
    DOMAIN_CHR_TARGET_SCLP,
    DOMAIN_CHR_TARGET_SCLPLM,
    DOMAIN_CHR_TARGET_LXC,
    DOMAIN_CHR_TARGET_MAX
} DomainChrTarget;

typedef enum DomainChrMode {
    DOMAIN_CHR_MODE_ABSENT,
    DOMAIN_CHR_MODE_BIND,
    DOMAIN_CHR_MODE_CONNECT,
    DOMAIN_CHR_MODE_CLIENT,
    DOMAIN_CHR_MODE_SERVER,
    DOMAIN_CHR_MODE_MAX
} DomainChrMode;

/* A <serial> or <console>.  A console whose target is
 * DOMAIN_CHR_TARGET_SERIAL is the first serial seen again: it has no back
 * end of its own and its source is kept equal to that serial's. */
typedef struct DomainChr {
    DomainDevice dev;
    int type;          /* DomainChrType */
    char *tty;         /* owned; live, pty only: printed on <console> */
    char *path;        /* owned; file, socket, or live: the pty */
    int append;        /* DomainTristate; file: keep what is there */
    int mode;          /* DomainChrMode, unix */
    char *log_file;    /* owned; the VMM also writes output there */
    int log_append;    /* DomainTristate */
    int target_type;   /* DomainChrTarget */
    gboolean has_port; /* port was given */
    guint target_port;
    char *target_model; /* owned; "isa-serial" or "pl011" */
} DomainChr;

typedef struct DomainRng {
    DomainDevice dev;
    char *model; /* owned; "virtio" */
    gboolean has_rate;
    guint64 rate_bytes;
    guint rate_period_ms; /* 0: the default of 1000 */
    char *backend_model;  /* owned; "random" */
    char *path;           /* owned; "/dev/urandom" after defaults */
} DomainRng;

typedef struct DomainBalloon {
    DomainDevice dev;
    char *model; /* owned; "none" is all there is */
} DomainBalloon;

typedef struct DomainController {
    DomainDevice dev;
    char *type; /* owned; "virtio-serial", "usb", ... */
    gboolean has_index;
    guint index;
    char *model; /* owned */
    guint ports; /* virtio-serial; 0: absent */
} DomainController;

typedef struct DomainVideo {
    DomainDevice dev;
    char *model; /* owned; "none" is all microvm has */
} DomainVideo;

typedef struct DomainIothread {
    guint id; /* 1 and up */
} DomainIothread;

typedef struct DomainBoot {
    char *dev; /* owned; "hd", "cdrom", "network", "fd" */
} DomainBoot;

typedef struct DomainSeclabel {
    char *type;       /* owned; "none", "dynamic", "static" */
    char *model;      /* owned; "dac", "none", ... */
    int relabel;      /* DomainTristate */
    char *label;      /* owned; live unless static */
    char *imagelabel; /* owned; live */
    char *baselabel;  /* owned */
} DomainSeclabel;

typedef enum DomainCpuMode {
    DOMAIN_CPU_ABSENT,
    DOMAIN_CPU_HOST_PASSTHROUGH,
    DOMAIN_CPU_HOST_MODEL,
    DOMAIN_CPU_MAXIMUM,
    DOMAIN_CPU_CUSTOM,
    DOMAIN_CPU_MODE_MAX
} DomainCpuMode;

typedef struct DomainCpu {
    gboolean present;
    int mode;       /* DomainCpuMode; every accepted one means the host's */
    char *match;    /* owned */
    char *check;    /* owned */
    int migratable; /* DomainTristate */
    gboolean has_topology;
    guint sockets, dies, cores, threads; /* dies 0: absent, 1 */
    XmlKeep *kept; /* owned; features of policy optional */
} DomainCpu;

typedef struct DomainOs {
    char *type;       /* owned; "hvm" */
    char *arch;       /* owned; "x86_64" or "aarch64" */
    char *machine;    /* owned; versioned after defaults: "microvm-1.0" */
    char *firmware;   /* owned; "efi": for machines with firmware */
    char *loader;     /* owned; likewise */
    char *kernel;     /* owned; NULL also when the element was empty */
    char *initrd;     /* owned; likewise */
    char *cmdline;    /* owned; likewise */
    GPtrArray *boots; /* of DomainBoot; owned */
    XmlKeep *kept;    /* owned; bootmenu, smbios, bios */
} DomainOs;

typedef struct DomainFeatures {
    gboolean present;
    gboolean acpi;
    gboolean apic;
    gboolean pae;
    XmlKeep *kept; /* owned; those without effect here */
} DomainFeatures;

typedef struct DomainClock {
    gboolean present;
    char *offset;  /* owned; "utc" */
    XmlKeep *kept; /* owned; timers */
} DomainClock;

typedef struct DomainDef {
    int virt_type;      /* DomainVirtType */
    int id;             /* -1: inactive */
    char *name;         /* owned */
    char *uuid;         /* owned; 36 characters, lower case; NULL only RAW */
    char *title;        /* owned; no newline */
    char *description;  /* owned */
    XmlKeep *metadata;  /* owned; children of <metadata>, any namespace */
    XmlKeep *kept_head; /* owned; genid */
    guint64 memory_kib;
    guint64 current_kib;
    guint vcpus;
    guint vcpus_current;  /* 0: all of them */
    char *vcpu_placement; /* owned; "static" */
    char *vcpu_cpuset;    /* owned; refused for now */
    guint iothreads;
    GPtrArray *iothread_ids; /* of DomainIothread; owned; may be empty */
    char *partition;         /* owned; <resource><partition> */
    XmlKeep *kept_sysinfo;   /* owned */
    DomainOs os;
    DomainFeatures features;
    DomainCpu cpu;
    DomainClock clock;
    int on_poweroff;        /* DomainAction */
    int on_reboot;          /* DomainAction */
    int on_crash;           /* DomainAction */
    XmlKeep *kept_pm;       /* owned */
    char *emulator;         /* owned */
    GPtrArray *disks;       /* of DomainDisk; owned */
    GPtrArray *controllers; /* of DomainController; owned */
    GPtrArray *nets;        /* of DomainNet; owned */
    GPtrArray *serials;     /* of DomainChr; owned */
    GPtrArray *consoles;    /* of DomainChr; owned */
    GPtrArray *videos;      /* of DomainVideo; owned */
    GPtrArray *balloons;    /* of DomainBalloon; owned; one at most */
    GPtrArray *rngs;        /* of DomainRng; owned */
    XmlKeep *kept_devices;  /* owned; ps2 inputs, sound, audio */
    GPtrArray *seclabels;   /* of DomainSeclabel; owned */
} DomainDef;

/* What this host and its VMM offer; borrowed strings, filled by host/. */
typedef struct DomainCapsLimits {
    const char *arch;             /* "x86_64" or "aarch64" */
    const char *emulator;         /* default for <emulator> */
    const char *const *emulators; /* NULL-ended; NULL: any is accepted */
    guint max_vcpus;              /* 0: the machine's own limit */
    guint64 max_memory_kib;       /* 0: the machine's own limit */
    gboolean device_substitution; /* D1 */
    gboolean network_interfaces;  /* <interface type='network'> can work */
} DomainCapsLimits;

enum {
    /* drop what only a running domain has (id, generated aliases, ...) */
    DOMAIN_DEF_PARSE_INACTIVE = 1 << 0,
    /* check against the RNG schema first: VIR_DOMAIN_DEFINE_VALIDATE */
    DOMAIN_DEF_PARSE_VALIDATE_SCHEMA = 1 << 1,
    /* no substitution, defaults or validation (status files) */
    DOMAIN_DEF_PARSE_RAW = 1 << 2,
    /* defaults, but only the checks that can never change: for stored
     * definitions, which must stay visible when the host changed */
    DOMAIN_DEF_PARSE_SKIP_VALIDATE = 1 << 3,
};

/**
 * domain_def_new() - An empty inactive definition
 *
 * Return: owned, with empty lists and no name
 */
DomainDef *domain_def_new(void);
void domain_def_free(DomainDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDef, domain_def_free)

/**
 * domain_def_copy() - A deep copy, live data included
 */
DomainDef *domain_def_copy(const DomainDef *def);

/**
 * domain_def_parse() - From a document to a definition
 * @xml:    the document, as the client sent it
 * @flags:  DOMAIN_DEF_PARSE_*
 * @limits: what the host offers; may be NULL with DOMAIN_DEF_PARSE_RAW only
 *
 * Return: owned, or NULL with @error set (libvirt code and domain)
 */
DomainDef *domain_def_parse(const char *xml, unsigned flags,
                            const DomainCapsLimits *limits, GError **error);

/**
 * domain_def_parse_node() - The same from a <domain> element
 * @node: borrowed; for instance inside a status file
 */
DomainDef *domain_def_parse_node(xmlNodePtr node, unsigned flags,
                                 const DomainCapsLimits *limits,
                                 GError **error);

/**
 * domain_def_format() - Append the definition's XML
 * @flags: VIR_DOMAIN_XML_INACTIVE, _SECURE, _MIGRATABLE; others have no
 *         effect here
 * @buf:   appended to; ends in a newline
 */
void domain_def_format(const DomainDef *def, unsigned flags, GString *buf);

/**
 * domain_def_format_indented() - The same inside another document
 * @indent: blanks before each line
 */
void domain_def_format_indented(const DomainDef *def, unsigned flags,
                                guint indent, GString *buf);

/**
 * domain_def_fill_defaults() - Add what libvirt adds at define time
 *
 * UUID, MAC addresses, versioned machine, emulator, clock, actions, driver
 * formats, serial and console pairs.  Idempotent.
 */
gboolean domain_def_fill_defaults(DomainDef *def,
                                  const DomainCapsLimits *limits,
                                  GError **error);

/**
 * domain_def_substitute() - Decision D1: rewrite default devices to virtio
 */
void domain_def_substitute(DomainDef *def);

/**
 * domain_def_validate() - Refuse what can never work here
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED or VIR_ERR_XML_ERROR
 */
gboolean domain_def_validate(const DomainDef *def,
                             const DomainCapsLimits *limits, GError **error);

/**
 * domain_def_assign_aliases() - Give every device its alias (at start)
 *
 * virtio-disk0, net0, serial0, console0, rng0, balloon0, virtio-serial0; a
 * user's own alias stays.
 */
void domain_def_assign_aliases(DomainDef *def);

/**
 * domain_def_set_pty() - Record the pty of a started character device
 * @alias: of a serial or console; the console that mirrors it follows
 * @path:  slave path
 */
void domain_def_set_pty(DomainDef *def, const char *alias, const char *path);

/**
 * domain_def_set_metadata() - virDomainSetMetadata on one definition
 * @type:     VIR_DOMAIN_METADATA_DESCRIPTION, _TITLE or _ELEMENT
 * @metadata: new text or element; NULL removes it
 * @key:      prefix to use, _ELEMENT only
 * @uri:      namespace, _ELEMENT only
 */
gboolean domain_def_set_metadata(DomainDef *def, int type, const char *metadata,
                                 const char *key, const char *uri,
                                 GError **error);

/**
 * domain_def_get_metadata() - virDomainGetMetadata
 *
 * Return: owned text, or NULL with VIR_ERR_NO_DOMAIN_METADATA
 */
char *domain_def_get_metadata(const DomainDef *def, int type, const char *uri,
                              GError **error);

/**
 * domain_def_check_name() - Is this fit to be a name (also for renames)
 */
gboolean domain_def_check_name(const char *name, GError **error);

/* Lookups; what they return is borrowed from @def, NULL if absent. */
DomainDisk *domain_def_find_disk(const DomainDef *def, const char *name);
DomainNet *domain_def_find_net(const DomainDef *def, const char *name);
/**
 * domain_def_find_chr() - The device that OPEN_CONSOLE means
 * @alias: an alias; NULL: the first console, else the first serial
 *
 * A console that mirrors the first serial gives that serial.
 */
DomainChr *domain_def_find_chr(const DomainDef *def, const char *alias);

/* The path of a disk's source, NULL if it has none; borrowed. */
const char *domain_disk_path(const DomainDisk *disk);
/* Does this console stand for the first serial? */
gboolean domain_chr_is_mirror(const DomainChr *chr);
