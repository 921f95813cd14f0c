/* SPDX-License-Identifier: Apache-2.0 */
/* A web service on loopback for tests: answers as the path says. It ends with the test's process. */
#pragma once

/*
 * Starts it. Paths: /status/N answers N with body "said N"; /retry-after/V 503 with that header (V as in a URL); /echo the request as it
 * came; /bytes/N so many zeroes; /redirect 302; /silence nothing, ever; /flaky 503 while job-attempt is 1, then 200.
 * Return: its port.
 */
int http_service_start(void);
