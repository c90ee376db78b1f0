/* log.h - lines for operators.
 *
 * One line an event: time, level, text; as text or as JSON objects. The log is the one thing in
 * the program that is global, because a failure anywhere may have to be said when nothing else
 * works. It is called by the top floors only (http, app, ended background tasks) and from the
 * loop's thread only.
 *
 * Lines are gathered and written by log_flush, which the loop calls once a turn and log_write calls
 * by itself at LOG_WARNING and above or when 32 KB have gathered. A line that cannot be written at
 * once is dropped and counted (log_lost), so nothing here waits, whoever reads the pipe; only a
 * line that stands there in part is finished later. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* path NULL: stderr. Until it is called lines go to stderr as text at LOG_NOTICE. */
MUST_CHECK bool log_open(const char *path, enum log_level level, enum log_format format,
                         struct error *error);

/* Opens the same path anew (after rotation). On failure the old file stays in use. */
MUST_CHECK bool log_reopen(struct error *error);
void log_close(void);

bool log_wants(enum log_level level);
enum log_format log_current_format(void);

/* One line, of at most 2 KB. Control bytes in the text are written as \xNN, in JSON as its escapes,
 * so that nobody can forge lines. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* For whoever builds the line itself (the access log): members is either text, or, in JSON format,
 * `"name":value,...` without the braces. Time and level are added, and nothing is escaped. */
void log_write_members(enum log_level level, struct str members);

void log_flush(void);
uint64_t log_lost(void); /* lines */

#endif
