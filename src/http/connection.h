/* connection.h - between evhttp and struct request; with listener.c all that knows evhttp.
 *
 * evhttp parses the bytes and calls connection.c once a request is complete. Here it becomes a
 * struct request (request_start), and here its reply goes back. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/request.h"

/* The next bytes of the body, at most `most` of them, in one piece; empty at the end, or when
 * memory is out. Valid until the next call. connection_drop_body takes them off. */
struct str connection_body(const struct request *request, size_t most);
void connection_drop_body(struct request *request, size_t length);

/* The request goes on after this turn: its task is cancelled when the connection breaks. */
void connection_hold(struct request *request);

/* True if the client has sent more than this request already: then it is not to be held. */
bool connection_has_more(const struct request *request);

/* For a request held long: ends its watch when the client goes away or sends more. Harmless if it
 * cannot be set up. */
void connection_watch_hangup(struct request *request);
void connection_forget_hangup(struct request *request);

/* Sends the reply, unless the connection is gone; body of request->reply and headers are taken.
 * headers is a block of header lines without the name of the first, CRLF between them and none
 * behind the last; its values are ours or checked, for nothing here looks at them again. */
void connection_send(struct request *request, const char *first_name, struct buf *headers);

/* Last: lets go of evhttp's request. */
void connection_release(struct request *request);

#endif
