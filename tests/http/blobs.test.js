/* docs/protocol.md, "Blobs". */
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after } = require('node:test');
const { startServer, collection, request } = require('./lib/server.js');

const SMALL = Buffer.from('\x89PNG not really, but \0 bytes \xff\xfe', 'latin1');
const LARGE = crypto.createHash('sha512').update('x').digest('hex').repeat(4000); /* 512,000 */
const PNG = 'image/png';

let server;
let bucket = 0;

before(async () => { server = await startServer({ conf: 'max_object_bytes 4m' }); });
after(() => server.stop());

const fresh = () => collection(server, { bucket: `blobs-${++bucket}/of it` });
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const withData = (bytes, members = {}) =>
    ({ id: 'p', type: 'picture', blob: { content_type: PNG, data: base64(bytes) }, ...members });

/* Posts one object with a blob; what the answer says of it. */
async function keep(notes, bytes = SMALL, members = {}) {
    const answer = await notes.post({ since: notes.since ?? 0 }, [withData(bytes, members)]);
    assert.equal(answer.status, 200, answer.text);
    notes.since = answer.json.object_counters[0];
    return answer.json.blobs[0];
}

/* A blob by its href. */
function fetchBlob(notes, href, { method = 'GET', headers, params = '' } = {}) {
    return request(`${href}?auth=${encodeURIComponent(notes.token)}${params}`, { method, headers });
}

const objectOf = async (notes) => (await notes.get()).json.objects.at(-1)[1];
const directory = (notes) => path.join(server.dataDir, 'app.example', 'ann@example.org',
    encodeURIComponent(decodeURIComponent(notes.path.split('/').slice(3).join('/'))), 'blobs');
const files = (notes) => fs.existsSync(directory(notes)) ? fs.readdirSync(directory(notes)) : [];

test('a blob is taken out of its object and can be read', async () => {
    const notes = fresh();
    const blob = await keep(notes);

    assert.deepEqual(Object.keys(blob).sort(), ['content_type', 'href', 'id', 'type']);
    assert.deepEqual(await objectOf(notes),
        { id: 'p', type: 'picture', blob: { content_type: PNG, href: blob.href } });
    assert.ok(blob.href.startsWith(`${server.url}${notes.path.replaceAll('%40', '@')}/+static/`),
        blob.href);
    const answer = await fetchBlob(notes, blob.href);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body, SMALL);
    assert.equal(answer.headers['content-type'], PNG);
});

test('the blob may stand anywhere in the object, in any spelling of base64', async () => {
    for (const [text, bytes] of [
        ['[{"blob":{"data":"-_-_","content_type":"a/b"},"id":1}]', '\xfb\xff\xbf'],
        ['[{"id":1,"x":{"blob":{"data":1}},"bl\\u006fb":{"content_type":"a/b","data":"\\/\\/8="}}]',
            '\xff\xff'],
        ['[ { "y" : "},{" , "blob" : { "content_type" : "a/b" , "data" : "" } , "id" : 1 } ]', ''],
    ]) {
        const notes = fresh();
        const answer = await notes.post({}, text);
        assert.equal(answer.status, 200, answer.text);
        const got = await fetchBlob(notes, answer.json.blobs[0].href);
        assert.equal(got.body.toString('latin1'), bytes);
        const stored = await objectOf(notes);
        const { data, ...rest } = { ...JSON.parse(text)[0].blob, href: answer.json.blobs[0].href };
        assert.deepEqual(stored, { ...JSON.parse(text)[0], blob: rest });
    }
});

test('each object of an array has its own blob', async () => {
    const notes = fresh();
    const answer = await notes.post({}, [withData('one', { id: 1 }), { id: 2 },
        withData('two', { id: 3 }), withData('one', { id: 4 })]);
    assert.deepEqual(answer.json.blobs.map(({ id }) => id), [1, 3, 4]);
    const contents = await Promise.all(answer.json.blobs.map(({ href }) => fetchBlob(notes, href)));
    assert.deepEqual(contents.map(({ text }) => text), ['one', 'two', 'one']);
    const { objects } = (await notes.get()).json;
    assert.deepEqual(objects.map(([, { blob }]) => blob?.href),
        [answer.json.blobs[0].href, undefined, answer.json.blobs[1].href, answer.json.blobs[2].href]);
});

const bad = [
    ['nothing in it', {}],
    ['null', null],
    ['a text', 'x'],
    ['an array', []],
    ['no content_type', { data: 'AAAA' }],
    ['neither data nor href', { content_type: PNG }],
    ['something else in it', { content_type: PNG, data: 'AAAA', size: 1 }],
    ['data that is no text', { content_type: PNG, data: 1 }],
    ['data that is an object', { content_type: PNG, data: { data: 'AAAA' } }],
    ['a content_type that breaks a header', { content_type: 'a/b\r\nX: y', data: 'AAAA' }],
    ['a content_type that is none', { content_type: 'png', data: 'AAAA' }],
    ['a blank in base64', { content_type: PNG, data: 'AA AA' }],
    ['half a byte', { content_type: PNG, data: 'A' }],
    ['bits that mean nothing', { content_type: PNG, data: 'AB' }],
    ['both alphabets', { content_type: PNG, data: '+_AA' }],
    ['padding in the middle', { content_type: PNG, data: 'AA==AA==' }],
    ['no address', { content_type: PNG, href: 'x' }],
    ['the address of something else', { content_type: PNG, href: '/app.example/ann@example.org/b' }],
    ['the address of another collection',
        { content_type: PNG, href: '/app.example/ann@example.org/b/+static/1-0-0' }],
    ['a way out', { content_type: PNG, href: '/app.example/ann@example.org/b/+static/../../x' }],
];
for (const [name, blob] of bad) {
    test(`refused: a blob with ${name}`, async () => {
        const notes = fresh();
        const answer = await notes.post({}, [{ id: 'fine' }, { id: 'wrong', blob }]);
        assert.equal(answer.status, 400, answer.text);
        assert.equal(answer.json.error, 'bad_objects');
        assert.deepEqual(answer.json.errors.map(({ index, id, code }) => [index, id, code]),
            [[1, 'wrong', 'bad_blob']]);
        assert.deepEqual((await notes.get()).json, { objects: [] });
        assert.deepEqual(files(notes), []);
    });
}

test('a deleted object has no blob', async () => {
    const answer = await fresh().post({}, [withData('x', { deleted: true })]);
    assert.equal(answer.json.errors[0].code, 'deleted_with_data');
});

test('an update keeps the blob by its href, wherever the server is now', async () => {
    const notes = fresh();
    const { href } = await keep(notes);
    const moved = href.replace(server.url, 'https://old.example:444');

    for (const given of [href, moved, new URL(href).pathname, `${href}?auth=old`]) {
        const answer = await notes.post({ since: notes.since },
            [{ id: 'p', type: 'picture', n: given, blob: { content_type: PNG, href: given } }]);
        assert.equal(answer.status, 200, answer.text);
        assert.deepEqual(answer.json.blobs, []);
        notes.since = answer.json.object_counters[0];
        assert.equal((await objectOf(notes)).blob.href, href);
    }
    assert.deepEqual((await fetchBlob(notes, href)).body, SMALL);
});

test('an href is refused that is not there, or is of another object or collection', async () => {
    const notes = fresh();
    const other = fresh();
    const { href } = await keep(notes);
    const elsewhere = await keep(other);
    const wrong = [
        [{ id: 'p', type: 'picture' }, elsewhere.href],
        [{ id: 'q', type: 'picture' }, href],
        [{ id: 'p' }, href],
        [{ id: 'p', type: 'picture' }, href.replace(/.$/, (c) => (c === '0' ? '1' : '0'))],
    ];
    for (const [object, given] of wrong) {
        const answer = await notes.post({ since: notes.since },
            [{ ...object, blob: { content_type: PNG, href: given } }]);
        assert.equal(answer.status, 400, answer.text);
        assert.equal(answer.json.errors[0].code, 'bad_blob');
    }
    assert.equal((await notes.get()).json.objects.length, 1);
});

test('the same sent again is the same blob', async () => {
    const notes = fresh();
    const once = { client: 'phone', seq: 1 };
    const first = await notes.post(once, [withData(SMALL)]);
    const again = await notes.post(once, [withData(SMALL)]);
    const old = await notes.post({}, [withData(SMALL)]); /* of a client without seq */
    assert.deepEqual(again.json.blobs, first.json.blobs);
    assert.deepEqual(old.json.object_counters, first.json.object_counters);
    assert.deepEqual(old.json.blobs, first.json.blobs);
    assert.equal(files(notes).length, 1);
});

test('a conflict writes no blob', async () => {
    const notes = fresh();
    await keep(notes);
    const answer = await notes.post({ since: 0 }, [withData('another')]);
    assert.equal(answer.json.since_invalid, true);
    assert.equal(files(notes).length, 1);
});

test('blobs go with their object, and not those of others', async () => {
    const notes = fresh();
    const first = await keep(notes);
    const second = await keep(notes, 'second');
    const kept = await keep(notes, 'kept', { id: 'q' });
    const answer = await notes.post({ since: notes.since },
        [{ id: 'p', type: 'picture', deleted: true }]);
    assert.equal(answer.status, 200, answer.text);
    await notes.post({ since: answer.json.object_counters[0] }, [{ id: 'after' }]);
    assert.equal((await fetchBlob(notes, first.href)).status, 404);
    assert.equal((await fetchBlob(notes, second.href)).status, 404);
    assert.equal((await fetchBlob(notes, kept.href)).text, 'kept');
    assert.equal(files(notes).length, 1);
});

test('an object that is deleted and made again in one array has its blob', async () => {
    const notes = fresh();
    await keep(notes);
    const answer = await notes.post({ since: notes.since },
        [{ id: 'p', type: 'picture', deleted: true }, withData('again')]);
    await notes.post({ since: answer.json.object_counters[1] }, [{ id: 'after' }]);
    assert.equal((await fetchBlob(notes, answer.json.blobs[0].href)).text, 'again');
});

test('a collection takes its blobs with it', async () => {
    const notes = fresh();
    const old = await keep(notes);
    await notes.del();
    assert.equal((await fetchBlob(notes, old.href)).status, 404);
    notes.since = 0;
    const next = await notes.post({}, [withData(SMALL)]);
    assert.equal((await fetchBlob(notes, old.href)).status, 404);
    assert.deepEqual((await fetchBlob(notes, next.json.blobs[0].href)).body, SMALL);
    assert.deepEqual(files(notes), [next.json.blobs[0].href.split('/').at(-1)]);
});

test('a blob wants the same login as its collection', async () => {
    const notes = fresh();
    const { href } = await keep(notes);
    const stranger = collection(server, { email: 'eve@example.org' });
    await stranger.get();
    assert.equal((await request(href, { method: 'GET' })).status, 401);
    assert.equal((await fetchBlob(stranger, href)).status, 401);
    assert.equal((await fetchBlob({ token: 'x' }, `${href}0`)).status, 401);
    assert.equal((await fetchBlob(notes, `${href}0`)).status, 404);
});

/* ---- Reading ------------------------------------------------------------------------------- */

for (const [size, bytes] of [['small', Buffer.from(LARGE.slice(0, 5000))], ['large', Buffer.from(LARGE)]]) {
    test(`a ${size} blob in parts`, async () => {
        const notes = fresh();
        const { href } = await keep(notes, bytes);
        const { length } = bytes;
        const whole = await fetchBlob(notes, href);
        const { etag } = whole.headers;

        assert.deepEqual(whole.body, bytes);
        assert.equal(whole.headers['accept-ranges'], 'bytes');
        for (const [range, start, end] of [
            ['bytes=0-0', 0, 1], ['bytes=10-19', 10, 20], [`bytes=${length - 5}-`, length - 5, length],
            ['bytes=-7', length - 7, length], [`bytes=100-${length * 2}`, 100, length],
            ['BYTES= 3-4 , ', 3, 5], [`bytes=3-4, ${length}-`, 3, 5],
        ]) {
            const part = await fetchBlob(notes, href, { headers: { Range: range } });
            assert.equal(part.status, 206, range);
            assert.deepEqual(part.body, bytes.subarray(start, end), range);
            assert.equal(part.headers['content-range'], `bytes ${start}-${end - 1}/${length}`);
        }
        for (const range of [`bytes=${length}-`, 'bytes=-0', `bytes=${length}-, -0`]) {
            const none = await fetchBlob(notes, href, { headers: { Range: range } });
            assert.equal(none.status, 416, range);
            assert.equal(none.headers['content-range'], `bytes */${length}`);
        }
        for (const range of ['lines=0-1', 'bytes=', 'bytes=1', 'bytes=2-1', 'bytes=a-b', 'bytes=--1',
            'bytes=0-,0-', `bytes=${'0-0,'.repeat(17)}`]) {
            const all = await fetchBlob(notes, href, { headers: { Range: range } });
            assert.equal(all.status, 200, range);
            assert.equal(all.body.length, length);
        }
        for (const [condition, status] of [[etag, 206], ['"other"', 200], [`W/${etag}`, 200]]) {
            const part = await fetchBlob(notes, href,
                { headers: { Range: 'bytes=0-4', 'If-Range': condition } });
            assert.equal(part.status, status, condition);
        }
    });

    test(`several parts of a ${size} blob`, async () => {
        const notes = fresh();
        const { href } = await keep(notes, bytes);
        const answer = await fetchBlob(notes, href, { headers: { Range: 'bytes=0-3,1000-1009,-2' } });
        assert.equal(answer.status, 206);
        const [, boundary] = /^multipart\/byteranges; boundary=(\S+)$/.exec(
            answer.headers['content-type']);
        const { length } = bytes;
        const expected = [[0, 4], [1000, 1010], [length - 2, length]].map(([start, end]) =>
            `\r\n--${boundary}\r\nContent-Type: ${PNG}\r\n` +
            `Content-Range: bytes ${start}-${end - 1}/${length}\r\n\r\n` +
            bytes.toString('latin1', start, end)).join('');
        assert.equal(answer.body.toString('latin1'), `${expected}\r\n--${boundary}--\r\n`);
    });

    test(`HEAD and conditions of a ${size} blob`, async () => {
        const notes = fresh();
        const { href } = await keep(notes, bytes);
        const head = await fetchBlob(notes, href, { method: 'HEAD' });
        assert.equal(head.status, 200);
        assert.equal(head.headers['content-length'], String(bytes.length));
        assert.equal(head.body.length, 0);
        assert.match(head.headers.etag, /^"[0-9a-f]{32}"$/);
        assert.equal(head.headers['cache-control'], 'private, max-age=31536000, immutable');
        const again = await fetchBlob(notes, href,
            { headers: { 'If-None-Match': `"x", ${head.headers.etag}` } });
        assert.equal(again.status, 304);
        assert.equal(again.body.length, 0);
        assert.equal(again.headers['x-content-type-options'], 'nosniff');
    });
}

test('no blob runs in a page of ours', async () => {
    const types = [
        ['image/png', 'image/png', undefined], ['image/svg+xml', 'image/svg+xml', 'attachment'],
        ['audio/ogg; codecs=opus', 'audio/ogg; codecs=opus', undefined],
        ['video/mp4', 'video/mp4', undefined], ['text/plain', 'text/plain', 'attachment'],
        ['text/html', 'application/octet-stream', 'attachment'],
        ['TEXT/HTML; charset=utf-8', 'application/octet-stream', 'attachment'],
        ['text/javascript', 'application/octet-stream', 'attachment'],
        ['text/css', 'application/octet-stream', 'attachment'],
        ['application/xhtml+xml', 'application/octet-stream', 'attachment'],
        ['application/pdf', 'application/pdf', 'attachment'],
    ];
    for (const [given, type, disposition] of types) {
        const notes = fresh();
        const { href } = await keep(notes, '<script>alert(1)</script>',
            { blob: { content_type: given, data: base64('<script>alert(1)</script>') } });
        const { headers } = await fetchBlob(notes, href);
        assert.equal(headers['content-type'], type);
        assert.equal(headers['content-disposition'], disposition, given);
        assert.equal(headers['x-content-type-options'], 'nosniff');
        assert.equal(headers['content-security-policy'], "sandbox; default-src 'none'");
        assert.equal(headers['cross-origin-resource-policy'], 'cross-origin');
        const byHeader = await request(href,
            { method: 'GET', headers: { Authorization: `Bearer ${notes.token}` } });
        assert.equal(byHeader.headers['cross-origin-resource-policy'], 'same-site');
    }
});

test('a filename makes it a download, and is made harmless', async () => {
    const notes = fresh();
    const { href } = await keep(notes);
    const names = [
        ['cat.png', 'attachment; filename="cat.png"; filename*=UTF-8\'\'cat.png'],
        ['Käse "1"/..\\x%\r\n.png', 'attachment; filename="K__se _1__.._x___.png"; ' +
            "filename*=UTF-8''K%C3%A4se%20%221%22_.._x%25__.png"],
        ['x'.repeat(300), 'attachment'],
    ];
    for (const [name, disposition] of names) {
        const answer = await fetchBlob(notes, href,
            { params: `&filename=${encodeURIComponent(name)}` });
        assert.equal(answer.headers['content-disposition'], disposition);
    }
    const broken = await fetchBlob(notes, href, { params: '&filename=%ff' });
    assert.equal(broken.headers['content-disposition'], 'attachment');
});

test('a link reads this blob for an hour, and nothing else', async () => {
    const notes = fresh();
    const { href } = await keep(notes);
    const other = await keep(notes, 'other');
    const at = (url, method = 'GET') => request(url, { method });
    const made = await fetchBlob(notes, href, { method: 'POST' });
    assert.equal(made.status, 200, made.text);
    assert.equal(made.json.expires_in, 3600);
    const { url } = made.json;
    const query = new URL(url).search;

    assert.deepEqual((await at(url)).body, SMALL);
    assert.equal((await at(url, 'HEAD')).status, 200);
    assert.equal((await at(url, 'POST')).status, 401);
    assert.equal((await at(other.href + query)).status, 401);
    assert.equal((await at(server.url + notes.path + query)).status, 401);
    assert.equal((await at(url.replace(/ticket=\d+/, 'ticket=9999999999'))).status, 401);
    assert.equal((await at(url.replace(/.$/, ''))).status, 401);
    assert.equal((await at(`${href}?ticket=x`)).status, 401);
    assert.equal((await at(href, 'POST')).status, 401);
    assert.doesNotMatch(server.stderr, /ticket=\d/);
});

/* ---- What is on disk ----------------------------------------------------------------------- */

test('blobs are there after a crash and a restart', async () => {
    const notes = fresh();
    const { href } = await keep(notes, LARGE);
    await server.kill();
    await server.start();
    notes.token = undefined;
    await notes.get();
    const answer = await fetchBlob(notes, server.url + new URL(href).pathname);
    assert.equal(answer.text, LARGE);
});

test('a small blob that has rotted is not handed out', async () => {
    const notes = fresh();
    const { href } = await keep(notes);
    const file = path.join(directory(notes), files(notes)[0]);
    const bytes = fs.readFileSync(file);
    bytes[3] ^= 1;
    fs.writeFileSync(file, bytes);
    server.expectErrors.push(/damaged|does not match its checksum/);
    const answer = await fetchBlob(notes, href);
    assert.equal(answer.status, 500);
    assert.equal(answer.json.error, 'damaged');
    fs.truncateSync(file, 10);
    assert.equal((await fetchBlob(notes, href)).status, 500);
});

/* ---- Uploading ----------------------------------------------------------------------------- */

/* Sends bytes as they are; params say for which object. */
async function upload(notes, bytes, { type = 'picture', id = 'p', contentType = PNG, ...params } = {}) {
    const given = Object.entries({ type, id, ...params }).filter(([, value]) => value !== null);
    return notes.raw('POST', {
        params: Object.fromEntries(given),
        headers: { 'Content-Type': contentType },
        body: bytes,
        suffix: '/+static/',
    });
}

test('a blob is sent as it is, and its object refers to it', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 'first' }]);
    const bytes = crypto.randomBytes(3 * 65536 + 17);
    const sent = await upload(notes, bytes);
    assert.equal(sent.status, 201, sent.text);
    assert.equal(sent.json.content_type, PNG);
    assert.equal(sent.json.size, bytes.length);
    const answer = await notes.post({ since: 1 },
        [{ id: 'p', type: 'picture', blob: { content_type: PNG, href: sent.json.href } }]);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual((await fetchBlob(notes, sent.json.href)).body, bytes);
    const again = await keep(Object.assign(notes, { since: 2 }), bytes);
    assert.equal(again.href, sent.json.href, 'the same content has the same name');
    assert.equal(files(notes).length, 1);
});

test('a blob of no bytes, of an object without type, of one with a number', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 'first' }]);
    for (const [object, params] of [
        [{ id: 'x' }, { id: 'x', type: null }],
        [{ id: 7, type: 't' }, { id: null, id_number: 7, type: 't' }],
    ]) {
        const sent = await upload(notes, '', params);
        assert.equal(sent.status, 201, sent.text);
        const answer = await notes.post({ since: 9 },
            [{ ...object, blob: { content_type: PNG, href: sent.json.href } }]);
        assert.equal(answer.status, 200, answer.text);
        assert.equal((await fetchBlob(notes, sent.json.href)).text, '');
    }
});

test('uploads that are refused leave nothing', async () => {
    const small = await startServer({ conf: 'max_blob_bytes 1k' });
    const notes = collection(small);
    assert.equal((await upload(notes, 'x')).status, 404, 'before the collection begins');
    await notes.post({}, [{ id: 'first' }]);
    for (const [bytes, params, status, error] of [
        ['x'.repeat(1025), {}, 413, 'too_large'],
        ['x', { contentType: 'no type' }, 400, 'bad_request'],
        ['x', { id: null }, 400, 'bad_parameter'],
        ['x', { id_number: 1 }, 400, 'bad_parameter'],
        ['x', { id: null, id_number: '01' }, 400, 'bad_parameter'],
        ['x', { id: 'i'.repeat(1025) }, 400, 'bad_parameter'],
    ]) {
        const answer = await upload(notes, bytes, params);
        assert.equal(answer.status, status, answer.text);
        assert.equal(answer.json.error, error);
    }
    const stranger = collection(small, { token: 'x' });
    assert.equal((await upload(stranger, 'x')).status, 401);
    const where = path.join(small.dataDir, 'app.example', 'ann@example.org', 'notes');
    assert.ok(!fs.readdirSync(where).includes('blobs'));
    await small.stop();
});

test('who leaves in the middle of an upload leaves nothing', async () => {
    const notes = fresh();
    await notes.post({}, [{ id: 'first' }]);
    const { RawConnection } = require('./lib/server.js');
    const connection = new RawConnection(server.port);
    connection.write(`POST ${notes.path}/+static/?id=x&auth=${notes.token} HTTP/1.1\r\nHost: x\r\n` +
        `Content-Type: a/b\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(300000)}`);
    const deadline = Date.now() + 10000;
    while (!files(notes).some((name) => name.startsWith('new-'))) {
        assert.ok(Date.now() < deadline, 'nothing is written');
        await notes.get();
    }
    connection.destroy();
    while (files(notes).length > 0) {
        assert.ok(Date.now() < deadline, `${files(notes)} is still there`);
        await notes.get();
    }
});
