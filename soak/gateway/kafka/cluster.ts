import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../../test/support/postgres/cluster.js'
import { Daemon, type Leash } from '../daemon.js'

const run = promisify(execFile)
/** As docs/kafka.md has them. */
const TOPIC = 'otlp_audit'
const GROUP = 'otel-audit-gateway'
const PARTITIONS = 4
/** Quick to start, and small: three of them are on one machine with everything else. */
const JVM = ['-Xms64m', '-Xmx320m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
/** A safety net: one that was killed recovers its log, and waits for a quorum. */
const PATIENCE_MS = 300_000

interface Node {
  readonly id: number
  readonly port: number
  readonly controllerPort: number
  readonly directory: string
}

/** Brokers of our own, each also a controller, on free ports. */
export class KafkaCluster {
  readonly brokers: readonly Daemon[]
  /** `host:port` of each. */
  readonly addresses: readonly string[]
  readonly #classPath: string

  private constructor(classPath: string, nodes: readonly Node[], brokers: readonly Daemon[]) {
    this.#classPath = classPath
    this.addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    this.brokers = brokers
  }

  /** @throws Error with what a broker said that does not start */
  static async start(
    classPath: string,
    directory: string,
    leash: Leash,
    count: number,
  ): Promise<KafkaCluster> {
    const nodes: Node[] = []
    for (let id = 1; id <= count; id++) {
      const [port, controllerPort] = [await freePort(), await freePort()]
      nodes.push({ id, port, controllerPort, directory: join(directory, `kafka-${id}`) })
    }
    // An id must not begin as an option does.
    const clusterId = `A${randomBytes(16).toString('base64url').slice(1, 22)}`
    for (const node of nodes) await format(classPath, node, nodes, clusterId)
    const brokers = nodes.map((node) => brokerOf(classPath, node, leash))
    await Promise.all(brokers.map((broker) => broker.start()))
    return new KafkaCluster(classPath, nodes, brokers)
  }

  /** Replicated to all, and written when all but one have it. */
  async createTopic(): Promise<void> {
    const replicas = this.brokers.length
    const settings = [
      `min.insync.replicas=${leastInSync(replicas)}`,
      'max.message.bytes=4194304',
      'unclean.leader.election.enable=false',
    ]
    await this.#tool('org.apache.kafka.tools.TopicCommand', [
      '--create',
      '--topic',
      TOPIC,
      '--partitions',
      `${PARTITIONS}`,
      '--replication-factor',
      `${replicas}`,
      ...settings.flatMap((setting) => ['--config', setting]),
    ])
  }

  /** What is said of the topic. */
  describeTopic(): Promise<string> {
    return this.#tool('org.apache.kafka.tools.TopicCommand', ['--describe', '--topic', TOPIC])
  }

  /** Messages that the group of the gateways has not marked as read. Undefined: that is not known now. */
  async lag(): Promise<number | undefined> {
    const said = await this.#tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      '--describe',
      '--group',
      GROUP,
      '--offsets',
    ]).catch(() => '')
    const lines = said.split('\n').map((line) => line.trim().split(/\s+/))
    const head = lines.find((line) => line.includes('LAG')) ?? []
    const at = head.indexOf('LAG')
    const ofTopic = lines.filter((line) => line.includes(TOPIC)).map((line) => Number(line[at]))
    const isKnown = ofTopic.length === PARTITIONS && ofTopic.every(Number.isInteger)
    return isKnown ? ofTopic.reduce((sum, lag) => sum + lag, 0) : undefined
  }

  /** Resolves when everything is read. @throws Error when it does not come to that */
  async read(): Promise<void> {
    const until = performance.now() + PATIENCE_MS
    let lag = await this.lag()
    while (lag !== 0) {
      if (performance.now() > until) throw new Error(`${lag ?? 'unknown how many'} messages stay in Kafka`)
      await sleep(1000)
      lag = await this.lag()
    }
  }

  async #tool(tool: string, args: readonly string[]): Promise<string> {
    const servers = ['--bootstrap-server', this.addresses.join(',')]
    const java = [...JVM, '-cp', this.#classPath, tool, ...servers, ...args]
    return (await run('java', java, { timeout: PATIENCE_MS })).stdout
  }
}

const leastInSync = (replicas: number): number => Math.max(1, replicas - 1)

async function format(
  classPath: string,
  node: Node,
  nodes: readonly Node[],
  clusterId: string,
): Promise<void> {
  await mkdir(node.directory, { recursive: true, mode: 0o700 })
  const file = propertiesOf(node)
  await writeFile(file, properties(node, nodes))
  const args = ['format', '-t', clusterId, '-c', file]
  await run('java', [...JVM, '-cp', classPath, 'kafka.tools.StorageTool', ...args])
}

const propertiesOf = ({ directory }: Node): string => join(directory, 'server.properties')

function properties(node: Node, nodes: readonly Node[]): string {
  const replicas = nodes.length
  const voters = nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': voters.join(','),
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': join(node.directory, 'data'),
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': leastInSync(replicas),
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': leastInSync(replicas),
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function brokerOf(classPath: string, node: Node, leash: Leash): Daemon {
  const command = {
    name: `broker ${node.id}`,
    file: 'java',
    args: [...JVM, '-cp', classPath, 'kafka.Kafka', propertiesOf(node)],
    env: {},
    logFile: join(node.directory, 'log'),
    health: () => accepts(node.port),
    patienceMs: PATIENCE_MS,
  }
  return new Daemon(command, leash)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
