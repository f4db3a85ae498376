/*
 * Every metric, once.  These rows make the layout of the file, the ids, and
 * what /metrics says of each; docs/METRICS.md has the same rows.
 *
 *   LABEL      a label whose values are learnt, so many of them at most; the
 *              first place is for "other", which is all the rest
 *   COUNTER    kept in the file, by two labels
 *   HISTOGRAM  of seconds, kept in the file, by one label
 *   GAUGE      measured when it is asked for; by two labels, "" for none
 *   ROLE       what a process does that holds a slot
 */
#ifndef LABEL
#define LABEL(id, name, room)
#endif
#ifndef COUNTER
#define COUNTER(id, name, a, b, help)
#endif
#ifndef HISTOGRAM
#define HISTOGRAM(id, name, a, help)
#endif
#ifndef GAUGE
#define GAUGE(id, name, a, b, help)
#endif
#ifndef ROLE
#define ROLE(id, name)
#endif
/* clang-format off */
LABEL(NONE,      "",          1)
LABEL(ROUTE,     "route",     24)
LABEL(STATUS,    "status",    40)
LABEL(MODEL,     "model",     16)
LABEL(OUTCOME,   "outcome",   32)
LABEL(OPERATION, "operation", 24)

COUNTER(REQUESTS, "charref_http_requests_total", ROUTE, STATUS,
    "Requests that a worker has answered, by the status it sent; 499: nobody was left to answer.")
HISTOGRAM(REQUEST_SECONDS, "charref_http_request_duration_seconds", ROUTE,
    "Time from a request's arrival at a worker to the end of its reply.")
COUNTER(GENERATIONS, "charref_generations_total", MODEL, OUTCOME,
    "Generations by the model asked last (none: it was not asked) and how they ended: ok, or the error of the reply. Replays of an Idempotency-Key are none.")
COUNTER(IMAGES_MADE, "charref_generated_images_total", MODEL, OUTCOME,
    "Images that a model answered about: ok when kept, else why not.")
HISTOGRAM(MODEL_SECONDS, "charref_model_request_duration_seconds", MODEL,
    "Time that a model took to answer one generation, attempts and the waits between them included.")
COUNTER(UPLOADS, "charref_uploads_total", OUTCOME, NONE,
    "Attempts to bring an image to the bucket: ok, or the error of the failure.")
COUNTER(UPLOADED_BYTES, "charref_uploaded_bytes_total", NONE, NONE,
    "Bytes of images sent to the bucket; what S3 copied inside itself, or had already, is none.")
COUNTER(S3_REQUESTS, "charref_s3_requests_total", OPERATION, OUTCOME,
    "Operations on the bucket after all their attempts: ok, or the error of the failure (NotFound is an answer, too).")

GAUGE(CATALOGUE_READABLE, "charref_catalogue_readable", "", "",
    "1 when the catalogue could be read for this; 0: what it would have told is left out.")
GAUGE(OBJECTS_WAITING, "charref_objects_waiting", "", "",
    "Objects that wait for the uploader; those left until their first GET do not count.")
GAUGE(OBJECTS_FAILED, "charref_objects_failed", "", "",
    "Objects given up until somebody looks at them.")
GAUGE(OLDEST_WAITING, "charref_objects_oldest_waiting_seconds", "", "",
    "Since when the object waits that has waited longest; 0 when none does.")
GAUGE(IMAGES, "charref_images", "", "",
    "Images in the catalogue.")
GAUGE(OPERATIONS, "charref_operations", "state", "",
    "Operations on whole jobs by state; done and failed ones are kept for 30 days.")
GAUGE(STORAGE_STATE, "charref_storage_state", "state", "",
    "1 for the bucket's state as the host knows it, 0 for the others; unknown: no news for 5 s, taken as up. Absent without a bucket.")
GAUGE(STORAGE_NEWS_AGE, "charref_storage_news_age_seconds", "", "",
    "Since the last news of the bucket; absent before the first.")
GAUGE(CLOCK_OFFSET, "charref_clock_offset_seconds", "", "",
    "What S3's clock is ahead of this host's, as learnt from its refusals.")
GAUGE(CREDENTIALS_INFO, "charref_credentials_info", "source", "",
    "1, with the source of the AWS credentials.")
GAUGE(CREDENTIALS_LEFT, "charref_credentials_remaining_seconds", "", "",
    "What is left of the life of temporary credentials, 0 when there are none that are good; absent when they never end.")
GAUGE(DISK_FREE, "charref_disk_free_bytes", "", "",
    "Free bytes on the filesystem of the images.")
GAUGE(DISK_RESERVE, "charref_disk_reserve_bytes", "", "",
    "Bytes that must stay free (DISK_RESERVE_MB).")
GAUGE(WORKERS, "charref_workers", "pool", "state",
    "Workers that are alive, by the pool whose socket they listen on, busy or idle.")
GAUGE(WORKER_BUSY, "charref_worker_longest_busy_seconds", "pool", "",
    "How long the request in hand has taken by now that has taken longest.")
GAUGE(UPLOADER_PROCESSES, "charref_uploader_processes", "role", "",
    "Processes of the uploader that are alive.")

ROLE(FAST,     "fast")
ROLE(LOOKUP,   "lookup")
ROLE(SLOW,     "slow")
ROLE(OTHER,    "other")
ROLE(UPLOADER, "uploader")
ROLE(WATCHER,  "watcher")
ROLE(RUNNER,   "runner")
/* clang-format on */
#undef LABEL
#undef COUNTER
#undef HISTOGRAM
#undef GAUGE
#undef ROLE
