/* Lines of the recovery without which something must be lost: each is taken out of a copy of its
 * file, and the torture test is built with that. `text` stands in the file exactly once, however it
 * is broken into lines. isRare: one state in some thousands shows it; only a long run looks for it.
 *
 * Not here are checks that no power cut alone can show to be needed, because others stand before
 * them: the checksums within a batch (its frame has one), of segment headers and of index headers
 * (a sector is old or new, and zeros have no magic), of collection.json (nobody reads it before it
 * has been synced or written again), of deleted.json (until it has been synced its frame is there,
 * and says the same), of the entry that a batch goes on from (below a checkpoint there is one
 * history), the cut behind the last batch (what no journal has was never applied), and that an
 * index without a good header is none (the frame that begins the collection takes its place). Nor is that segments go oldest first: a later one says what of an earlier one does not
 * count, but only if a write or a sync failed. They are for damage and for writes that fail: unit
 * tests of the store flip every bit, and let every call fail.
 *
 * And some that are needed too rarely to be looked for at every run, in one state of some ten
 * thousand: that a deletion of a server that died does not count where others went on. Unit tests
 * (test_several.c) put that together by hand. */
'use strict';

module.exports = [
    { name: 'the checksum of a frame', file: 'src/store/segment.c',
        text: `return bytes_get_u32(head + AT_CRC) ==
            frame_crc(head, segment->id, at, buf_str(&segment->body))
            ? SEGMENT_FRAME : SEGMENT_END;`,
        by: 'return SEGMENT_FRAME;' },
    { name: 'the rule that what is deleted stays so for other journals', file: 'src/store/replay.c',
        text: `if (batch->before.generation <= touched->ended)
            /* of a collection that has been deleted */ return true;`,
        by: '' },
    { name: 'the rule that nothing above the checkpoint is trusted', file: 'src/store/replay.c',
        text: ' || head->count > good_count(touched))', by: ')' },
    { name: 'the sync of the journal before it is applied', file: 'src/store/replay.c',
        text: ' && journals_sync(&replay.journals, error) &&', by: ' &&' },
    { name: 'the sync of recovered collections', file: 'src/store/replay.c',
        text: `return database_cut(disk, touched->path, head, error) &&
            collection_sync(disk, touched->path, head->generation, head->count, error);`,
        by: 'return database_cut(disk, touched->path, head, error);' },
    { name: 'the sync of deleted collections', file: 'src/store/replay.c',
        text: 'return collection_sync(disk, touched->path, touched->header.generation, 0, error);',
        by: 'return true;' },
    { name: 'the rule that collections are finished before the journal goes', file: 'src/store/replay.c',
        text: 'visit_frames(&replay, replay_frame, error) && finish_collections(&replay, error);',
        by: 'visit_frames(&replay, replay_frame, error) && ' +
            'journals_end(&replay.journals, false, error) && finish_collections(&replay, error);' },
    { name: 'the rule that a mark vouches only for what is synced', file: 'src/store/collection.c',
        isRare: true,
        text: `!file_sync(index, error)) return false;
            if (header.synced_count > 0`,
        by: `0) return false; if (header.synced_count > 0` },
];
