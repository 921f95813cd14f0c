/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what the migrations have made still there, and as they made it? Compares job's catalog with the text of the built-in migrations.
 *
 * Found are: tables, views, indexes, functions and triggers that are missing; functions whose body no migration has; triggers that are
 * disabled; indexes that are invalid. What somebody has added is nobody's business.
 *
 * Not here: columns and constraints. Asks nobody; the rows come from health_list_objects().
 */
#pragma once

#include "store/db.h"

enum inventory_fault { INVENTORY_MISSING, INVENTORY_ALTERED, INVENTORY_OFF };

/* @kind: "table", "view", "index", "function", "trigger". */
typedef void (*inventory_fault_fn)(enum inventory_fault fault, const char *kind, const char *name,
                                   void *userdata);

/* @objects: of a schema in which all built-in migrations were applied, and no other. Return: 0; -ENOMEM. */
int inventory_compare(const struct rows *objects, inventory_fault_fn found, void *userdata);

/* @sql's names by kind are made or removed from @names ("kind name\n" …); what inventory_compare() reads migrations with. */
struct buf;
void inventory_read(struct buf *names, const char *sql);
