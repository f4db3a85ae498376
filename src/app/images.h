/*
 * images - GET of one image: a presigned URL as JSON or redirect, or, when
 * the cloud is off, down, or does not have it yet, the local file.
 */
#ifndef APP_IMAGES_H
#define APP_IMAGES_H

#include "app/service.h"

#define IMAGES_PATH "/api/mv/get_character_reference/"

service_handler images_get;

#endif
