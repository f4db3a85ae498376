/*
 * doctor_local - the checks of this host: settings, folders, nginx's rights,
 * disk.
 */
#ifndef APP_DOCTOR_LOCAL_H
#define APP_DOCTOR_LOCAL_H

#include "app/patient.h"

patient_check doctor_settings, doctor_data, doctor_images, doctor_run_folder,
    doctor_jobs_folder, doctor_disk;

/* Is a filesystem of that statfs(2) type unfit for SQLite's WAL, whose
 * readers share memory?  Its name, or NULL when it is fit. */
const char *doctor_unfit_filesystem(int64_t type);

#endif
