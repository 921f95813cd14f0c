/* SPDX-License-Identifier: Apache-2.0 */
/* The detail behind a returned error, kept per thread for job_client_error(). */
#pragma once

/* Return: @error. */
int error_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
