#include "http/mail_page.h"

enum { HALF = MAIL_CODE_DIGITS / 2, SECONDS_A_MINUTE = 60 };

#define STYLE                                                                                      \
    ":root{--ground:#f6f4ef;--paper:#fffefb;--ink:#24262b;--soft:#676c76;--line:#e3dfd5;"          \
    "--accent:#8a5a00;--on-accent:#fffdf8;color-scheme:light dark}"                                \
    "@media(prefers-color-scheme:dark){:root{--ground:#16181d;--paper:#20232a;--ink:#e9e7e1;"      \
    "--soft:#a0a5b0;--line:#343842;--accent:#f2b84b;--on-accent:#2a1d02}}"                         \
    "*{box-sizing:border-box}"                                                                     \
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;"               \
    "background:var(--ground);color:var(--ink);"                                                   \
    "font:1rem/1.55 ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\","      \
    "sans-serif}"                                                                                  \
    "main{width:100%;max-width:27rem;padding:2rem;background:var(--paper);"                        \
    "border:1px solid var(--line);border-radius:.9rem}"                                            \
    "h1{margin:0 0 1rem;font-size:1.35rem;line-height:1.3}"                                        \
    "p{margin:0 0 1rem;overflow-wrap:anywhere}"                                                    \
    "p:last-child{margin:0}"                                                                       \
    ".site{font-weight:600}"                                                                       \
    ".soft{color:var(--soft);font-size:.92rem}"                                                    \
    ".code{margin:1.25rem 0;padding:.9rem;text-align:center;border:1px dashed var(--line);"        \
    "border-radius:.6rem;font:600 2rem/1.2 ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\","      \
    "monospace;letter-spacing:.08em;user-select:all}"                                              \
    ".code span+span{margin-left:.35em}"                                                           \
    "form{margin:1.25rem 0}"                                                                       \
    "button{width:100%;padding:.75rem 1rem;font:inherit;font-weight:600;cursor:pointer;border:0;"  \
    "border-radius:.6rem;background:var(--accent);color:var(--on-accent)}"                         \
    "button:hover{filter:brightness(1.08)}"                                                        \
    "button:focus-visible{outline:3px solid var(--accent);outline-offset:3px}"

/* A test holds the hash against the style. */
const char mail_page_csp[] =
    "default-src 'none'; style-src 'sha256-mb/SwjyXd6AbMFUHfZ3anR/U0V2YGzbSUxwzI+4BlLI='; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'";

static const char head[] = "<!doctype html>\n"
                           "<html lang=\"en\">\n"
                           "<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n"
                           "<meta name=\"robots\" content=\"noindex\">\n"
                           "<title>Your code</title>\n"
                           "<style>" STYLE "</style>\n"
                           "<main>\n";

static void put_html(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.length; i++) {
        switch (text.data[i]) {
        case '&':
            buf_append(out, STR("&amp;"));
            break;
        case '<':
            buf_append(out, STR("&lt;"));
            break;
        case '"':
            buf_append(out, STR("&quot;"));
            break;
        default:
            buf_append_byte(out, text.data[i]);
        }
    }
}

static void put_site(const struct mail_code *code, struct buf *out)
{
    buf_append(out, STR("<span class=\"site\">"));
    put_html(str_of(code->audience.text), out);
    buf_append(out, STR("</span>"));
}

void mail_page_put_button(const struct mail_code *code, struct buf *out)
{
    buf_append(out, STR(head));
    buf_append(out, STR("<h1>Do you want to log in?</h1>\n<p>Somebody wants to log in at "));
    put_site(code, out);
    buf_append(out, STR(" with the address "));
    put_html(str_of(code->user), out);
    buf_append(out, STR(".</p>\n"
                        "<form method=\"post\">\n"
                        "<button name=\"show\" value=\"code\">Show the code</button>\n"
                        "</form>\n"
                        "<p class=\"soft\">If it is not you, close this page. Nobody gets in "
                        "without the code.</p>\n"
                        "</main>\n"));
}

void mail_page_put_code(const struct mail_code *code, int64_t now, struct buf *out)
{
    long long minutes = (code->expires - now + SECONDS_A_MINUTE - 1) / SECONDS_A_MINUTE;

    buf_append(out, STR(head));
    buf_append_format(out,
                      "<h1>Your code</h1>\n"
                      "<p class=\"code\"><span>%.*s</span><span>%s</span></p>\n"
                      "<p>Type it at ",
                      HALF, code->digits, code->digits + HALF);
    put_site(code, out);
    buf_append_format(out,
                      ", where you asked for it, and nowhere else. It is good once, for %lld "
                      "more minute%s.</p>\n"
                      "<p class=\"soft\">Whoever asks you for it, by phone or in a message, is up "
                      "to no good.</p>\n"
                      "</main>\n",
                      minutes, minutes == 1 ? "" : "s");
}

void mail_page_put_end(struct buf *out)
{
    buf_append(out, STR(head));
    buf_append(out, STR("<h1>This link is no longer good</h1>\n"
                        "<p>A code is good for some minutes. Ask for a new one where you want to "
                        "log in.</p>\n"
                        "<p class=\"soft\">If it is new, part of the link may be missing: it has "
                        "to be opened as a whole.</p>\n"
                        "</main>\n"));
}
