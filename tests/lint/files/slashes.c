const char *url = "http://example.org"; /* neither this // nor that */
int number;                             // but this
