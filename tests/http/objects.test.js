/* docs/protocol.md, section 3 and 5.1: what is stored is what was sent, and bad input is refused,
 * named, and changes nothing. */
'use strict';

const assert = require('node:assert/strict');
const { test, before, after } = require('node:test');
const { startServer, collection } = require('./lib/server.js');

let server;
let bucket = 0;

before(async () => { server = await startServer(); });
after(() => server.stop());

const fresh = () => collection(server, { bucket: `objects-${++bucket}` });

/* The text that stands in the answer between the counter and the end of the record. */
async function stored(notes, body) {
    const answer = await notes.post({}, body);
    assert.deepEqual(answer.json?.object_counters, [1], answer.text);
    return /^\{"objects":\[\[1,([^]*)\]\],"collection_id"/.exec((await notes.get()).text)[1];
}

const exact = [
    ['white space outside strings is dropped', '[ {\n\t"id" : "a  b" ,\r "data":[ 1 , 2 ] } ]',
        '{"id":"a  b","data":[1,2]}'],
    ['numbers stay as they were written',
        '[{"data":[1.0,-0,0.10,1E5,1e-400,12345678901234567890123,1e999]}]'],
    ['escapes stay as they were written', '[{"data":"\\u0041\\/\\ud83d\\ude00\\u0000\\n"}]'],
    ['text outside ASCII stays as it was written', '[{"data":"Grüße 😀 \u2028\u00a0"}]'],
    ['members stay in their order, unknown ones too', '[{"z":1,"id":"x","a":{"id":1},"type":"t"}]'],
    ['members that mean nothing to the server may stand twice', '[{"x":1,"x":2}]'],
    ['a tombstone', '[{"id":"x","type":"t","deleted":true}]'],
    ['an object without id', '[{"data":1}]'],
    ['an empty object', '[{}]'],
    ['integer ids up to 2^53 - 1', '[{"id":9007199254740991}]'],
    ['brackets in strings', '[{"id":"],[\\"}{"}]'],
];
for (const [name, body, expected] of exact) {
    test(`stored as sent: ${name}`, async () => {
        assert.equal(await stored(fresh(), body), expected || body.slice(1, -1));
    });
}

const deep = (levels) => `[{"data":${'['.repeat(levels)}${']'.repeat(levels)}}]`;
const bad = [
    ['an empty body', '', 400, 'bad_json'],
    ['no JSON', 'hello', 400, 'bad_json'],
    ['an object', '{"id":1}', 400, 'bad_json'],
    ['a number', '1', 400, 'bad_json'],
    ['null', 'null', 400, 'bad_json'],
    ['an array that does not end', '[{"id":1}', 400, 'bad_json'],
    ['something behind the array', '[{"id":1}] x', 400, 'bad_json'],
    ['two arrays', '[{}][{}]', 400, 'bad_json'],
    ['a comma too many', '[{},]', 400, 'bad_json'],
    ['NaN', '[{"data":NaN}]', 400, 'bad_json'],
    ['Infinity', '[{"data":-Infinity}]', 400, 'bad_json'],
    ['a leading zero', '[{"data":012}]', 400, 'bad_json'],
    ['single quotes', "[{'id':1}]", 400, 'bad_json'],
    ['a comment', '[{"id":1} /* x */]', 400, 'bad_json'],
    ['a byte order mark', '\ufeff[{}]', 400, 'bad_json'],
    ['a raw line break in a string', '[{"data":"a\nb"}]', 400, 'bad_json'],
    ['a bad escape', '[{"data":"\\x"}]', 400, 'bad_json'],
    ['half an escape', '[{"data":"\\u12"}]', 400, 'bad_json'],
    ['an overlong NUL', Buffer.from('[{"data":"\xc0\x80"}]', 'latin1'), 400, 'bad_json'],
    ['an overlong slash', Buffer.from('[{"data":"\xe0\x80\xaf"}]', 'latin1'), 400, 'bad_json'],
    ['a surrogate as UTF-8', Buffer.from('[{"data":"\xed\xa0\x80"}]', 'latin1'), 400, 'bad_json'],
    ['above U+10FFFF', Buffer.from('[{"data":"\xf4\x90\x80\x80"}]', 'latin1'), 400, 'bad_json'],
    ['a cut character', Buffer.from('[{"data":"\xc3"}]', 'latin1'), 400, 'bad_json'],
    ['Latin-1', Buffer.from('[{"data":"\xe9"}]', 'latin1'), 400, 'bad_json'],
    ['half a surrogate pair', '[{"data":"\\ud800"}]', 400, 'bad_json'],
    ['a pair the wrong way round', '[{"data":"\\udc00\\ud800"}]', 400, 'bad_json'],
    ['half a pair in a name', '[{"\\udfff":1}]', 400, 'bad_json'],
    ['65 levels', deep(63), 400, 'bad_json'],
    ['5,000 levels', deep(5000), 400, 'bad_json'],
    ['1,000,000 levels', deep(1000000), 400, 'bad_json'],
    ['a string in the array', '["x"]', 400, 'bad_objects', 'not_object'],
    ['an array in the array', '[[]]', 400, 'bad_objects', 'not_object'],
    ['null in the array', '[null]', 400, 'bad_objects', 'not_object'],
    ['an id that is null', '[{"id":null}]', 400, 'bad_objects', 'bad_id'],
    ['an id that is true', '[{"id":true}]', 400, 'bad_objects', 'bad_id'],
    ['an id that is a fraction', '[{"id":1.5}]', 400, 'bad_objects', 'bad_id'],
    ['an id that is too large a number', '[{"id":9007199254740992}]', 400, 'bad_objects', 'bad_id'],
    ['an id with NUL', '[{"id":"a\\u0000b"}]', 400, 'bad_objects', 'bad_id'],
    ['an id that is too long', `[{"id":"${'x'.repeat(1025)}"}]`, 400, 'bad_objects', 'bad_id'],
    ['a type that is a number', '[{"type":1}]', 400, 'bad_objects', 'bad_type'],
    ['a type that is null', '[{"type":null}]', 400, 'bad_objects', 'bad_type'],
    ['deleted false', '[{"id":1,"deleted":false}]', 400, 'bad_objects', 'bad_deleted'],
    ['deleted 1', '[{"id":1,"deleted":1}]', 400, 'bad_objects', 'bad_deleted'],
    ['deleted with data', '[{"id":1,"deleted":true,"data":{}}]', 400, 'bad_objects',
        'deleted_with_data'],
    ['expires that is text', '[{"expires":"tomorrow"}]', 400, 'bad_objects', 'bad_expires'],
    ['expires that is negative', '[{"expires":-1}]', 400, 'bad_objects', 'bad_expires'],
    ['id twice', '[{"id":1,"id":2}]', 400, 'bad_objects', 'duplicate_member'],
    ['id twice, once escaped', '[{"id":1,"\\u0069d":2}]', 400, 'bad_objects', 'duplicate_member'],
    ['a blob', '[{"id":1,"blob":{"data":"eA=="}}]', 400, 'bad_objects', 'bad_blob'],
];
for (const [name, body, status, error, code] of bad) {
    test(`refused, with nothing stored: ${name}`, async () => {
        const notes = fresh();
        const answer = await notes.post({}, body);
        assert.deepEqual([answer.status, answer.json?.error], [status, error], answer.text);
        assert.ok(answer.json.message.length > 0);
        if (code) assert.deepEqual(answer.json.errors.map((one) => one.code), [code]);
        assert.deepEqual((await notes.get()).json, { objects: [] });
    });
}

test('64 levels are taken', async () => {
    assert.deepEqual((await fresh().post({}, deep(62))).json.object_counters, [1]);
});

test('a megabyte of garbage is refused and the server goes on', async () => {
    const notes = fresh();
    const garbage = Buffer.alloc(1 << 20, 0xff);
    assert.equal((await notes.post({}, garbage)).status, 400);
    assert.equal((await notes.post({}, [{}])).status, 200);
});

test('a later object with the same type and id is a record of its own', async () => {
    const notes = fresh();
    const answer = await notes.post({}, [{ id: 'a', data: 1 }, { id: 'a', data: 2 }]);
    assert.deepEqual(answer.json.object_counters, [1, 2]);
    assert.equal((await notes.get()).json.objects.at(-1)[1].data, 2);
});
