/* A reader of data directories, written from docs/file-format.md alone: what it finds wrong is a fault
 * of the files or of that document. It reads what is in the collections; what only the journal has
 * is told by readJournals, and put in its place by nobody. */
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { crc32c } = require('./crc32c.js');
const { siphash } = require('./siphash.js');

const ENTRY = 40, INDEX_HEADER = 128, SEGMENT_HEADER = 64, FRAME = 40;
const FLAG = { tombstone: 1, blob: 2, last: 4, commit: 8 };

const isZero = (buffer) => buffer.every((byte) => byte === 0);
const number = (buffer, at) => Number(buffer.readBigUInt64LE(at));

function readMark(mark, first) {
    if (isZero(mark)) return { count: 0, losses: 0, floor: 0 };
    assert.ok(isZero(mark.subarray(24, 28)));
    assert.equal(mark.readUInt32LE(28), crc32c(first, mark.subarray(0, 28)), 'checksum of a mark');
    return { count: number(mark, 0), losses: number(mark, 8), floor: number(mark, 16) };
}

function readHeader(bytes) {
    assert.equal(bytes.toString('latin1', 0, 8), 'CutOutIx');
    assert.deepEqual([bytes.readUInt32LE(8), bytes.readUInt32LE(12)], [1, INDEX_HEADER]);
    assert.ok(isZero(bytes.subarray(48, 60)));
    assert.equal(bytes.readUInt32LE(60), crc32c(bytes.subarray(0, 60)), 'checksum of the header');
    const first = Buffer.concat([bytes.subarray(24, 40), bytes.subarray(16, 24)]);
    const marks = [readMark(bytes.subarray(64, 96), first), readMark(bytes.subarray(96, 128), first)];
    marks.sort((a, b) => b.count - a.count || b.floor - a.floor);
    return { generation: number(bytes, 16), id: bytes.toString('hex', 24, 40), mark: marks[0],
        losses: Math.max(number(bytes, 40), ...marks.map((mark) => mark.losses)),
        crc: crc32c(first) };
}

function hashesOf(object, secret) {
    const typeText = object.type === undefined ? '-' : `t${object.type}`;
    const idText = typeof object.id === 'number' ? `i${object.id}` : `s${object.id}`;
    const hash = (text) => siphash(secret, Buffer.from(text));

    return {
        key: object.id === undefined ? 0n : hash(`${typeText}\0${idText}`),
        type: object.type === undefined ? 0 : Number(hash(object.type) & 0xffffffffn) || 1,
    };
}

function readEntry(index, at) {
    const bytes = index.subarray(at, at + ENTRY);
    return { bytes, counter: number(bytes, 0), end: number(bytes, 8), key: bytes.readBigUInt64LE(16),
        type: bytes.readUInt32LE(24), expires: bytes.readUInt32LE(28), flags: bytes[32],
        commits: bytes.readUInt32LE(32) >>> 8, crc: bytes.readUInt32LE(36) };
}

function checkRecord(entry, record, secret) {
    const line = record.toString();
    assert.ok(line.endsWith(',\n'));
    const [counter, object] = JSON.parse(line.slice(0, -2));
    const { key, type } = hashesOf(object, secret);
    assert.equal(counter, entry.counter);
    assert.deepEqual([entry.key, entry.type], [key, type], `hashes of counter ${counter}`);
    assert.equal(entry.expires, object.expires || 0);
    assert.equal(Boolean(entry.flags & FLAG.tombstone), Boolean(object.deleted));
    return [counter, object];
}

/* Up to the last append that is all there. Throws on whatever is wrong. */
function readRecords(index, data, header, secret) {
    let before = { end: 0, counter: 0, crc: header.crc };
    let commits = 0;
    const records = [], clients = [];

    for (let at = INDEX_HEADER; at < index.length; at += ENTRY) {
        const entry = readEntry(index, at);
        const previous = Buffer.alloc(4);
        previous.writeUInt32LE(before.crc);
        const record = data.subarray(before.end, entry.end);
        assert.equal(entry.crc, crc32c(previous, entry.bytes.subarray(0, 36), record),
            `checksum of counter ${entry.counter}`);
        assert.equal(entry.commits, commits);
        if (entry.flags & FLAG.commit) {
            assert.deepEqual([entry.counter, record.length], [before.counter, 0]);
            clients.push({ client: entry.key, seq: entry.type + entry.expires * 2 ** 32 });
            commits++;
        } else {
            assert.ok(entry.counter > before.counter);
            records.push(checkRecord(entry, record, secret));
        }
        before = entry;
    }
    assert.equal(before.end, data.length, 'the data ends where the index does');
    assert.ok(records.length === 0 || before.flags & FLAG.last, 'the last append is all there');
    assert.ok((index.length - INDEX_HEADER) / ENTRY >= header.mark.count);
    return { records, clients, crc: before.crc };
}

/* Of collection.json and of the first line of deleted.json; rest is what follows that line. */
function readInfo(text, rest = '') {
    const [whole, before, crc] = text.match(/^(.*),"crc":(\d+)\}\n?$/);
    assert.equal(Number(crc), crc32c(Buffer.from(before), Buffer.from(rest)), 'checksum of the JSON');
    return JSON.parse(whole);
}

function readLive(directory) {
    const index = fs.readFileSync(path.join(directory, 'database.index'));
    const header = readHeader(index);
    const data = fs.readFileSync(path.join(directory, `database.${header.generation}`));
    const info = readInfo(fs.readFileSync(path.join(directory, 'collection.json'), 'utf8'));

    assert.equal(info.format, 1);
    assert.equal(info.id, header.id);
    return { state: 'live', path: info.path, header,
        ...readRecords(index, data, header, Buffer.from(info.secret, 'hex')) };
}

function readDeleted(directory) {
    const [first, second] = fs.readFileSync(path.join(directory, 'deleted.json'), 'utf8')
        .split(/(?<=\n)/);
    const info = readInfo(first, second);

    return { state: 'deleted', generation: info.generation, lastCounter: info.last_counter,
        reason: JSON.parse(second) };
}

/* { 'DOMAIN/USER/BUCKET': collection } */
function readCollections(dataDir) {
    const found = {};
    const visit = (below, level) => {
        for (const name of fs.readdirSync(path.join(dataDir, below)).sort()) {
            const inner = path.join(below, name);
            if (level === 0 && name.startsWith('.')) continue;
            if (level < 2) visit(inner, level + 1);
            else found[inner] = readCollection(path.join(dataDir, inner));
        }
    };
    visit('', 0);
    return found;
}

function readCollection(directory) {
    if (fs.existsSync(path.join(directory, 'database.index'))) return readLive(directory);
    if (fs.existsSync(path.join(directory, 'deleted.json'))) return readDeleted(directory);
    return { state: 'absent' };
}

/* ---- The journal --------------------------------------------------------------------------- */

function readBatch(body) {
    const [pathLength, entries, data] = [88, 92, 96].map((at) => body.readUInt32LE(at));
    const at = 100;
    const text = (from, length) => body.toString('utf8', from, from + length);
    assert.equal(body.length, at + pathLength + entries + data);
    assert.equal(entries % ENTRY, 0);
    return { kind: 'batch', id: body.toString('hex', 0, 16), before: number(body, 48),
        creates: body.readUInt32LE(84) & 1, path: text(at, pathLength), entries: entries / ENTRY,
        records: JSON.parse(`[${text(at + pathLength + entries, data).slice(0, -2)}]`) };
}

function readDeletion(body) {
    const length = body.readUInt32LE(32);
    return { kind: 'deletion', id: body.toString('hex', 0, 16), lastCounter: number(body, 16),
        generation: number(body, 24), path: body.toString('utf8', 36, 36 + length),
        reason: JSON.parse(body.toString('utf8', 36 + length)) };
}

function readCancel(body) {
    return { kind: 'cancel', id: body.toString('hex', 0, 16), entry: body.readBigUInt64LE(16),
        path: body.toString('utf8', 24) };
}

const readers = { 1: readBatch, 2: readDeletion, 3: readCancel };

function readSegment(file) {
    const bytes = fs.readFileSync(file);
    assert.equal(bytes.toString('latin1', 0, 8), 'CutOutJn');
    assert.deepEqual([bytes.readUInt32LE(8), bytes.readUInt32LE(12)], [1, SEGMENT_HEADER]);
    assert.equal(bytes.readUInt32LE(60), crc32c(bytes.subarray(0, 60)));
    assert.equal(path.basename(file), number(bytes, 16).toString(16).padStart(16, '0'));
    const segment = { file, isRelaxed: bytes.readUInt32LE(56) === 1, frames: [] };
    for (let at = SEGMENT_HEADER; at < bytes.length;) {
        const head = bytes.subarray(at, at + FRAME);
        const body = bytes.subarray(at + FRAME, at + FRAME + head.readUInt32LE(8));
        const offset = Buffer.alloc(8);
        offset.writeBigUInt64LE(BigInt(at));
        if (head.toString('latin1', 0, 4) !== 'CJOF') break; /* room that was never written to */
        assert.ok(isZero(head.subarray(32, 36)));
        assert.equal(head.readUInt32LE(36),
            crc32c(bytes.subarray(24, 32), offset, head.subarray(0, 36), body), `frame at ${at}`);
        segment.frames.push({ stamp: head.readBigUInt64LE(24), ...readers[head.readUInt32LE(4)](body) });
        at += FRAME + body.length;
    }
    return segment;
}

/* All segments of all journals; frames in the order of their stamps. */
function readJournals(dataDir) {
    const journal = path.join(dataDir, '.journal');
    const names = fs.readdirSync(journal);
    const directories = [journal, ...names.filter((name) => /^\d{1,4}$/.test(name))
        .map((name) => path.join(journal, name))];
    const segments = directories.flatMap((directory) => fs.readdirSync(directory)
        .filter((name) => /^[0-9a-f]{16}$/.test(name)).sort()
        .map((name) => readSegment(path.join(directory, name))));
    const frames = segments.flatMap((segment) => segment.frames);

    frames.sort((a, b) => (a.stamp < b.stamp ? -1 : a.stamp > b.stamp ? 1 : 0));
    return { segments, frames };
}

module.exports = { readCollections, readJournals };
