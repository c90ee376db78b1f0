/* writer.h - the one who writes to a stream: takes what is queued, in order, until nothing is left.
 *
 * A task per stream with work: judge -> number -> commit (journal, sync, database) -> publish ->
 * answer; then again. What can go together goes in one batch: an append joins those before it if
 * none of them matters to it (other types than its filter names). Most cannot: an append is only
 * right if it has seen everything before. */
#ifndef SYNC_WRITER_H
#define SYNC_WRITER_H

#include "sync/append.h"

/* Starts a writer for the stream unless one runs. Called by append_start. Without memory the queued
 * appends fail. */
void writer_wake(struct stream *stream);

#endif
