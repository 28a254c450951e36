import { expect, test } from 'vitest'
import {
  describeGatewayKill,
  type GatewayKill,
  gatewaySchedule,
  type Parts,
} from '../../soak/gateway/schedule.js'
import { soakOptions } from '../../soak/options.js'

function killsOf(seed: number, count: number, parts: Partial<Parts> = {}): GatewayKill[] {
  const plan = gatewaySchedule(seed, { collector: false, brokers: 0, standby: false, ...parts })
  return Array.from({ length: count }, () => plan.next().value)
}

test('a seed has the same kills each time, and another one others', () => {
  expect(killsOf(7, 200)).toEqual(killsOf(7, 200))
  expect(killsOf(8, 200)).not.toEqual(killsOf(7, 200))
})

const ALWAYS = ['crash', 'cut', 'freeze', 'gateway', 'sender', 'slow', 'stop', 'terminate']

test.each<[number, Partial<Parts>, string[]]>([
  [11, {}, []],
  [13, { collector: true }, ['collector']],
  [17, { brokers: 3 }, ['broker', 'consumer', 'producer']],
  [14, { standby: true }, ['failover']],
])('every %i kills have every kind, with %j', (count, parts, more) => {
  for (const seed of [0, 1, 2 ** 32 - 1]) {
    const kinds = new Set(killsOf(seed, count, parts).map(({ what }) => what))
    expect([...kinds].sort()).toEqual([...ALWAYS, ...more].sort())
  }
})

test('each broker is killed, and a primary goes away in each manner', () => {
  const kills = killsOf(3, 400, { brokers: 3, standby: true })
  const brokers = kills.flatMap((kill) => (kill.what === 'broker' ? kill.which : []))
  expect(new Set(brokers)).toEqual(new Set([0, 1, 2]))
  const departures = kills.flatMap((kill) => (kill.what === 'failover' ? kill.departure : []))
  expect(new Set(departures)).toEqual(new Set(['crash', 'switchover', 'freeze']))
})

test('every kill can be told from the others', () => {
  const kills = killsOf(5, 400, { collector: true, brokers: 3, standby: true })
  const texts = new Set(kills.map((kill) => describeGatewayKill(kill).replaceAll(/\d+/g, 'n')))
  expect([...texts].sort()).toMatchInlineSnapshot(`
    [
      "SIGKILL of Postgres, away for n ms",
      "SIGKILL of broker n, away for n ms",
      "SIGKILL of collector n behind Kafka, away for n ms",
      "SIGKILL of gateway n, away for n ms",
      "SIGKILL of the collector before Kafka, away for n ms",
      "SIGKILL of the collector, away for n ms",
      "SIGKILL of the sender",
      "SIGSTOP of Postgres, for n ms",
      "SIGSTOP of gateway n, for n ms",
      "SIGTERM of broker n, away for n ms",
      "SIGTERM of collector n behind Kafka, away for n ms",
      "SIGTERM of gateway n, away for n ms",
      "SIGTERM of the collector before Kafka, away for n ms",
      "SIGTERM of the collector, away for n ms",
      "cut of Postgres and the gateways (answer)",
      "cut of Postgres and the gateways (now)",
      "cut of Postgres and the gateways (request)",
      "cut of the senders and gateway n (answer)",
      "cut of the senders and gateway n (now)",
      "cut of the senders and gateway n (request)",
      "n ms between Postgres and the gateways, for n ms",
      "n ms between the senders and gateway n, for n ms",
      "pg_terminate_backend",
      "promotion of the standby (crash of the primary, a standby again after n ms)",
      "promotion of the standby (freeze of the primary, a standby again after n ms)",
      "promotion of the standby (switchover of the primary, a standby again after n ms)",
      "silence of Postgres and the gateways for n ms",
      "silence of the senders and gateway n for n ms",
    ]
  `)
})

test('each gateway is killed by both signals, and connections are cut at every place of both sides', () => {
  const kills = killsOf(1, 400)
  const ends = kills.flatMap((kill) => (kill.what === 'gateway' ? `${kill.which} ${kill.signal}` : []))
  expect(new Set(ends).size).toBe(4)
  const cuts = kills.flatMap((kill) => (kill.what === 'cut' ? `${kill.of} ${kill.cut}` : []))
  expect(new Set(cuts).size).toBe(8)
})

test('the options of a soak through gateways', () => {
  expect(soakOptions(['--through', 'gateway', '--collector', '/x'])).toMatchObject({
    through: 'gateway',
    collector: '/x',
    kafka: false,
    failovers: 0,
    kills: 10,
  })
  const kafka = soakOptions(['--through', 'gateway', '--kafka', '--brokers', '1'])
  expect(kafka).toMatchObject({ kafka: true, brokers: 1 })
  const failover = soakOptions(['--through', 'gateway', '--failover', '20'])
  expect(failover).toMatchObject({ failovers: 20, kills: Number.POSITIVE_INFINITY })
  expect(() => soakOptions(['--through', 'wall'])).toThrow('--through must be gateway')
})

test.each([[['--collector', '/x']], [['--kafka']], [['--failover', '2']]])(
  'what is for gateways is refused without them: %j',
  (args) => {
    expect(() => soakOptions(args)).toThrow('--through gateway')
  },
)
