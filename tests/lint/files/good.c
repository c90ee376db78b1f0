/* http://example.org is fine
 * here // and here */
const char *url = "//example.org/\"//"; /* as is '//' */
const char quote = '"', other = '\'';   /* // */
