"""The mounted frontend: any program, in any language, on a folder of ours.

A FUSE file system over an inode table of ours, spoken directly through `/dev/fuse` and served by one thread. What the
kernel passes on arrives in one order, whatever thread, process, static binary or io_uring asked for it; each changing
call becomes an operation of the trace, with its caller and its place ("4th write to calls.jsonl") as its source.

No FUSE library stands between, on purpose. The high-level API of libfuse (which mfusepy wraps) knows files by path: two
names of one file are two inodes to the kernel, so locks and shared mappings of hard links go wrong, and an unlinked open
file is renamed first, which the program never did. One node here is one inode.

Reads and writes bypass the page cache (direct I/O), so they arrive with the sizes that the program gave, up to 1 MiB in
one piece. Since Linux 6.6 shared mappings work all the same; on older kernels, or with `direct=False`, the page cache
stands between, and writes arrive cut at pages.

Not seen: stores into a shared mapping before they are synced or written back, everything outside of the folder.
"""
