/*
 * Every setting, once.  These rows make the parser, the checks, `charref
 * config`, and the table in docs/CONFIGURATION.md.
 *
 *   TEXT    any text
 *   SECRET  a key; never printed
 *   PATH    a file or folder
 *   NUMBER  a whole number from min to max
 *   CHOICE  one of the words in `words`
 *
 * The column difference says what it means that these settings differ from
 * those that a process was started with:
 *
 *   APART      nothing: the processes that serve do not use it
 *   COMPARED   it is shown; a secret that is no longer set is a warning
 *   GUARD      it keeps strangers out: no group is replaced by one without it
 *   MODEL_KEY  one of these stays: no group is replaced by one without any
 *
 *      type    difference name       default  min  max  words  sentence
 */
/* clang-format off */
SETTING(PATH,   COMPARED,  CHARREF_ROOT,     "./data", 0, 0, "",
    "Folder of the data: catalogue.db, and the images below mv/outputs/character_reference.")
SETTING(CHOICE, COMPARED,  SERVE_FROM_CLOUD, "false", 0, 0, "false true",
    "true: every image goes to the bucket and GETs answer with presigned URLs. false: images are served from local disk; persist and associate still upload when a bucket is set.")
SETTING(CHOICE, COMPARED,  STORAGE_BACKEND,  "s3", 0, 0, "s3",
    "What kind of cloud storage the bucket is in.")
SETTING(TEXT,   COMPARED,  STORAGE_BUCKET,   "", 0, 0, "",
    "Name of the bucket. Must be set when SERVE_FROM_CLOUD is true.")
SETTING(SECRET, COMPARED,  AWS_ACCESS_KEY_ID, "", 0, 0, "",
    "With AWS_SECRET_ACCESS_KEY: the keys to sign with. Unset, they are looked for as the AWS SDKs do: web identity, profile, container, instance; `charref config` says where they were found.")
SETTING(SECRET, COMPARED,  AWS_SECRET_ACCESS_KEY, "", 0, 0, "",
    "See AWS_ACCESS_KEY_ID.")
SETTING(SECRET, COMPARED,  AWS_SESSION_TOKEN, "", 0, 0, "",
    "Session token of temporary keys given by AWS_ACCESS_KEY_ID.")
SETTING(TEXT,   COMPARED,  AWS_REGION,       "us-east-1", 0, 0, "",
    "Region of the bucket. Unset: AWS_DEFAULT_REGION, else what the profile says.")
SETTING(TEXT,   COMPARED,  AWS_DEFAULT_REGION, "", 0, 0, "",
    "Used when AWS_REGION is not set.")
SETTING(TEXT,   COMPARED,  AWS_ENDPOINT_URL_S3, "", 0, 0, "",
    "http[s]://host[:port] of an S3 that is not Amazon's.")
SETTING(TEXT,   COMPARED,  AWS_ENDPOINT_URL, "", 0, 0, "",
    "Used when AWS_ENDPOINT_URL_S3 is not set.")
SETTING(TEXT,   COMPARED,  S3_PUBLIC_ENDPOINT, "", 0, 0, "",
    "http[s]://host[:port] that presigned URLs are signed for, when clients reach the bucket under another name than this host does.")
SETTING(CHOICE, COMPARED,  S3_ADDRESSING_STYLE, "auto", 0, 0, "auto path virtual",
    "Where the bucket's name stands in a URL. auto: in the path for a bucket with a dot and for an endpoint that is an IP address or a name without one (localhost, minio), else in the host.")
SETTING(CHOICE, COMPARED,  S3_SSE,           "none", 0, 0, "none AES256 aws:kms",
    "Server-side encryption to ask for with each upload.")
SETTING(TEXT,   COMPARED,  S3_SSE_KMS_KEY_ID, "", 0, 0, "",
    "Key for S3_SSE=aws:kms; unset, the account's own.")
SETTING(PATH,   COMPARED,  AWS_CA_BUNDLE,    "", 0, 0, "",
    "File of the certificates to trust when talking to the storage, instead of the system's.")
SETTING(NUMBER, COMPARED,  AWS_MAX_ATTEMPTS, "3", 1, 10, "",
    "How often one request to the storage is sent at most, the first time included.")
SETTING(NUMBER, COMPARED,  PRESIGNED_URL_EXPIRY, "3600", 1, 604800, "",
    "Seconds that a presigned URL lives; never longer than temporary keys do.")
SETTING(NUMBER, COMPARED,  PRESIGNED_URL_WINDOW, "0", 0, 86400, "",
    "Seconds within which every presigned URL of an image is the same, so that browsers may cache what it points to; at most half of PRESIGNED_URL_EXPIRY. 0: each is signed anew.")
SETTING(NUMBER, COMPARED,  REDIRECT_CACHE,   "10", 0, 60, "",
    "Seconds that nginx may answer GETs of an uploaded image from its cache; only with PRESIGNED_URL_WINDOW, and never past a window's end. An outage of the storage is seen by so much later. 0: not at all.")
SETTING(CHOICE, COMPARED,  UPLOAD_MODE,      "eager", 0, 0, "eager background lazy",
    "When a generated image goes to the bucket: eager, before the reply (within UPLOAD_BUDGET); background, after it, by the uploader; lazy, at its first GET.")
SETTING(NUMBER, COMPARED,  UPLOAD_BUDGET,    "5", 1, 15, "",
    "Seconds that a generation waits for its uploads. What takes longer is left to the uploader.")
SETTING(NUMBER, COMPARED,  VERIFY_DAYS,      "30", 0, 3650, "",
    "Days after which the uploader asks whether an uploaded image is still there; 0: never.")
SETTING(PATH,   COMPARED,  JOBS_DIR,         "/tmp/video_jobs", 0, 0, "",
    "Folder of the jobs' folders, for requests over HTTP. Below it folders are made "
    "0770 and files 0660 in folders that are setgid and writable for their group "
    "(`charref-admin jobs-folder` makes them so); elsewhere the umask holds.")
SETTING(CHOICE, COMPARED,  IMAGE_PROVIDER,   "google", 0, 0, "google",
    "Whose image API to call.")
SETTING(TEXT,   COMPARED,  IMAGE_MODELS,     "gemini-nano-banana-2.1,gemini-3.1-flash-lite-image", 0, 0, "",
    "Models tried in order; gemini-* speaks :generateContent, imagen-* speaks :predict (Google has switched Imagen off; gateways may have it). One that answers \"not found\" is asked last for an hour.")
SETTING(TEXT,   COMPARED,  IMAGE_BASE_URL,   "https://generativelanguage.googleapis.com", 0, 0, "",
    "Where the models are. Plain http:// only for this host itself or with IMAGE_SOCKET.")
SETTING(PATH,   COMPARED,  IMAGE_SOCKET,     "", 0, 0, "",
    "Unix socket through which the models are reached, instead of TCP.")
SETTING(TEXT,   COMPARED,  IMAGE_PROMPT,
    "A full-body character reference image of {description}. Clear, well-lit, neutral background, professional quality, detailed features, front-facing view.", 0, 0, "",
    "The prompt sent to the model; {description} is its only placeholder.")
SETTING(SECRET, MODEL_KEY, GEMINI_API_KEY,   "", 0, 0, "",
    "Key of the Gemini API. With it, every generated image costs money.")
SETTING(SECRET, MODEL_KEY, GOOGLE_API_KEY,   "", 0, 0, "",
    "Used when GEMINI_API_KEY is not set.")
SETTING(NUMBER, COMPARED,  GENERATE_DEADLINE, "110", 1, 600, "",
    "Seconds one generation may take, retries included; at least 15 with IMAGE_BASE_URL at googleapis.com. nginx waits 20 s longer.")
SETTING(NUMBER, COMPARED,  DISK_RESERVE_MB,  "256", 0, 1000000000, "",
    "MiB of disk that must stay free; below it a generation is refused with 507 before it is paid for.")
SETTING(SECRET, GUARD,     API_KEY,          "", 0, 0, "",
    "Keys that a POST must bring one of, as X-API-Key or Authorization: Bearer; separated by commas, each as it is or as sha256: and the hexadecimal hash that `charref key` prints. Unset: the service is open.")
SETTING(CHOICE, GUARD,     PROTECT_READS,    "false", 0, 0, "false true",
    "true: GETs of images, URLs and operations need a key, too, and nginx keeps no reply. Needs API_KEY.")
SETTING(TEXT,   COMPARED,  CORS_ORIGINS,     "", 0, 0, "",
    "Origins whose pages may read the replies in a browser, such as https://app.example.com, separated by commas; * for every origin.")
SETTING(CHOICE, COMPARED,  LOG_LEVEL,        "info", 0, 0, "debug info warn error",
    "Lines below this level are not written.")
SETTING(PATH,   COMPARED,  LOG_FILE,         "", 0, 0, "",
    "File the log is appended to instead of standard error, which spawn-fcgi throws away.")
SETTING(SECRET, APART,     SKETCH_KEY,       "", 0, 0, "",
    "charref-sketch: the only key it accepts; unset, it accepts any.")
SETTING(NUMBER, APART,     PORT,             "8000", 1, 65535, "",
    "make run: the port on 127.0.0.1.")
SETTING(NUMBER, APART,     FAST_WORKERS,     "4", 1, 256, "",
    "Workers that answer GETs, in two groups.")
SETTING(NUMBER, APART,     LOOKUP_WORKERS,   "2", 1, 256, "",
    "Workers for what needs the cloud, in two groups.")
SETTING(NUMBER, APART,     SLOW_WORKERS,     "4", 1, 256, "",
    "Workers that generate, in two groups; each runs one generation at a time.")
SETTING(PATH,   APART,     RUN_DIR,          "build/run", 0, 0, "",
    "Folder of what lives as long as the service runs: sockets, metrics, what its processes tell each other about the storage and, with make run, logs and nginx files.")
SETTING(TEXT,   COMPARED,  AWS_PROFILE,      "", 0, 0, "",
    "Credentials: the profile to use; set, it wins over AWS_ACCESS_KEY_ID.")
SETTING(PATH,   COMPARED,  AWS_SHARED_CREDENTIALS_FILE, "", 0, 0, "",
    "Credentials: the credentials file. Default: ~/.aws/credentials.")
SETTING(PATH,   COMPARED,  AWS_CONFIG_FILE,  "", 0, 0, "",
    "Credentials: the config file. Default: ~/.aws/config.")
SETTING(TEXT,   COMPARED,  AWS_ROLE_ARN,     "", 0, 0, "",
    "Credentials: the role to assume by web identity.")
SETTING(TEXT,   COMPARED,  AWS_ROLE_SESSION_NAME, "", 0, 0, "",
    "Credentials: the name of that session. Default: charref.")
SETTING(PATH,   COMPARED,  AWS_WEB_IDENTITY_TOKEN_FILE, "", 0, 0, "",
    "Credentials: the file of the web identity's token.")
SETTING(TEXT,   COMPARED,  AWS_ENDPOINT_URL_STS, "", 0, 0, "",
    "Credentials: https://host[:port] of the STS to ask, or http:// on this host. Default: the region's.")
SETTING(TEXT,   COMPARED,  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, "", 0, 0, "",
    "Credentials: set by ECS.")
SETTING(TEXT,   COMPARED,  AWS_CONTAINER_CREDENTIALS_FULL_URI, "", 0, 0, "",
    "Credentials: set by EKS pod identity.")
SETTING(PATH,   COMPARED,  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, "", 0, 0, "",
    "Credentials: set by EKS pod identity.")
SETTING(SECRET, COMPARED,  AWS_CONTAINER_AUTHORIZATION_TOKEN, "", 0, 0, "",
    "Credentials: used when there is no such file.")
SETTING(CHOICE, COMPARED,  AWS_EC2_METADATA_DISABLED, "false", 0, 0, "false true",
    "Credentials: true keeps us from asking the EC2 instance.")
SETTING(TEXT,   COMPARED,  AWS_EC2_METADATA_SERVICE_ENDPOINT, "", 0, 0, "",
    "Credentials: http://host[:port] of the instance's metadata service.")
/* clang-format on */
