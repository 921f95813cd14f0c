/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a workbook back: are all its sheets there, each to its end, with every row? */
#pragma once

#include <stdint.h>

/**
 * xlsx_check() - find out whether a workbook was cut off
 * @fd:       the file, read by pread()
 * @n_sheets: how many there must be
 * @n_rows:   of all sheets together
 *
 * Return: NULL; what is wrong, a constant.
 */
const char *xlsx_check(int fd, unsigned n_sheets, uint64_t n_rows);
