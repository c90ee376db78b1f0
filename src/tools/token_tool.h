/* token_tool.h - `cutoutctl token`: tokens made, read and ended by who has the secret, or the
 * token. */
#ifndef TOOLS_TOKEN_TOOL_H
#define TOOLS_TOKEN_TOOL_H

extern const char token_tool_usage[];

/* argv[0] is "token". Returns the status the program ends with: 0 done, 1 the token is no good, 2
 * it could not be done. */
int token_tool_run(int argc, char **argv);

#endif
