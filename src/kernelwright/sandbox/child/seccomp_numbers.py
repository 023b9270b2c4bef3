"""The system calls that candidate code is refused, by name, with their numbers on each architecture."""

# What starts processes, reaches others, traces, mounts, signals, widens the kernel's attack surface; what Landlock
# does not cover (owners, modes, times and attributes of files); and what would outlive the process that made it.
REFUSED = {
    "x86_64": {
        "socket": 41, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "ptrace": 101, "setpriority": 141, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "init_module": 175, "delete_module": 176, "tkill": 200, "kexec_load": 246, "add_key": 248, "request_key": 249,
        "keyctl": 250, "unshare": 272, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
        "prlimit64": 302, "open_by_handle_at": 304, "name_to_handle_at": 303, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "memfd_create": 319, "kexec_file_load": 320,
        "bpf": 321, "execveat": 322, "userfaultfd": 323, "setrlimit": 160, "shmget": 29, "shmat": 30, "semget": 64,
        "msgget": 68, "mq_open": 240, "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93,
        "lchown": 94, "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
        "fremovexattr": 199, "chroot": 161, "pivot_root": 155, "mknod": 133, "mknodat": 259, "sched_setparam": 142,
        "sched_setscheduler": 144, "sched_setaffinity": 203, "sched_setattr": 314, "ioprio_set": 251, "setpgid": 109,
        "setsid": 112, "getpgid": 121, "getsid": 124, "getpriority": 140, "migrate_pages": 256, "move_pages": 279,
        "inotify_init": 253, "inotify_init1": 294, "fanotify_init": 300, "sethostname": 170, "setdomainname": 171,
        "iopl": 172, "ioperm": 173, "modify_ldt": 154, "personality": 135, "syslog": 103, "acct": 163,
        "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305, "quotactl": 179,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117,
        "setpriority": 140, "mount": 40, "umount2": 39, "swapon": 224, "swapoff": 225, "reboot": 142,
        "init_module": 105, "delete_module": 106, "tkill": 130, "kexec_load": 104, "add_key": 217, "request_key": 218,
        "keyctl": 219, "unshare": 97, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
        "prlimit64": 261, "open_by_handle_at": 265, "name_to_handle_at": 264, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "memfd_create": 279, "kexec_file_load": 294,
        "bpf": 280, "execveat": 281, "userfaultfd": 282, "setrlimit": 164, "shmget": 194, "shmat": 196, "semget": 190,
        "msgget": 186, "mq_open": 180, "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "chroot": 51, "pivot_root": 41, "mknodat": 33, "sched_setparam": 118, "sched_setscheduler": 119,
        "sched_setaffinity": 122, "sched_setattr": 274, "ioprio_set": 30, "setpgid": 154, "setsid": 157,
        "getpgid": 155, "getsid": 156, "getpriority": 141, "migrate_pages": 238, "move_pages": 239,
        "inotify_init1": 26, "fanotify_init": 262, "sethostname": 161, "setdomainname": 162, "personality": 92,
        "syslog": 116, "acct": 89, "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266,
        "quotactl": 60,
    },
}  # fmt: skip
# Numbers from 424 on are the same on every architecture.
REFUSED_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "quotactl_fd": 443, "memfd_secret": 447, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
    "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
PRCTL = {"x86_64": 157, "aarch64": 167}
TGKILL = {"x86_64": 234, "aarch64": 131}
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
