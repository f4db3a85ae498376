/*
 * Where the time of a request goes.  These rows make the phases, their names
 * in the header Server-Timing, and the fields of the log, which leaves out
 * those that are over within a millisecond (NULL).
 *
 *    phase      header       log
 */
/* clang-format off */
PHASE(CATALOGUE, "catalogue", NULL)        /* what the catalogue knows of it */
PHASE(SIGN,      "sign",      NULL)        /* a presigned URL                */
PHASE(MODEL,     "model",     "model_ms")  /* the image model, retries too   */
PHASE(STORE,     "store",     "store_ms")  /* checked, written, recorded     */
PHASE(UPLOAD,    "upload",    "upload_ms") /* to bucket or job, before the reply */
/* clang-format on */
