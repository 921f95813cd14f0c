/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest program that enqueues a job: enqueue [TYPE [PAYLOAD [QUEUE]]]
 *
 * Kafka's address is taken from $JOB_KAFKA. Prints the job's id once Kafka has it for good.
 */
#include <job.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct job_client *client;
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    struct job_spec spec = {
        .type = argc > 1 ? argv[1] : "selftest.echo",
        .payload = argc > 2 ? argv[2] : "{\"hello\":\"world\"}",
        .queue = argc > 3 ? argv[3] : "selftest",
    };

    int r = job_client_open(&client, NULL);
    if (r == 0)
        r = job_enqueue_wait(client, &spec, &id, 10000);
    if (r) {
        fprintf(stderr, "enqueue: %s (%s)\n", job_strerror(r), job_client_error(NULL));
        return 1;
    }
    puts(job_id_format(&id, text));
    return job_client_close(client, 0);
}
