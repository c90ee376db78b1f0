/* suites.h - the suites of this room's test binary, one a file. Check's own header comes last
 * wherever it is included, so it is not here. */
#ifndef AUTH_SUITES_H
#define AUTH_SUITES_H

struct Suite;

struct Suite *suite_access(void);
struct Suite *suite_documents(void);
struct Suite *suite_id_token(void);
struct Suite *suite_key_set(void);
struct Suite *suite_keys(void);
struct Suite *suite_login(void);
struct Suite *suite_mail_code(void);
struct Suite *suite_mail_text(void);
struct Suite *suite_login_oidc(void);
struct Suite *suite_oidc_issuer(void);
struct Suite *suite_origin(void);
struct Suite *suite_rate(void);
struct Suite *suite_revocations(void);
struct Suite *suite_token(void);
struct Suite *suite_mail_server(void);
struct Suite *suite_mail_login(void);
struct Suite *suite_login_mail(void);
struct Suite *suite_blob_link(void);

#endif
