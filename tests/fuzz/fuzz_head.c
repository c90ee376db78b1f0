/* Any bytes as the head of a request: its end is found at the same place however they are cut, and
 * what is understood has nothing in it that another reader could take for a further request. */
#include "http/head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes at a time, so that the end is found as when they come slowly. */
static size_t find_end_slowly(struct str text, size_t step)
{
    size_t looked_at = 0, end = 0;

    for (size_t i = 0; i < text.length && end == 0; i += step)
        end = head_find_end(str_slice(text, 0, i), &looked_at);
    return end > 0 ? end : head_find_end(text, &looked_at);
}

static unsigned count_lines_of(struct str text, struct str name)
{
    struct str line;
    unsigned count = 0;

    while (str_split(&text, '\n', &line))
        count += str_equals_nocase(str_slice(line, 0, name.length), name) &&
                 line.length > name.length && line.data[name.length] == ':';
    return count;
}

static void check_understood(const struct request_head *head, struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((text.data[i] == '\n') != (i > 0 && text.data[i - 1] == '\r') || text.data[i] == '\0')
            abort();
    }
    if (count_lines_of(text, STR("transfer-encoding")) > 0 ||
        count_lines_of(text, STR("content-length")) > 1 || count_lines_of(text, STR("host")) > 1 ||
        (head->minor == 1 && count_lines_of(text, STR("host")) == 0) ||
        (head->body_length > 0 && head->method != METHOD_POST) || head->target.data[0] != '/' ||
        head->target.data < text.data ||
        head->target.data + head->target.length > text.data + text.length)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct request_head head;
    struct error error;
    size_t looked_at = 0;
    size_t end = head_find_end(text, &looked_at);

    if (find_end_slowly(text, 1) != end || find_end_slowly(text, 7) != end)
        abort();
    if (end == 0)
        return 0;
    text = str_slice(text, 0, end);
    if (head_parse(&head, text, STR("x-user"), &error))
        check_understood(&head, text);
    else if (error.code == ERROR_NONE || error.message[0] == '\0')
        abort();
    return 0;
}
