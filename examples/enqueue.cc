// SPDX-License-Identifier: Apache-2.0
// Enqueues jobs from C++: enqueue-cc [QUEUE [COUNT]], one job for each number, in order of a key. Prints the id of each once Kafka has it.
//
//     c++ -std=c++17 enqueue.cc $(pkg-config --cflags --libs libjob)
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <job.h>
#include <memory>
#include <stdexcept>
#include <string>

struct CloseClient {
    void operator()(job_client *client) const { job_client_close(client, 10000); }
};
using Client = std::unique_ptr<job_client, CloseClient>;

static void check(int outcome)
{
    if (outcome)
        throw std::runtime_error(std::string(job_strerror(outcome)) + " (" + job_client_error(nullptr) + ")");
}

// In the client's own thread, once for each job.
static void delivered(const job_id *id, int error, void *, void *userdata)
{
    char text[JOB_ID_TEXT_SIZE];
    if (error)
        ++*static_cast<std::atomic<int> *>(userdata);
    std::cout << job_id_format(id, text) << (error ? " failed: " : "") << (error ? job_strerror(error) : "") << '\n';
}

static Client open(std::atomic<int> &failed)
{
    job_client *client = nullptr;
    job_client_options options{};
    options.delivered = delivered;
    options.userdata = &failed;
    check(job_client_open(&client, &options));
    return Client(client);
}

int main(int argc, char **argv)
try {
    const std::string queue = argc > 1 ? argv[1] : "selftest";
    const int count = argc > 2 ? std::atoi(argv[2]) : 1;
    std::atomic<int> failed{0};
    Client client = open(failed);
    for (int i = 0; i < count; i++) {
        const std::string payload = "{\"number\": " + std::to_string(i) + "}"; // copied by job_enqueue()
        job_spec spec{};
        spec.type = "selftest.echo";
        spec.queue = queue.c_str();
        spec.payload = payload.data();
        spec.payload_size = payload.size();
        spec.key = "numbers";
        check(job_enqueue(client.get(), &spec, nullptr)); // does not wait
    }
    check(job_flush(client.get(), 10000));
    return failed ? 1 : 0;
} catch (const std::exception &error) {
    std::cerr << "enqueue-cc: " << error.what() << '\n';
    return 1;
}
