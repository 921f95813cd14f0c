/* SPDX-License-Identifier: Apache-2.0 */
/* A web service on loopback for tests: answers as the path says, thousands at once. It ends with the test's process. */
#pragma once

/*
 * Starts it. Paths:
 *   /status/N    N, with body "said N"           /retry-after/V  503 with that header (V as in a URL)
 *   /as-told     the status that the body is     /bytes/N        so many zeroes
 *   /echo        the request as it came
 *   /redirect    302                             /flaky          503 while job-attempt is 1, then 200
 *   /headers/N   N KiB of headers                /signed/KEY     200 if signed with that key (base64 as in a URL), else 401
 *   /silence     nothing, ever                   /drip/WHAT      "head" or "body" byte by byte, for ever
 *   /meet/N      200 when N were there           /gate/NAME      200 when /open/NAME was asked for
 *   /wait/MS     200 after that time             /counts         "<connections so far> <requests now> <most at once>"
 * Return: its port.
 */
int http_service_start(void);

/* Asks it itself. Return: the answer's body, to be freed. */
char *http_service_ask(int port, const char *path);
