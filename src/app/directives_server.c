/* Directives: where it listens, where the data is, what it serves. */
#include "app/directives_tables.h"

#include "http/http.h"

const struct conf_directive directives[] = {
    {.name = "listen",
     .type = CONF_LIST,
     .offset = FIELD(listen),
     .fallback = "127.0.0.1:8088",
     .check = http_check_listen,
     .values = "ADDRESS:PORT | [ADDRESS]:PORT | *:PORT | unix:PATH ...",
     .help = "Where clients connect. Addresses are numbers; * is all of them, IPv4 and IPv6; "
             "port 0 lets the system choose. This is HTTP without TLS: towards the network there "
             "is tls_listen, or a proxy in front."},
    {.name = "tls_listen",
     .type = CONF_LIST,
     .offset = FIELD(tls_listen),
     .fallback = "",
     .check = http_check_listen,
     .values = "ADDRESS:PORT | [ADDRESS]:PORT | *:PORT ...",
     .help = "Where clients connect with TLS (1.2 and 1.3)."},
    {.name = "tls_certificate",
     .type = CONF_TEXT,
     .offset = FIELD(tls_certificate),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "The certificate for tls_listen in PEM, with those of its issuers behind it; read "
             "again at SIGHUP, so a renewed one needs no restart."},
    {.name = "tls_key",
     .type = CONF_TEXT,
     .offset = FIELD(tls_key),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "Its key in PEM, which not everybody may read. Servers with the same "
             "token_secret_file resume each other's sessions."},
    {.name = "admin_listen",
     .type = CONF_LIST,
     .offset = FIELD(admin_listen),
     .fallback = "127.0.0.1:8089",
     .check = http_check_listen,
     .values = "ADDRESS:PORT | unix:PATH ...",
     .help = "Where /health, /ready, /metrics, /status and POST /drain are answered, to "
             "anybody who can connect: keep it off the network. Empty: nowhere."},
    {.name = "data_dir",
     .type = CONF_TEXT,
     .offset = FIELD(data_dir),
     .fallback = "./data",
     .values = "DIRECTORY",
     .help = "The directory of all data. It is made if it is not there; one server uses it "
             "at a time."},
    {.name = "durability",
     .type = CONF_WORDS,
     .offset = FIELD(durability),
     .fallback = "always",
     .check = check_durability,
     .values = "always | interval TIME | off",
     .help = "When a POST is answered. always: when what it brought is on disk, synced; "
             "nothing that was answered is lost in a power cut. interval TIME: when it was "
             "given to the system, which has it on disk at most so much later (10ms to 1h); "
             "a power cut takes back what was answered last, a crash of the server nothing. "
             "off: likewise, but it is on disk at the next checkpoint only. interval and off "
             "are for a server that has data_dir for itself."},
    {.name = "base_path",
     .type = CONF_TEXT,
     .offset = FIELD(base_path),
     .fallback = "",
     .check = check_base_path,
     .reloads = true,
     .values = "/PATH",
     .help = "What stands before every path, if the server shares its host with others: with "
             "/sync a collection is /sync/DOMAIN/USER/BUCKET."},
    {.name = "public_url",
     .type = CONF_TEXT,
     .offset = FIELD(public_url),
     .fallback = "",
     .check = check_public_url,
     .reloads = true,
     .values = "URL",
     .help = "How browsers reach this server, base_path included; /syncclient.js says it to "
             "the apps that load it. Needed behind a proxy that speaks TLS; without it the "
             "script names the host that it was asked from, by http."},
    {.name = "blob_origin",
     .type = CONF_TEXT,
     .offset = FIELD(blob_origin),
     .fallback = "",
     .check = check_origin,
     .reloads = true,
     .values = "https://HOST",
     .help = "Where blobs are read, and only there: another host name of this server, on which "
             "no app is. A file that somebody has sent is no page of an app then, whatever a "
             "browser takes it for. Empty: where everything is."},
    {.name = "allow_origin",
     .type = CONF_LIST,
     .offset = FIELD(allow_origin),
     .fallback = "",
     .check = check_origin,
     .reloads = true,
     .values = "https://HOST ...",
     .help = "Further origins whose pages may use every collection that their user can log "
             "in to. The origin whose host is the domain of a collection always may."},
    {.name = "document_root",
     .type = CONF_TEXT,
     .offset = FIELD(document_root),
     .fallback = "",
     .reloads = true,
     .values = "DIRECTORY",
     .help = "A directory with an app, served beside the API. It is read into memory at the "
             "start and at each reload; hidden files and links are left out."},
    {.name = "document_connect",
     .type = CONF_LIST,
     .offset = FIELD(document_connect),
     .fallback = "",
     .check = check_origin,
     .reloads = true,
     .values = "https://HOST ...",
     .help = "Other servers that the pages of document_root may talk to, such as the server that "
             "a user moves to, or the issuer of a login. Everything else but this server is shut "
             "to them."},
    {.name = "client_script",
     .type = CONF_TEXT,
     .offset = FIELD(client_script),
     .fallback = "",
     .reloads = true,
     .values = "FILE",
     .help = "The file that is served as /syncclient.js. Empty: the one that was installed "
             "with the server."},
    {.more = directives_login},
};
