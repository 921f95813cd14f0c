// SPDX-License-Identifier: Apache-2.0
// Enqueues a job from Node with kafkajs (npm install kafkajs): node produce.js TYPE [PAYLOAD [QUEUE]]
//
// A job is a message with the header ce_type. Prints topic, partition and offset once Kafka has it for good.
const { Kafka, Partitioners, logLevel } = require('kafkajs');

const [type, payload = '{}', queue = 'default'] = process.argv.slice(2);
const kafka = new Kafka({
  brokers: (process.env.JOB_KAFKA || '127.0.0.1:9092').split(','),
  logLevel: logLevel.ERROR,
  retry: { retries: 3 },
});

async function main() {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner, // as Java's clients and libjob choose by key
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  try {
    const [sent] = await producer.send({
      topic: `job.${queue}`,
      acks: -1, // all replicas
      messages: [{ value: payload, headers: { ce_type: type } }],
    });
    console.log(sent.topicName, sent.partition, sent.baseOffset);
  } finally {
    await producer.disconnect();
  }
}

main().catch((error) => {
  console.error(`produce.js: ${error.message}`);
  process.exitCode = 1;
});
