import { freePort } from '../../../test/support/postgres/cluster.js'
import type { Stage } from '../../stage.js'
import type { Leash } from '../daemon.js'
import { closeAll, collector, gatewaysOf, type Way } from '../way.js'
import { KafkaCluster } from './cluster.js'
import { kafkaClassPath, missingForKafka } from './jars.js'

/**
 * By a collector into Kafka, and from there by two others, each to a gateway of its own, with the files of deploy/collector/.
 *
 * @throws Error when something that it needs is not there, or does not start
 */
export async function kafkaWay(
  stage: Stage,
  leash: Leash,
  binary: string | undefined,
  brokers: number,
  say: (what: string) => void,
): Promise<Way> {
  const missing =
    binary === undefined ? 'a collector (npm run collector:check builds it)' : await missingForKafka()
  if (binary === undefined || missing !== undefined) throw new Error(`Kafka needs ${missing}`)
  const { gateways, proxies } = await gatewaysOf(stage, leash)
  say(`starting ${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`)
  const cluster = await KafkaCluster.start(await kafkaClassPath(say), stage.directory, leash, brokers)
  await cluster.createTopic()
  say((await cluster.describeTopic()).trim())
  const kafka = { COLLECTOR_KAFKA_BROKERS: `[${cluster.addresses.join(', ')}]` }
  const port = await freePort()
  const producer = await collector(
    stage,
    leash,
    binary,
    'the collector before Kafka',
    'kafka-producer.yaml',
    {
      ...kafka,
      COLLECTOR_KAFKA_OTLP_HTTP_PORT: `${port}`,
      COLLECTOR_KAFKA_OTLP_GRPC_PORT: `${await freePort()}`,
    },
  )
  const consumers = await Promise.all(
    proxies.map((proxy, i) =>
      collector(stage, leash, binary, `collector ${i + 1} behind Kafka`, 'kafka-consumer.yaml', {
        ...kafka,
        COLLECTOR_GATEWAY_URL: `http://127.0.0.1:${proxy.port}`,
      }),
    ),
  )
  await Promise.all([...gateways, producer, ...consumers].map((one) => one.start()))
  return {
    description: 'through Kafka, with a collector before it and two behind it',
    daemons: { gateway: gateways, producer: [producer], consumer: consumers, broker: cluster.brokers },
    proxies,
    targets: [`http://127.0.0.1:${port}`],
    // What an SDK has: the collector tries for 8 s.
    patienceMs: 10_000,
    settled: () => cluster.read(),
    close: () => closeAll(proxies),
  }
}
