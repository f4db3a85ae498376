/*
 * Every way in which a call can fail.  These rows make the enum, the word
 * in the JSON reply, its HTTP status, and whether the client may read the
 * text (what names our files or memory stays in the log).
 *
 *    kind       word                    HTTP  public?
 */
/* clang-format off */
FAULT(INPUT,     "ValidationError",      400,  true)  /* malformed data          */
FAULT(RANGE,     "ValidationError",      422,  true)  /* well-formed, not allowed*/
FAULT(FILTERED,  "ContentFiltered",      422,  true)  /* the model refused it    */
FAULT(KEYLESS,   "Unauthorized",         401,  true)  /* no API key, or a wrong one */
FAULT(ABSENT,    "NotFound",             404,  true)  /* no such image or path   */
FAULT(METHOD,    "MethodNotAllowed",     405,  true)  /* path yes, method no     */
FAULT(CONFLICT,  "Conflict",             409,  true)  /* a key in use, maybe paid*/
FAULT(LARGE,     "TooLarge",             413,  true)  /* body over its limit     */
FAULT(MEDIA,     "UnsupportedMediaType", 415,  true)  /* not application/json    */
FAULT(MEMORY,    "InternalError",        500,  false) /* none left, over a limit */
FAULT(DISK,      "InternalError",        500,  false) /* the system refused us   */
FAULT(CATALOGUE, "InternalError",        500,  false) /* SQLite refused          */
FAULT(PEER,      "InternalError",        500,  false) /* the web server hung up  */
FAULT(REMOTE,    "ProviderError",        502,  true)  /* refused, or answered junk */
FAULT(DENIED,    "StorageDenied",        502,  true)  /* S3 refused our keys     */
FAULT(THROTTLED, "Unavailable",          503,  true)  /* S3 asks us to slow down */
FAULT(BUSY,      "Unavailable",          503,  true)  /* down, quota, come back  */
FAULT(SLOW,      "Timeout",              504,  true)  /* a deadline passed       */
FAULT(FULL,      "StorageFull",          507,  true)  /* too little local disk   */
/* clang-format on */
