/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libjob: hand background jobs to a queue and go on.
 *
 *     struct job_client *client;
 *     if (job_client_open(&client, NULL) < 0) …
 *     struct job_id id;
 *     int r = job_enqueue(client, &(struct job_spec){ .type = "welcome_email", .queue = "mail",
 *                                                     .payload = "{\"to\":\"ada@example.org\"}" }, &id);
 *     if (r) fprintf(stderr, "%s\n", job_strerror(r));
 *     job_client_close(client, 5000);
 *
 * A job is a message in a Kafka topic until a worker has recorded its end in PostgreSQL. Once a job's delivery has been
 * acknowledged it is never lost.
 *
 * Threads: a client may be used from any number of threads at once. Processes: open the client after fork(), because
 * Kafka's client threads do not survive one. The library prints nothing, installs no signal handlers and never exits.
 *
 * Errors: 0 is success; JOB_E_… (positive) is a named outcome, worth a decision by the caller; a negative value is
 * -errno. job_strerror() has a sentence for all of them.
 */
#ifndef JOB_H
#define JOB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define JOB_API __attribute__((visibility("default")))
#else
#define JOB_API
#endif

struct job_client;
struct pg_conn; /* libpq's PGconn */

/** A job's id: a UUID of version 7 (RFC 9562), so ids sort by time. */
struct job_id {
    uint8_t bytes[16];
};

/** Bytes that job_id_format() writes, the final NUL included. */
#define JOB_ID_TEXT_SIZE 37

/** Largest job: payload, key and all headers together (libjob's own are about 200 bytes). */
#define JOB_MAX_MESSAGE_SIZE (1024 * 1024)
/** Most milliseconds that an id chosen by the caller may lie in the future. */
#define JOB_MAX_ID_AHEAD_MS (60 * 60 * 1000)
/** Longest delay, and longest time for which a unique key is held: 10 years of 365.25 days. */
#define JOB_MAX_DELAY_MS INT64_C(315576000000)

enum job_error {
    JOB_E_FULL = 1,           /**< too many jobs wait for Kafka's answer; nothing was accepted; again later */
    JOB_E_TOO_LARGE = 2,      /**< payload, key and headers exceed JOB_MAX_MESSAGE_SIZE */
    JOB_E_INVALID_QUEUE = 3,  /**< not [a-z0-9][a-z0-9-]{0,62}, or reserved ("later", "dead") */
    JOB_E_INVALID_TYPE = 4,   /**< not [A-Za-z][A-Za-z0-9_.-]{0,127} */
    JOB_E_INVALID_JSON = 5,   /**< the content type says JSON and the payload is none */
    JOB_E_INVALID_ID = 6,     /**< not a version 7 UUID, or more than an hour in the future */
    JOB_E_INVALID_OPTION = 7, /**< another member of the spec is out of its range */
    JOB_E_INVALID_HEADER = 8, /**< header name empty, reserved ("ce_…", "content-type", trace…) or too many */
    JOB_E_TIMED_OUT = 9, /**< no answer from Kafka in time: the job may be there or not; repeat with its id */
    JOB_E_UNKNOWN_QUEUE = 10, /**< Kafka has no topic for this queue */
    JOB_E_REFUSED = 11,       /**< Kafka refused the message (authorisation, size limit of the topic, …) */
    JOB_E_INVALID_CONFIG =
        12,               /**< a client option or Kafka property is wrong; details by job_client_error() */
    JOB_E_CLOSED = 13,    /**< the client was closed while the job waited */
    JOB_E_NOT_FOUND = 14, /**< PostgreSQL does not know the job: no worker has seen it yet, or it never was */
    JOB_E_DATABASE_AWAY = 15, /**< no connection to PostgreSQL, or it was lost */
    JOB_E_DATABASE_REFUSED =
        16, /**< PostgreSQL refused it (rights, schema, …); details by job_client_error() */
    JOB_E_CONNECTION_BUSY = 17,    /**< another command, or a pipeline, is under way on the connection */
    JOB_E_TRANSACTION_FAILED = 18, /**< the transaction had failed before; it can only be rolled back */
    JOB_E_NOT_ENDED = 19,          /**< the job has not ended in the time that was given */
};

/** A header of the caller's own, handed on to the handler. */
struct job_header {
    const char *name;
    const char *value; /**< UTF-8 text */
};

/** Which of the queue's topics a job goes to. Jobs of different priority are in no order, even with one key. */
enum job_priority {
    JOB_PRIORITY_LOW = -1,
    JOB_PRIORITY_NORMAL = 0,
    JOB_PRIORITY_HIGH = 1,
};

/**
 * What to run. Zero-initialise; everything but type and queue is optional. Copied by the call, the caller keeps it.
 */
struct job_spec {
    const char *type;            /**< which handler, e.g. "welcome_email" */
    const char *queue;           /**< NULL: "default" */
    const void *payload;         /**< NULL: no payload (stored as an empty value) */
    size_t payload_size;         /**< 0 with a payload: it is a C string */
    const char *content_type;    /**< NULL: "application/json" */
    const void *key;             /**< ordering key; jobs of one key go to one partition; NULL: none */
    size_t key_size;             /**< 0 with a key: it is a C string */
    const struct job_id *id;     /**< the caller's own id, which makes repeating safe; NULL: a new one */
    int max_attempts;            /**< 1 … 1000; 0: the handler's policy */
    int64_t timeout_ms;          /**< per attempt, 1 … 30 days; 0: the handler's policy */
    int64_t expires_ms;          /**< do not start later than this many ms from now; 0: never expires */
    const char *tags;            /**< comma-separated; NULL: none */
    const struct job_id *parent; /**< the job that this one comes from; NULL: none */
    const char *traceparent;     /**< W3C trace context; NULL: none */
    const char *tracestate;
    const struct job_header *headers;
    size_t n_headers;
    int reply;        /**< not 0: somebody waits for the end */
    void *cookie;     /**< handed to the delivery callback, not looked at */
    int priority;     /**< enum job_priority; other than normal only for a queue that has lanes */
    int debounce;     /**< not 0, with unique_key: takes the place of the one that waits, see below */
    int64_t delay_ms; /**< do not start earlier than this many ms from now, up to 10 years; 0: at once */
    int64_t
        run_at_ms; /**< the same in ms since 1970; a moment that has passed: at once; 0: as delay_ms says */
    /**
     * Of the jobs of one queue and type with the same unique key (at most 512 bytes of UTF-8) only the first is run; those after it
     * end as "duplicate" and name its id. NULL: none.
     *
     * The key is free again when the first one has ended, or with unique_for_ms, when that time has passed since it was
     * enqueued. With debounce a later one is a duplicate as well, but as long as the first one waits for its time, that one gets its
     * payload, headers and time; if it has started, the later one is run after all.
     */
    const char *unique_key;
    int64_t unique_for_ms; /**< up to 10 years; 0: until the first one has ended */
    void *reserved[1];     /**< zero */
};

/**
 * Called once for each job that job_enqueue() or job_enqueue_many() accepted: @error is 0 when Kafka has it for good (acks=all), else
 * JOB_E_TIMED_OUT, JOB_E_UNKNOWN_QUEUE, JOB_E_REFUSED or JOB_E_CLOSED. Runs in the client's own delivery thread: be quick, do not close the client
 * and do not call job_flush() from it; enqueueing from it is fine.
 */
typedef void (*job_delivered_fn)(const struct job_id *id, int error, void *cookie, void *userdata);

struct job_property {
    const char *name, *value;
};

/** How to reach Kafka. Zero-initialise; every member is optional. Copied by job_client_open(). */
struct job_client_options {
    const char *brokers;                   /**< "host:port,…"; NULL: $JOB_KAFKA, else "127.0.0.1:9092" */
    const char *prefix;                    /**< of topic names; NULL: "job" */
    const char *source;                    /**< ce_source: who enqueues; NULL: "/<program name>" */
    job_delivered_fn delivered;            /**< NULL: nobody wants to know */
    void *userdata;                        /**< for delivered */
    int64_t delivery_timeout_ms;           /**< 0: 120,000 */
    int64_t linger_ms;                     /**< how long a batch waits for company; 0: 5; -1: none */
    size_t buffer_jobs;                    /**< most jobs that wait for Kafka's answer; 0: 100,000 */
    size_t buffer_bytes;                   /**< the same in bytes; 0: 64 MiB */
    const struct job_property *properties; /**< any librdkafka property */
    size_t n_properties;
    /**
     * PostgreSQL's connection string, for job_status() and those who wait; NULL: $JOB_DATABASE_URL. A connection of its own, not through
     * PgBouncer's transaction mode, which hears no notifications.
     */
    const char *database_url;
    void *reserved[5]; /**< zero */
};

/**
 * job_client_open() - make a client
 * @ret:     set on success; release with job_client_close()
 * @options: NULL for the defaults
 *
 * Starts Kafka's client threads and one delivery thread. Does not wait for a connection: jobs are buffered until Kafka answers.
 *
 * Return: 0; JOB_E_INVALID_CONFIG (then job_client_error(NULL) tells this thread which option); negative errno.
 */
JOB_API int job_client_open(struct job_client **ret, const struct job_client_options *options);

/**
 * job_client_close() - flush and release a client
 * @client:     NULL is fine
 * @timeout_ms: how long to wait for outstanding jobs; 0: not at all
 *
 * Every job that was accepted has had its delivery callback when this returns; those that Kafka did not answer in time got JOB_E_CLOSED.
 * No other thread may be using the client.
 *
 * Return: 0; JOB_E_TIMED_OUT when some job got JOB_E_CLOSED.
 */
JOB_API int job_client_close(struct job_client *client, int64_t timeout_ms);

/**
 * job_enqueue() - hand one job to the queue
 * @client: open client; any thread
 * @spec:   what to run; copied, the caller keeps it
 * @ret_id: the job's id, set on success; may be NULL
 *
 * When this returns 0 the job is in this process' buffer and will be sent; it is durable once the delivery callback has said so (or job_flush()
 * has returned 0). Never blocks on the network; while a lost producer is being replaced it may wait some milliseconds.
 * A lost producer's jobs are sent again by themselves, so one may reach Kafka twice; it carries ce_claim and runs once.
 *
 * Return: 0; JOB_E_FULL (nothing was accepted, repeating is safe); JOB_E_TOO_LARGE; JOB_E_INVALID_…; JOB_E_UNKNOWN_QUEUE;
 * JOB_E_REFUSED (Kafka denies this client the topic); JOB_E_CLOSED (from a callback while the client closes); negative errno.
 */
JOB_API int job_enqueue(struct job_client *client, const struct job_spec *spec, struct job_id *ret_id);

/**
 * job_enqueue_wait() - hand one job to the queue and wait until Kafka has it
 * @timeout_ms: how long to wait; 0: as long as the client's delivery timeout
 *
 * Blocks until the job is durable (acks=all) or the time is over. The client's delivery callback is not called for it. Must not be called from
 * the delivery callback.
 *
 * Return: as job_enqueue(); JOB_E_TIMED_OUT: it may be there or not, *ret_id is set, repeat with that id; JOB_E_REFUSED.
 */
JOB_API int job_enqueue_wait(struct job_client *client, const struct job_spec *spec, struct job_id *ret_id,
                             int64_t timeout_ms);

/**
 * job_enqueue_many() - hand many jobs to the queue
 * @specs:        @n of them
 * @ret_ids:      room for @n ids; may be NULL
 * @ret_accepted: how many, from the first on, were accepted; may be NULL only if @n is 0 or 1
 *
 * Stops at the first job that is not accepted and returns its error; the ones before it are on their way.
 *
 * Return: 0 when all were accepted; else as job_enqueue() for the job at *ret_accepted.
 */
JOB_API int job_enqueue_many(struct job_client *client, const struct job_spec *specs, size_t n,
                             struct job_id *ret_ids, size_t *ret_accepted);

/**
 * job_enqueue_tx() - hand one job to the queue if, and only if, the caller's PostgreSQL transaction commits
 * @pg:     the caller's connection (libpq's PGconn) to the database that has libjob's schema, with a transaction open on it; one thread
 * @spec:   what to run; copied, the caller keeps it
 * @ret_id: the job's id, set on success; may be NULL
 *
 * The job is a row of job.pending from now on, which nobody else sees until COMMIT; ROLLBACK, an error or the end of the connection take it
 * away with everything else. After the commit a broker moves it to Kafka, within some milliseconds. Without an open transaction it is enqueued
 * when this returns. Needs no client and no connection to Kafka, and no right but to call job.enqueue_message() (see `jobctl db grant`).
 *
 * Runs one statement on @pg and blocks for it; begins and ends no transaction and changes no setting. What is wrong with the spec is found
 * before anything is sent, so that the transaction goes on; after JOB_E_DATABASE_REFUSED it has failed, as after any error of PostgreSQL.
 * PostgreSQL's clock counts delay_ms and expires_ms. With an id of the caller's own, repeating is safe: a job that waits already stays as it is.
 * With a unique key the statement waits for other transactions that have enqueued the key and have not ended yet.
 * The spec's cookie is not used. A transaction with a job cannot be prepared for a two-phase commit (PREPARE TRANSACTION).
 *
 * Return: 0; JOB_E_TOO_LARGE; JOB_E_INVALID_…; JOB_E_CONNECTION_BUSY and JOB_E_TRANSACTION_FAILED (nothing was sent); JOB_E_DATABASE_AWAY
 * (the transaction is gone; without one, the job may be there or not: repeat with its id); JOB_E_DATABASE_REFUSED; negative errno.
 */
JOB_API int job_enqueue_tx(struct pg_conn *pg, const struct job_spec *spec, struct job_id *ret_id);

/** Where a job is in its life. The last five are its end. */
enum job_state {
    JOB_STATE_UNKNOWN = 0,   /**< a state that this version of the library does not know */
    JOB_STATE_SCHEDULED = 1, /**< waits for its time */
    JOB_STATE_QUEUED = 2,    /**< waits for a worker */
    JOB_STATE_WAITING = 3,   /**< waits for another job */
    JOB_STATE_RUNNING = 4,   /**< a worker holds it: it is claimed, or has run for some seconds */
    JOB_STATE_RETRYING = 5,  /**< a try has failed, and it waits for the next */
    JOB_STATE_SUCCEEDED = 6,
    JOB_STATE_DEAD = 7, /**< it cannot succeed; somebody may replay it */
    JOB_STATE_CANCELLED = 8,
    JOB_STATE_EXPIRED = 9,
    JOB_STATE_DUPLICATE = 10,
};

/** "succeeded", … as jobctl and SQL have it. Static. */
JOB_API const char *job_state_name(enum job_state state);

/** How a job stands, or ended. Made by the library, in one piece; later versions may append members. Strings are NULL when there is nothing. */
struct job_result {
    struct job_id id;
    enum job_state state;
    const char *queue, *type; /**< NULL also when they are not known yet, or were malformed */
    const char
        *reason; /**< why it is dead: exhausted, failed, crashed, malformed, unknown_type; or why it waits */
    const char *error;  /**< text of the last error */
    const char *result; /**< JSON that the handler has set */
    size_t result_size;
    const char *progress; /**< JSON that the handler has set while it runs */
    const char *worker;
    int attempt, delivery;
    int64_t
        run_at_us; /**< µs since 1970, UTC, by PostgreSQL's or the worker's clock, as the rest; 0: not known */
    int64_t enqueued_us, started_us, finished_us;
};

/** Releases a result. NULL is fine. */
JOB_API void job_result_free(struct job_result *result);

/**
 * job_result_wait() - wait until a job has ended
 * @id:         of any job, whoever has enqueued it
 * @timeout_ms: how long to wait; 0: only look whether it has ended; negative: for ever
 * @ret:        set on success, for job_result_free(): how it ended; success is one way among five, see its state
 *
 * All who wait with one client, in any number of threads, share one thread of the library and one connection to PostgreSQL, which is made
 * when the first one comes and given back when nobody has waited for a minute. A job that was enqueued with the spec's `reply` is told as soon
 * as its end is recorded; any other is looked for now and then: its end is known an eighth of the waited time later at most, and never
 * more than 5 s. While PostgreSQL is away it waits and connects again, until its time is over.
 *
 * A job that leaves no row when it succeeds (record = "failures") seems to go on for ever, unless it has `reply`. Must not be called from a
 * callback of job_result_watch(); from one of the delivery thread it holds up that client's deliveries.
 *
 * Return: 0; JOB_E_NOT_ENDED; JOB_E_DATABASE_AWAY (there was no connection when the time was over; job_client_error() says why);
 * JOB_E_DATABASE_REFUSED (rights, see `jobctl db grant`, or schema); JOB_E_FULL (JOB_MAX_WATCHES are waited for); JOB_E_INVALID_CONFIG
 * (nothing says where PostgreSQL is); JOB_E_CLOSED; -EDEADLK; other negative errno.
 */
JOB_API int job_result_wait(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
                            struct job_result **ret);

/** Most jobs that are waited for with one client at a time. */
#define JOB_MAX_WATCHES 1000000

/**
 * Called once for each job_result_watch() that returned 0: with @error 0 and the result, which the callee releases; else with JOB_E_NOT_ENDED,
 * JOB_E_DATABASE_AWAY, JOB_E_DATABASE_REFUSED, JOB_E_CLOSED or negative errno, and no result. Runs in the client's thread for results: be
 * quick, do not close the client and do not wait for jobs in it; enqueueing and further watches are fine.
 */
typedef void (*job_ended_fn)(const struct job_id *id, int error, struct job_result *result, void *cookie);

/**
 * job_result_watch() - be called when a job has ended
 * @timeout_ms: when to give up; 0: after one look; negative: never
 * @ended:      called once if this returns 0, possibly before it returns
 * @cookie:     handed to it, not looked at
 *
 * As job_result_wait(), for those who do not want a thread for each job that they wait for. Does not block. job_client_close() ends what is left with
 * JOB_E_CLOSED.
 *
 * Return: 0; JOB_E_FULL; JOB_E_INVALID_CONFIG; JOB_E_CLOSED; negative errno. Then @ended is not called.
 */
JOB_API int job_result_watch(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
                             job_ended_fn ended, void *cookie);

/**
 * job_status() - look how a job stands
 * @id:         of any job
 * @timeout_ms: how long to wait for PostgreSQL's answer; 0: 10 s; negative: for ever
 * @ret:        set on success, for job_result_free()
 *
 * One question over the connection of those who wait; any thread but that of job_result_watch()'s callbacks. A job that waits in Kafka for its
 * first try is not known to PostgreSQL yet (`jobctl job show` looks for it there).
 *
 * Return: 0; JOB_E_NOT_FOUND; JOB_E_DATABASE_AWAY; otherwise as job_result_wait().
 */
JOB_API int job_status(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
                       struct job_result **ret);

/**
 * job_flush() - wait until Kafka has answered for everything enqueued so far
 *
 * Return: 0 when every job accepted before the call has had its delivery callback (which may have named an error); JOB_E_TIMED_OUT.
 */
JOB_API int job_flush(struct job_client *client, int64_t timeout_ms);

/** Jobs accepted and not yet answered by Kafka. */
JOB_API size_t job_in_flight(struct job_client *client);

/** The last detailed error text of this thread ("" when none), e.g. where a payload stops being JSON. Valid until this thread's next call. */
JOB_API const char *job_client_error(const struct job_client *client);

/** A sentence for any return value of this library. Never NULL; static. */
JOB_API const char *job_strerror(int error);

/** A new id, as job_enqueue() makes them. Any thread. */
JOB_API void job_id_new(struct job_id *ret);
/** Writes the id's text to @text (JOB_ID_TEXT_SIZE bytes). Return: @text. */
JOB_API char *job_id_format(const struct job_id *id, char *text);
/** Reads a UUID's 36 characters. Return: 0; JOB_E_INVALID_ID. */
JOB_API int job_id_parse(const char *text, struct job_id *ret);

/** "MAJOR.MINOR.PATCH" of the library that is running. */
JOB_API const char *job_version(void);

#ifdef __cplusplus
}
#endif
#endif
