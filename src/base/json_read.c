#include "base/json_read.h"

#include "base/percent.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

/* --- Memory --------------------------------------------------------------------------
 *
 * yajl writes through what its allocator returns without a look, so the allocator must not fail. It
 * serves from one reserve, made at the start, that suffices by this count. Be T the bytes fed in
 * all, and the blank that yajl adds at the end.
 *
 *  - Three blocks grow: the buffer that holds a token split over pieces, the buffer that strings
 * are decoded into, and the stack of states. All others are fixed and fit into FIXED_RESERVE: four
 *    structs, the growing blocks as they begin, one text of an error.
 *  - A buffer holds at most one token, and decoding never lengthens it: at most T bytes. It is
 *    doubled from YAJL_BUF_SIZE until it is larger than what it holds: at most 2 T, or
 * YAJL_BUF_SIZE.
 *  - The stack has a byte per level and one more, rounded up to 128: less than T + 129.
 *  - So none of the three ever needs more than 2 T + YAJL_BUF_SIZE. A block that has to grow moves
 *    once, to a place with room for that; from then on it grows where it is.
 *
 * What is never written to costs address space only. Should another yajl count differently, the
 * allocator leaves the parser by longjmp, and the reading fails. That leaks nothing, because
 * everything the parser has lies in the reserve; yajl_free is never called. */
enum {
    YAJL_BUF_SIZE = 2048,
    GROWING_BLOCKS = 3,
    FIXED_RESERVE = 8 * 1024, /* under 5 KB are used */
};

struct arena {
    jmp_buf out;
    size_t length; /* most bytes that will be fed */
    size_t most;   /* that a growing block can need */
    size_t used, size;
    alignas(max_align_t) char memory[];
};

struct block {
    size_t size, room;
    alignas(max_align_t) char memory[];
};

static void *allocate_block(struct arena *arena, size_t size, size_t room)
{
    size_t whole =
        (sizeof(struct block) + room + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *block = (struct block *)(void *)(arena->memory + arena->used);

    if (room > arena->size || whole > arena->size - arena->used)
        longjmp(arena->out, 1);
    arena->used += whole;
    block->size = size;
    block->room = room;
    return block->memory;
}

static void *allocate(void *context, size_t size)
{
    return allocate_block(context, size, size);
}

static void *grow(void *context, void *memory, size_t size)
{
    struct arena *arena = context;
    struct block *block;
    void *larger;

    if (!memory)
        return allocate(arena, size);
    block = (struct block *)(void *)((char *)memory - offsetof(struct block, memory));
    if (size <= block->room) {
        block->size = size;
        return memory;
    }
    larger = allocate_block(arena, size, size > arena->most ? size : arena->most);
    memcpy(larger, memory, block->size);
    return larger;
}

static void let_go(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static struct arena *reserve(size_t length)
{
    struct arena *arena = NULL;
    size_t most, size;

    if (__builtin_add_overflow(length, 1, &most) || __builtin_mul_overflow(most, 2, &most) ||
        __builtin_add_overflow(most, YAJL_BUF_SIZE, &most) ||
        __builtin_mul_overflow(most, GROWING_BLOCKS, &size) ||
        __builtin_add_overflow(size, FIXED_RESERVE, &size) || size > SIZE_MAX - sizeof *arena)
        return NULL;
    arena = malloc(sizeof *arena + size);
    if (!arena)
        return NULL;
    arena->length = length;
    arena->most = most;
    arena->used = 0;
    arena->size = size;
    return arena;
}

/* --- Events -------------------------------------------------------------------------- */

static bool pass_event(struct json_read *json, enum json_event event, unsigned depth,
                       struct str text)
{
    if (json->on_event(json->context, event, depth, text))
        return true;
    json->stopped = true;
    return error_set(&json->error, ERROR_BAD_JSON, "the reading was stopped");
}

static int begin_container(struct json_read *json, enum json_event event)
{
    if (json->depth == json->max_depth)
        return error_set(&json->error, ERROR_BAD_JSON,
                         "bad JSON at byte %" PRIu64 ": nested deeper than %u levels",
                         json->fed + yajl_get_bytes_consumed(json->parser) - 1, json->max_depth);
    return pass_event(json, event, json->depth++, STR(""));
}

static int end_container(struct json_read *json, enum json_event event)
{
    return pass_event(json, event, --json->depth, STR(""));
}

static int take_null(void *context)
{
    struct json_read *json = context;

    return pass_event(json, JSON_NULL, json->depth, STR(""));
}

static int take_boolean(void *context, int value)
{
    struct json_read *json = context;

    return pass_event(json, value ? JSON_TRUE : JSON_FALSE, json->depth, STR(""));
}

static int take_number(void *context, const char *text, size_t length)
{
    struct json_read *json = context;

    return pass_event(json, JSON_NUMBER, json->depth, (struct str){text, length});
}

static int take_string(void *context, const unsigned char *text, size_t length)
{
    struct json_read *json = context;

    return pass_event(json, JSON_STRING, json->depth, (struct str){(const char *)text, length});
}

static int take_key(void *context, const unsigned char *text, size_t length)
{
    struct json_read *json = context;

    return pass_event(json, JSON_KEY, json->depth, (struct str){(const char *)text, length});
}

static int begin_object(void *context)
{
    return begin_container(context, JSON_BEGIN_OBJECT);
}

static int end_object(void *context)
{
    return end_container(context, JSON_END_OBJECT);
}

static int begin_array(void *context)
{
    return begin_container(context, JSON_BEGIN_ARRAY);
}

static int end_array(void *context)
{
    return end_container(context, JSON_END_ARRAY);
}

static const yajl_callbacks callbacks = {
    .yajl_null = take_null,
    .yajl_boolean = take_boolean,
    .yajl_number = take_number,
    .yajl_string = take_string,
    .yajl_map_key = take_key,
    .yajl_start_map = begin_object,
    .yajl_end_map = end_object,
    .yajl_start_array = begin_array,
    .yajl_end_array = end_array,
};

/* --- What the library does not look at -----------------------------------------------
 *
 * A small machine follows strings and their escapes through the raw text. Where it meets what the
 * library refuses anyway it may lose its way: the library refuses that byte first. */

enum {
    ESCAPE_NONE,
    ESCAPE_BACKSLASH, /* after "\" */
    ESCAPE_HEX,       /* after "\u", and one more for each digit that was read */
    ESCAPE_LAST_HEX = ESCAPE_HEX + 3,

    SURROGATE_MASK = 0xfc00,
    SURROGATE_HIGH = 0xd800,
    SURROGATE_LOW = 0xdc00,
};

static const char unpaired[] = "unpaired surrogate escape";

static const char *follow_hex_digit(struct json_read *json, char digit)
{
    unsigned unit = json->escape.unit << 4 | ((unsigned)percent_hex_value(digit) & 15);
    bool is_low = (unit & SURROGATE_MASK) == SURROGATE_LOW;

    json->escape.unit = unit;
    if (json->escape.state++ < ESCAPE_LAST_HEX)
        return NULL;
    json->escape.state = ESCAPE_NONE;
    if (is_low != json->escape.after_high)
        return unpaired;
    json->escape.after_high = (unit & SURROGATE_MASK) == SURROGATE_HIGH;
    return NULL;
}

/* What is wrong with the next byte; NULL: nothing. */
static const char *follow_byte(struct json_read *json, char byte)
{
    char due = json->escape.state == ESCAPE_NONE ? '\\' : 'u';

    if (!json->in_string) {
        json->in_string = byte == '"';
        return byte == '\v' || byte == '\f' ? "control byte between values" : NULL;
    }
    if (json->escape.state >= ESCAPE_HEX)
        return follow_hex_digit(json, byte);
    if (json->escape.after_high && byte != due)
        return unpaired;
    if (json->escape.state == ESCAPE_BACKSLASH)
        json->escape.state = byte == 'u' ? ESCAPE_HEX : ESCAPE_NONE;
    else if (byte == '\\')
        json->escape.state = ESCAPE_BACKSLASH;
    else if (byte == '"')
        json->in_string = false;
    return NULL;
}

/* How many of these bytes leave the machine as it is. */
static size_t count_plain(const struct json_read *json, struct str text)
{
    size_t count = 0;

    if (json->escape.state != ESCAPE_NONE || json->escape.after_high)
        return 0;
    if (json->in_string)
        return str_find_either(text, '"', '\\');
    while (count < text.length && text.data[count] != '"' && text.data[count] != '\v' &&
           text.data[count] != '\f')
        count++;
    return count;
}

/* How many bytes of the piece are good; what is wrong with the next one, if there is one. */
static size_t follow_strings(struct json_read *json, struct str piece, const char **wrong)
{
    const char *what;

    for (size_t i = 0; i < piece.length; i++) {
        i += count_plain(json, str_slice(piece, i, piece.length));
        if (i == piece.length)
            break;
        what = follow_byte(json, piece.data[i]);
        if (what) {
            *wrong = what;
            return i;
        }
    }
    return piece.length;
}

/* The same for UTF-8. */
static size_t follow_utf8(struct json_read *json, struct str piece, const char **wrong)
{
    struct utf8 before = json->utf8;
    size_t good = 0;

    if (utf8_feed(&json->utf8, piece))
        return piece.length;
    while (good < piece.length && utf8_feed(&before, str_slice(piece, good, 1)))
        good++;
    *wrong = "not UTF-8";
    return good;
}

/* --- Reading ------------------------------------------------------------------------- */

/* One line of the library's, without its "parse error: " and final stop. */
static bool explain_failure(struct json_read *json, size_t consumed)
{
    const char *whole = (const char *)yajl_get_error(json->parser, 0, NULL, 0);
    const char *colon = whole ? strstr(whole, ": ") : NULL;
    const char *what = colon ? colon + 2 : "unknown error";

    return error_set(&json->error, ERROR_BAD_JSON, "bad JSON near byte %" PRIu64 ": %.*s",
                     json->fed + consumed, (int)strcspn(what, ".\n"), what);
}

/* All that the library does happens inside this function, which is where the allocator jumps to. */
static bool run_parser(struct json_read *json, struct str text, bool is_last)
{
    struct arena *arena = json->arena;
    yajl_status status;

    if (setjmp(arena->out) != 0)
        return error_set(&json->error, ERROR_NO_MEMORY, "out of memory while reading JSON");
    if (!json->parser) {
        yajl_alloc_funcs memory = {allocate, grow, let_go, arena};

        json->parser = yajl_alloc(&callbacks, &memory, json);
        /* Our own check is stricter. */
        return yajl_config(json->parser, yajl_dont_validate_strings, 1) == 1;
    }
    status = is_last ? yajl_complete_parse(json->parser)
                     : yajl_parse(json->parser, (const unsigned char *)text.data, text.length);
    if (status == yajl_status_ok)
        return true;
    if (json->error.code != ERROR_NONE)
        return false;
    return explain_failure(json, is_last ? 0 : yajl_get_bytes_consumed(json->parser));
}

/* Of a stopped reading the function that stopped it gives the reason. */
static bool pass_error(const struct json_read *json, struct error *error)
{
    if (!json->stopped)
        *error = json->error;
    return false;
}

bool json_read_open(struct json_read *json, size_t length, unsigned max_depth,
                    json_event_fn *on_event, void *context, struct error *error)
{
    *json = (struct json_read){
        .arena = reserve(length),
        .on_event = on_event,
        .context = context,
        .max_depth = max_depth,
    };
    if (!json->arena) {
        (void)error_set(error, ERROR_NO_MEMORY, "out of memory for reading %zu bytes of JSON",
                        length);
        return false;
    }
    if (run_parser(json, STR(""), false))
        return true;
    *error = json->error;
    json_read_close(json);
    return false;
}

bool json_read_feed(struct json_read *json, struct str piece, struct error *error)
{
    const struct arena *arena = json->arena;
    const char *wrong = NULL;
    size_t good;

    if (json->error.code != ERROR_NONE)
        return pass_error(json, error);
    if (piece.length > arena->length - json->fed) {
        (void)error_set(&json->error, ERROR_TOO_LARGE,
                        "JSON is longer than the announced %zu bytes", arena->length);
        return pass_error(json, error);
    }
    /* What stands before a bad byte is read all the same, so that the events do not depend on how
     * the text was cut. */
    good = follow_utf8(json, piece, &wrong);
    good = follow_strings(json, str_slice(piece, 0, good), &wrong);
    if (good > 0 && !run_parser(json, str_slice(piece, 0, good), false))
        return pass_error(json, error);
    json->fed += good;
    if (good == piece.length)
        return true;
    (void)error_set(&json->error, ERROR_BAD_JSON, "bad JSON at byte %" PRIu64 ": %s", json->fed,
                    wrong);
    return pass_error(json, error);
}

bool json_read_finish(struct json_read *json, struct error *error)
{
    if (json->error.code != ERROR_NONE)
        return pass_error(json, error);
    /* Behind a complete value the library does not mind the beginning of a string. */
    if (json->in_string)
        (void)error_set(&json->error, ERROR_BAD_JSON, "bad JSON: the text ends inside a string");
    else if (run_parser(json, STR(""), true))
        return true;
    return pass_error(json, error);
}

void json_read_close(struct json_read *json)
{
    free(json->arena);
    *json = (struct json_read){0};
}

bool json_read_text(struct str text, unsigned max_depth, json_event_fn *on_event, void *context,
                    struct error *error)
{
    struct json_read json;
    bool ok = json_read_open(&json, text.length, max_depth, on_event, context, error) &&
              json_read_feed(&json, text, error) && json_read_finish(&json, error);

    json_read_close(&json);
    return ok;
}
