/*
 * doctor_cloud - the checks of the way to the bucket: its host, the clock,
 * credentials, the bucket itself and its region.
 */
#ifndef APP_DOCTOR_CLOUD_H
#define APP_DOCTOR_CLOUD_H

#include "app/patient.h"

patient_check doctor_storage, doctor_public, doctor_addressing, doctor_clock,
    doctor_credentials, doctor_bucket, doctor_region;

/* Says what a probe of a host found, and which settings to look at. */
void doctor_say_probe(struct finding *it, const struct probe *probe,
    const char *origin, const char *setting);

/* Says how far a clock that is so far from ours is off. */
void doctor_say_clock(struct finding *it, int64_t offset_s, const char *whose);

/* Ends what the checks have opened; asks nobody. */
void doctor_cloud_end(struct patient *p);

#endif
