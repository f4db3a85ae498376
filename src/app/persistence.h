/*
 * persistence - the persistence service over HTTP: thin faces of assets.
 */
#ifndef APP_PERSISTENCE_H
#define APP_PERSISTENCE_H

#include "app/service.h"

#define PERSISTENCE_URL_PATH "/api/mv/get_character_reference_url/"

service_handler persistence_persist, persistence_associate, persistence_url;

#endif
