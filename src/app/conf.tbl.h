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
 *      type    name              default  min  max  words  sentence
 */
/* clang-format off */
SETTING(PATH,   CHARREF_ROOT,     "./data", 0, 0, "",
    "Folder of the data: catalogue.db, and the images below mv/outputs/character_reference.")
SETTING(CHOICE, SERVE_FROM_CLOUD, "false", 0, 0, "false",
    "Must be false: this version keeps images on local disk only.")
SETTING(CHOICE, IMAGE_PROVIDER,   "google", 0, 0, "google",
    "Whose image API to call.")
SETTING(TEXT,   IMAGE_MODELS,     "imagen-4.0-generate-001,gemini-nano-banana-2.1", 0, 0, "",
    "Models tried in order; imagen-* speaks :predict, gemini-* speaks :generateContent. One that answers \"not found\" is asked last for an hour.")
SETTING(TEXT,   IMAGE_BASE_URL,   "https://generativelanguage.googleapis.com", 0, 0, "",
    "Where the models are. Plain http:// only for this host itself or with IMAGE_SOCKET.")
SETTING(PATH,   IMAGE_SOCKET,     "", 0, 0, "",
    "Unix socket through which the models are reached, instead of TCP.")
SETTING(TEXT,   IMAGE_PROMPT,
    "A full-body character reference image of {description}. Clear, well-lit, neutral background, professional quality, detailed features, front-facing view.", 0, 0, "",
    "The prompt sent to the model; {description} is its only placeholder.")
SETTING(SECRET, GEMINI_API_KEY,   "", 0, 0, "",
    "Key of the Gemini API. With it, every generated image costs money.")
SETTING(SECRET, GOOGLE_API_KEY,   "", 0, 0, "",
    "Used when GEMINI_API_KEY is not set.")
SETTING(NUMBER, GENERATE_DEADLINE, "110", 1, 600, "",
    "Seconds one generation may take, retries included. nginx waits 20 s longer.")
SETTING(NUMBER, DISK_RESERVE_MB,  "256", 0, 1000000000, "",
    "MiB of disk that must stay free; below it a generation is refused with 507 before it is paid for.")
SETTING(CHOICE, LOG_LEVEL,        "info", 0, 0, "debug info warn error",
    "Lines below this level are not written.")
SETTING(PATH,   LOG_FILE,         "", 0, 0, "",
    "File the log is appended to instead of standard error, which spawn-fcgi throws away.")
SETTING(SECRET, SKETCH_KEY,       "", 0, 0, "",
    "charref-sketch: the only key it accepts; unset, it accepts any.")
SETTING(NUMBER, PORT,             "8000", 1, 65535, "",
    "make run: the port on 127.0.0.1.")
SETTING(NUMBER, FAST_WORKERS,     "4", 1, 256, "",
    "make run: workers that answer GETs.")
SETTING(NUMBER, LOOKUP_WORKERS,   "2", 1, 256, "",
    "make run: workers for what needs the cloud.")
SETTING(NUMBER, SLOW_WORKERS,     "4", 1, 256, "",
    "make run: workers that generate; each runs one generation at a time.")
SETTING(PATH,   RUN_DIR,          "build/run", 0, 0, "",
    "make run: folder of its sockets, logs and nginx files.")
/* clang-format on */
