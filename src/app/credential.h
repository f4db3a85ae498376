/*
 * credential - a secret that is handed over as a file, not in the
 * environment: systemd's LoadCredential (systemd.exec(5)), or a folder of
 * secrets that a container mounts.
 */
#ifndef APP_CREDENTIAL_H
#define APP_CREDENTIAL_H

#include "base/secret.h"

/* LoadCredential=charref:FOLDER names each file of the folder so. */
#define CREDENTIAL_PREFIX "charref_"

enum { CREDENTIAL_MAX = 16 << 10 };

/*
 * Reads the file NAME, else CREDENTIAL_PREFIX NAME, in the folder that
 * $CREDENTIALS_DIRECTORY names; a newline at its end does not count.
 * Leaves s as it is when there is no such folder or file.  FAULT_INPUT when
 * the file cannot be read, is empty (a key that is there must not pass for
 * one that nobody wants), is over CREDENTIAL_MAX bytes, or holds a control
 * character; no text of a fault has any of its bytes.
 */
int credential_read(const char *name, struct secret *s, struct fault *f);

#endif
