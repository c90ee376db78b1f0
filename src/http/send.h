/* send.h - from a reply to bytes on the socket; see connection.h for what comes before. */
#ifndef HTTP_SEND_H
#define HTTP_SEND_H

#include "http/request.h"

/* Sends the reply of a request whose connection is there; the body of request->reply and headers
 * are taken. headers is a block of header lines without the name of the first, CRLF between them
 * and behind the last; its values are ours or checked, for nothing here looks at them again. */
void send_reply(struct request *request, const char *first_name, struct buf *headers);

/* Callback of the connection's write event: sends what is left. */
void send_more(int fd, short what, void *connection);

struct connection;

/* Bytes of the answer that the socket has not taken. */
uint64_t send_count_left(const struct connection *connection);

/* The rest of a file is not wanted any more. Harmless without one. */
void send_drop_file(struct connection *connection);

#endif
