/*
 * doctor_model - the checks of the image models: their host, the key, and
 * whether each is there.  Asks about models, never for images: it is free.
 */
#ifndef APP_DOCTOR_MODEL_H
#define APP_DOCTOR_MODEL_H

#include "app/patient.h"
#include "codec/json.h"

patient_check doctor_model_host, doctor_model_key, doctor_models;

/* Does the document of a model (models.get of the Gemini API) list the verb
 * among what it supports? */
bool doctor_model_does(const struct json_value *model, const char *verb);

void doctor_model_end(struct patient *p);

#endif
