/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/config_servers.h"

#include "store/db.h"
#include "stream/property.h"

const struct config_rules config_server_rules = { .property = property_check, .database_url = db_check_url };
