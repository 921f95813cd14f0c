/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of options as text: what option.c reads and names, and option_doc.c prints. */
#pragma once

#include <stddef.h>

struct option_row;

#define OPTION_TEXT_SIZE 512
#define OPTION_KEY_SIZE 256

/* "parent.key" and "key[2]" into @text (OPTION_KEY_SIZE bytes). */
void option_key_join(char *text, const char *parent, const char *key);
void option_key_index(char *text, const char *key, size_t i);

/* Stores @text in the row's field (scalar types). Return: 0; OPTION_INVALID when it is none of its values; -ENOMEM. */
int option_value_parse(const struct option_row *row, const char *text, void *field);

/* "an integer from 1 to 1000" into @text (OPTION_TEXT_SIZE bytes). Return: @text. */
char *option_value_expected(const struct option_row *row, char *text);

/* The row's limits as the reference prints them, "" when there is nothing to say. Return: @text. */
char *option_value_range(const struct option_row *row, char *text);

/* "integer", "duration", … */
const char *option_value_type(const struct option_row *row);
