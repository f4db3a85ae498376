/*
 * doctor_rights - may we do to the bucket what the service does?  Tried on a
 * small object of its own, and a copy of it, which are removed again.
 *
 * DELETE is asked for first, which S3 answers though there is nothing yet: who
 * may not delete must not put what would then be left behind.
 */
#ifndef APP_DOCTOR_RIGHTS_H
#define APP_DOCTOR_RIGHTS_H

#include "app/patient.h"

patient_check doctor_delete, doctor_put, doctor_head, doctor_get, doctor_copy,
    doctor_list, doctor_missing, doctor_presigned_get, doctor_presigned_head,
    doctor_removed;

/* Chooses the keys of the probe's objects. */
void doctor_rights_begin(struct patient *p);

/* Removes what may still be in the bucket, also when told to stop, within a
 * few seconds: false when that failed. */
bool doctor_rights_end(struct patient *p);

#endif
