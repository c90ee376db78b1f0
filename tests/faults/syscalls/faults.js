/* The other side of tests/faults/fail.c: which call of a server fails next, and how. */
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const LIBRARY = process.env.FAIL_LIBRARY;
const AT = 32, COUNT = 44, HITS = 48, ROOM_COUNTS = 52, ROOM = 56, SIZE = 4096;
const NEVER = 0xffffffff;

const { EACCES, ECONNABORTED, EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS } =
    os.constants.errno;

/* What each call can be expected to say. Not what no call of that kind ever says. */
const CALLS = {
    open: [EMFILE, EACCES],
    openat: [EMFILE, ENOSPC, EIO],
    close: [EIO],
    read: [EINTR], /* libevent ends the process if it cannot read its own socket of signals */
    pread: [EIO, EINTR],
    pwrite: [ENOSPC, EIO, EDQUOT, EINTR],
    ftruncate: [EIO, EINTR],
    fsync: [EIO],
    fdatasync: [EIO, ENOSPC],
    renameat: [ENOSPC, EIO],
    unlinkat: [EIO, EROFS],
    mkdir: [EROFS],
    mkdirat: [ENOSPC, EROFS],
    fstat: [EIO],
    fcntl: [ENOMEM],
    socket: [EMFILE],
    listen: [EMFILE],
    accept4: [EMFILE, ENFILE, ECONNABORTED, ENOMEM],
    epoll_create1: [EMFILE],
    epoll_ctl: [ENOMEM],
    epoll_wait: [EINTR],
    eventfd: [ENFILE],
    getrandom: [EINTR, EIO],
    readv: [EIO, EINTR],
    writev: [EIO, EINTR],
    pthread_create: [ENOMEM],
    malloc: [ENOMEM],
    calloc: [ENOMEM],
    realloc: [ENOMEM],
};

const FULL = [ENOSPC, EDQUOT];
const MEMORY = ['malloc', 'calloc', 'realloc'];

class Faults {
    constructor() {
        this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cutout-faults-'));
        this.file = path.join(this.directory, 'control');
        fs.writeFileSync(this.file, Buffer.alloc(SIZE));
        this.fd = fs.openSync(this.file, 'r+');
    }

    get env() {
        const options = process.env.ASAN_OPTIONS;
        return {
            LD_PRELOAD: LIBRARY,
            FAIL_CONTROL: this.file,
            ASAN_OPTIONS: `${options ? `${options}:` : ''}verify_asan_link_order=0`,
        };
    }

    put(offset, number) {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32LE(number);
        fs.writeSync(this.fd, bytes, 0, 4, offset);
    }

    get(offset) {
        const bytes = Buffer.alloc(4);
        fs.readSync(this.fd, bytes, 0, 4, offset);
        return bytes.readUInt32LE();
    }

    /* From now on: call number `at` of this name fails, and with forever all behind it. */
    arm({ call, at, errno, forever }) {
        const bytes = Buffer.alloc(HITS + 4);
        this.put(AT, 0);
        bytes.write(call);
        bytes.writeUInt32LE(errno, AT + 4);
        bytes.writeUInt32LE(forever ? 1 : 0, AT + 8);
        fs.writeSync(this.fd, bytes, 0, bytes.length, 0);
        this.put(AT, at);
    }

    /* Only counts. */
    watch(call) {
        this.arm({ call, at: NEVER, errno: 0, forever: false });
    }

    /* { count, hits }: calls made and calls failed since it was armed. */
    disarm() {
        this.put(AT, 0);
        return { count: this.get(COUNT), hits: this.get(HITS) };
    }

    /* Bytes that can still be written; undefined: as many as there are. */
    setRoom(bytes) {
        const room = Buffer.alloc(8);
        room.writeBigInt64LE(BigInt(bytes ?? 0));
        fs.writeSync(this.fd, room, 0, 8, ROOM);
        this.put(ROOM_COUNTS, bytes === undefined ? 0 : 1);
    }

    getRoom() {
        const room = Buffer.alloc(8);
        fs.readSync(this.fd, room, 0, 8, ROOM);
        return Number(room.readBigInt64LE());
    }

    close() {
        fs.closeSync(this.fd);
        fs.rmSync(this.directory, { recursive: true, force: true });
    }
}

const errnoName = (errno) =>
    Object.entries(os.constants.errno).find(([, number]) => number === errno)[0];

module.exports = { Faults, CALLS, FULL, MEMORY, errnoName };
